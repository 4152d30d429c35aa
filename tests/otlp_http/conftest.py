"""What tests of OTLP over HTTP share: the server on a loop of its own, with a real journal."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.lake import Lake, open_lake
from tests.otlp_http.services import Service

Serve = Callable[..., Service]


@pytest.fixture
def serve(lake: Lake) -> Iterator[Serve]:
    """Start HTTP servers on the lake's journal; nothing of them may fail unheard."""
    started: list[Service] = []

    def start(backlog_bytes: int = 1 << 30, **limits: Any) -> Service:
        service = Service(lake, backlog_bytes, limits)
        started.append(service)
        return service.start()

    yield start
    for service in started:
        service.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Give one server, with the same limits, to the tests that do not look into its journal."""
    lake = open_lake(tmp_path_factory.mktemp("shared") / "lake", create=True)
    service = Service(lake, 1 << 30, {"max_message_bytes": 1 << 20}).start()
    yield service
    service.stop()


@pytest.fixture
def service(serve: Serve) -> Service:
    """Give a server with the usual limits, but 1 MiB as the largest request."""
    return serve(max_message_bytes=1 << 20)
