"""What is kept, once, and who may send it: points 46, 49 and 50, against ``tailgate serve``."""

import contextlib
import errno
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from collectors.otlp.signals import SIGNALS, TRACES, Signal
from tests.conformance.conftest import Guarded, Serve
from tests.conformance.guards import Certificates
from tests.conformance.running import COMMAND, Running, plain_environment, running
from tests.conformance.senders import OK, begin, channel, export, path_of, post, told
from tests.conformance.telemetry_requests import TABLE, add_span, fresh, message, request
from tests.otlp.receivers import wait_until
from tests.otlp_http.services import head, read_reply

pytestmark = pytest.mark.slow

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
FAILING = (sys.executable, str(Path(__file__).with_name("run_failing_disk.py")))


def test_46_a_byte_identical_retry_is_stored_once(shared: Running, signal: Signal) -> None:
    service = fresh("p46")
    payload = request(signal, service, 2)
    for _ in range(2):
        assert export(shared, signal, payload).code is OK
        assert post(shared, signal, payload).status == 200
    assert len(shared.landed(TABLE[signal.name], service, 2)) == 2
    # What comes after a repeat lands after it would have.
    assert export(shared, signal, request(signal, service)).code is OK
    assert len(shared.landed(TABLE[signal.name], service, 3)) == 3


def send_in_two_batches(served: Running, service: str) -> None:
    """Send three spans, and the middle one again in another batch."""
    began = time.time_ns()
    for numbers in ((1, 2), (2, 3)):
        made, spans = message(TRACES, service)
        for number in numbers:
            # Whatever batch it is in, the span is the same.
            times = {"start_time_unix_nano": began, "end_time_unix_nano": began + number}
            add_span(spans, span_id=number.to_bytes(8, "big"), trace_id=b"\x46" * 16, **times)
        assert export(served, TRACES, made.SerializeToString()).code is OK
    served.landed(TABLE["traces"], service, 4)


def duplicates(served: Running) -> list[tuple[str, str, int, int, bool]]:
    sql = """
        SELECT trace_id, span_id, row_count, request_count, first_ingest_time < last_ingest_time
        FROM span_duplicates
    """
    return [tuple(row.values()) for row in served.ask(sql)]


def test_46_duplicates_batched_anew_are_counted_and_visible(serve: Serve) -> None:
    served = serve()
    send_in_two_batches(served, fresh("p46"))
    assert duplicates(served) == [("46" * 16, f"{2:016x}", 2, 2, True)]


def test_46_duplicates_are_removed_at_compaction(serve: Serve) -> None:
    served = serve()
    send_in_two_batches(served, fresh("p46"))
    compact = [*COMMAND, "compact", "--lake", str(served.lake)]
    subprocess.run(compact, env=plain_environment(), capture_output=True, check=True)
    assert duplicates(served) == []
    (row,) = served.ask("SELECT count(*) AS spans FROM spans")
    assert row == {"spans": 3}
    (row,) = served.ask("SELECT sum(spans) AS spans FROM latency_minutes")
    assert row == {"spans": 3}


def test_49_kill_9_loses_nothing_acknowledged(tmp_path: Path) -> None:
    service, folder = fresh("p49"), tmp_path / "served"
    payloads = [(signal, request(signal, service)) for signal in SIGNALS for _ in range(20)]
    # Nothing is sealed by age, so all of it is in the open segment at the kill.
    with running(folder, {"journal": {"segment_seconds": 3600}}) as served:
        for signal, payload in payloads:
            assert export(served, signal, payload).code is OK
        assert all(served.rows(TABLE[signal.name], service) == [] for signal in SIGNALS)
        served.kill()
    with running(folder) as served:
        # And a sender that did not see the answers sends again.
        for signal, payload in payloads:
            assert export(served, signal, payload).code is OK
        for signal in SIGNALS:
            assert len(served.landed(TABLE[signal.name], service, 20)) == 20


