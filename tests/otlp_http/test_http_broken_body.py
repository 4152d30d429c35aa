"""A request that stops being HTTP in its body has one answer, and the log says nothing of it."""

import pytest

from tests.otlp_http.services import Service, head, read_reply


@pytest.mark.parametrize("kind", ["application/x-protobuf", "text/plain"])
def test_chunks_that_are_none_are_refused_once_and_not_logged(
    shared: Service, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        with shared.raw() as taken:
            taken.sendall(head("/v1/traces", "Transfer-Encoding: chunked", kind=kind) + b"zz\r\n")
            assert read_reply(taken).status == 400
            assert taken.recv(1) == b""
    assert shared.post("/v1/traces", b"").status == 200
    assert [record.getMessage() for record in caplog.records] == []
