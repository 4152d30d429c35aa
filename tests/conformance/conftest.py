"""What tests of conformance share: receivers for most, and makers of others with own settings."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from collectors.otlp.signals import SIGNALS, TRACES, Signal
from tests.conformance.guards import add_token
from tests.conformance.running import Running, running
from tests.conformance.senders import OK, export
from tests.conformance.telemetry_requests import fresh, request
from tests.otlp_http.services import JSON, PROTOBUF

Serve = Callable[..., Running]

# Large enough for a test's requests, small enough to be passed at once.
SHARED_LIMIT_BYTES = 4 << 20


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give one receiver to all tests that need no settings of their own."""
    folder = tmp_path_factory.mktemp("conformance")
    limits = {"receiver": {"max_message_bytes": SHARED_LIMIT_BYTES}}
    with running(folder, limits) as started:
        yield started
        assert started.process.poll() is None, started.said()[-3000:]
        assert "Traceback" not in started.said()
        assert not (started.journal / "quarantine").exists()


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give a receiver whose journal holds as much as it may, and lands nothing."""
    folder = tmp_path_factory.mktemp("full")
    with running(folder, {"journal": {"backlog_bytes": 4096, "segment_seconds": 3600}}) as started:
        for spans in (40, 1):
            while export(started, TRACES, request(TRACES, fresh(), spans)).code is OK:
                pass
        yield started


@dataclass(frozen=True)
class Guarded:
    """A receiver that asks for tokens.

    Attributes:
        running: the receiver.
        token: one that may send everything.
        slow: one that may send once a second.
        other: one that may send for no service that tests have; its name is very long.
    """

    running: Running
    token: str
    slow: str
    other: str


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Give a receiver that asks for tokens."""
    folder = tmp_path_factory.mktemp("guarded")
    file = folder / "tokens.toml"
    tokens = (
        add_token(file, "team"),
        add_token(file, "slow", "--requests-per-second", "1"),
        add_token(file, "n" * 100_000, "--service", "other"),
    )
    with running(folder, {"receiver": {"tokens_file": str(file)}}) as started:
        yield Guarded(started, *tokens)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start receivers with settings: ``serve(receiver={"max_message_bytes": 1024})``."""
    with contextlib.ExitStack() as stack:

        def start(arguments: tuple[str, ...] = (), **settings: dict[str, Any]) -> Running:
            return stack.enter_context(running(tmp_path / "served", settings, arguments))

        yield start


@pytest.fixture(params=SIGNALS, ids=lambda signal: str(signal.name))
def signal(request: pytest.FixtureRequest) -> Signal:
    """Give each signal in turn."""
    found: Signal = request.param
    return found


@pytest.fixture(params=[PROTOBUF, JSON], ids=["protobuf", "json"])
def kind(request: pytest.FixtureRequest) -> str:
    """Give each encoding of HTTP in turn."""
    found: str = request.param
    return found