def test_49_a_torn_tail_is_skipped_and_said(tmp_path: Path) -> None:
    service, folder = fresh("p49"), tmp_path / "served"
    with running(folder, {"journal": {"segment_seconds": 3600}}) as served:
        for signal in SIGNALS:
            assert export(served, signal, request(signal, service)).code is OK
        served.kill()
    (segment,) = served.journal.glob("*.open")
    whole = segment.read_bytes()
    # The last request's frame once more, but for its last byte.
    segment.write_bytes(whole + whole[: len(whole) // 2])
    with running(folder) as served:
        for signal in SIGNALS:
            assert export(served, signal, request(signal, service)).code is OK
            assert len(served.landed(TABLE[signal.name], service, 2)) == 2
        assert "cut short by a crash, or damaged" in served.said()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
def test_49_a_disk_that_fails_is_unavailable_and_works_again(tmp_path: Path, number: int) -> None:
    switch, service = tmp_path / "errno", fresh("p49")
    with running(tmp_path / "served", command=(*FAILING, str(switch))) as served:
        for signal in SIGNALS:
            payload = request(signal, service)
            switch.write_text(str(number))
            sent = export(served, signal, payload)
            assert (sent.code, sent.retries) == (grpc.StatusCode.UNAVAILABLE, True)
            assert sent.details
            reply = post(served, signal, request(signal, service))
            assert (reply.status, "Retry-After" in reply.headers) == (503, True)
            switch.unlink()
            assert export(served, signal, payload).code is OK
            assert len(served.landed(TABLE[signal.name], service)) == 1


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module", params=["TLS", "mTLS"])
def secured(
    request: pytest.FixtureRequest,
    certificates: Certificates,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    names = ["tls_cert", "tls_key", *(["tls_client_ca"] if request.param == "mTLS" else [])]
    settings = {"receiver": certificates.settings(*names)}
    with running(tmp_path_factory.mktemp("secured"), settings) as served:
        yield served


def test_50_tls_and_mtls_let_in_whoever_has_a_certificate(
    secured: Running, certificates: Certificates, signal: Signal
) -> None:
    payload = request(signal, fresh("p50"))
    credentials = certificates.grpc(client=True)
    assert export(secured, signal, payload, credentials=credentials).code is OK
    assert post(secured, signal, payload, context=certificates.http(client=True)).status == 200


def test_50_tls_without_a_clients_certificate_is_enough_only_without_mtls(
    secured: Running, certificates: Certificates, signal: Signal, request_mode: str
) -> None:
    payload = request(signal, fresh("p50"))
    sent = export(secured, signal, payload, credentials=certificates.grpc())
    if request_mode == "TLS":
        assert sent.code is OK
        assert post(secured, signal, payload, context=certificates.http()).status == 200
        return
    # Nobody without a certificate gets as far as a status: the handshake fails.
    assert sent.code is grpc.StatusCode.UNAVAILABLE
    with pytest.raises((ssl.SSLError, ConnectionError)):
        post(secured, signal, payload, context=certificates.http())


@pytest.fixture
def request_mode(request: pytest.FixtureRequest) -> str:
    """Give how the receiver is secured."""
    return "mTLS" if "mTLS" in request.node.name else "TLS"


def test_50_plain_text_gets_nowhere_on_a_tls_port(secured: Running, signal: Signal) -> None:
    assert export(secured, signal, request(signal, fresh("p50"))).code is not OK
    with secured.raw() as taken, contextlib.suppress(ConnectionError):
        taken.sendall(head(path_of(signal), "Content-Length: 0"))
        assert not taken.recv(4096).startswith(b"HTTP/1.1 2")


@pytest.mark.parametrize(
    "authorization", [None, "Bearer", "Bearer wrong", "Basic dGVhbTp0ZWFt", "{token}"]
)
def test_50_a_missing_identity_is_unauthenticated_and_401(
    guarded: Guarded, signal: Signal, authorization: str | None
) -> None:
    payload = request(signal, fresh("p50"))
    given = None if authorization is None else authorization.format(token=guarded.token)
    metadata = () if given is None else (("authorization", given),)
    sent = export(guarded.running, signal, payload, metadata=metadata)
    assert (sent.code, sent.retries) == (UNAUTHENTICATED, False)
    headers: dict[str, Any] = {} if given is None else {"Authorization": given}
    reply = post(guarded.running, signal, payload, **headers)
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert reply.refusal()[0].code == 16


def test_50_a_token_lets_its_sender_in(guarded: Guarded, signal: Signal) -> None:
    service, bearer = fresh("p50"), f"Bearer {guarded.token}"
    payload = request(signal, service)
    sent = export(guarded.running, signal, payload, metadata=(("authorization", bearer),))
    assert sent.code is OK
    assert post(guarded.running, signal, payload, Authorization=bearer).status == 200
    assert len(guarded.running.landed(TABLE[signal.name], service)) == 1


def test_50_shutdown_drains(serve: Serve) -> None:
    # Nothing is sealed by age: only the stop hands it over.
    served, service = serve(journal={"segment_seconds": 3600}), fresh("p50")
    body = request(TRACES, service)
    with channel(served) as opened, served.raw() as taken:
        every = [signal for signal in SIGNALS for _ in range(50)]
        calls = [begin(opened, signal, request(signal, service)) for signal in every]
        # One is under way, over HTTP, when the stop comes.
        taken.sendall(head(path_of(TRACES), f"Content-Length: {len(body)}", "Expect: 100-continue"))
        assert taken.recv(4096).startswith(b"HTTP/1.1 100 ")
        acknowledged = [told(call).code for call in calls].count(OK)
        stopped: list[int] = []
        stopping = threading.Thread(target=lambda: stopped.append(served.stop()))
        stopping.start()
        wait_until(lambda: "stopping: no new requests" in served.said(), "the stop to begin")
        taken.sendall(body)
        assert read_reply(taken).status == 200
        stopping.join()
    assert (stopped, acknowledged) == ([0], 200)
    landed = [len(served.rows(TABLE[signal.name], service)) for signal in SIGNALS]
    assert landed == [51, 50, 50, 50]
