"""OTLP over gRPC, point by point of the specification, against ``tailgate serve``."""

import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.rpc import error_details_pb2

from collectors.otlp.signals import LOG_RECORDS, PROFILE_DATA, SIGNALS, TRACES, Signal
from pipeline.settings import Receiver
from tests.conformance.conftest import SHARED_LIMIT_BYTES, Guarded, Serve
from tests.conformance.running import Running
from tests.conformance.senders import OK, begin, channel, export, rejected, told
from tests.conformance.telemetry_requests import TABLE, fresh, request
from tests.otlp.wire_bytes import field
from tests.otlp_profiles.profile_messages import Requested

pytestmark = pytest.mark.slow

MOST_RESPONSE_BYTES = 4 << 20
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_01_no_compression_and_gzip_are_taken(
    shared: Running, signal: Signal, compression: grpc.Compression
) -> None:
    service = fresh("p1")
    sent = export(shared, signal, request(signal, service, 5), compression=compression)
    assert sent.code is OK
    assert len(shared.landed(TABLE[signal.name], service, 5)) == 5


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_02_the_limit_holds_after_decompression_and_is_no_reason_to_retry(
    shared: Running, signal: Signal, compression: grpc.Compression
) -> None:
    sent = export(shared, signal, bytes(SHARED_LIMIT_BYTES + 1), compression=compression)
    assert sent.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not sent.retries


def test_02_the_limit_is_64_mib_unless_set(serve: Serve) -> None:
    assert Receiver().max_message_bytes == 64 << 20
    small = serve(receiver={"max_message_bytes": 2048})
    payload = request(TRACES, fresh(), 100)
    assert len(payload) > 2048
    assert export(small, TRACES, payload).code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert export(small, TRACES, request(TRACES, fresh())).code is OK


def test_03_full_success_is_the_signals_response_without_partial_success(
    shared: Running, signal: Signal
) -> None:
    sent = export(shared, signal, request(signal, fresh("p3"), 3))
    assert sent.code is OK
    assert not signal.response.FromString(sent.body).HasField("partial_success")
    assert sent.body == b""


@pytest.mark.parametrize("payload", [b"", field(1, b""), field(1, field(2, b""))])
def test_04_an_empty_request_succeeds(shared: Running, signal: Signal, payload: bytes) -> None:
    sent = export(shared, signal, payload)
    assert (sent.code, sent.body) == (OK, b"")


def test_05_a_partial_success_counts_exactly_and_says_why(shared: Running, signal: Signal) -> None:
    service = fresh("p5")
    sent = export(shared, signal, request(signal, service, good=4, bad=3))
    partial = signal.response.FromString(sent.body).partial_success
    assert sent.code is OK
    assert rejected(signal, partial) == 3
    assert partial.error_message.startswith("3 of 7 rejected: ")
    assert len(shared.landed(TABLE[signal.name], service, 4)) == 4


def test_05_all_rejected_is_a_partial_success_too(shared: Running, signal: Signal) -> None:
    sent = export(shared, signal, request(signal, fresh("p5"), good=0, bad=2))
    partial = signal.response.FromString(sent.body).partial_success
    assert (sent.code, rejected(signal, partial)) == (OK, 2)
    assert partial.error_message


def test_06_a_warning_rejects_nothing_and_has_a_message(shared: Running) -> None:
    asked = Requested(fresh("p6"))
    asked.dictionary.string_table[0] = "must be empty"
    asked.sample(asked.profile(), "leaf;root", [1])
    sent = export(shared, PROFILE_DATA, asked.bytes())
    partial = PROFILE_DATA.response.FromString(sent.body).partial_success
    assert (sent.code, partial.rejected_profiles) == (OK, 0)
    assert partial.error_message == "kept, but entry 0 is not the zero value in string_table"


def test_07_retryable_is_unavailable(full: Running, signal: Signal) -> None:
    sent = export(full, signal, request(signal, fresh(), 40))
    assert (sent.code, sent.retries) == (UNAVAILABLE, True)
    (detail,) = sent.details
    assert isinstance(detail, error_details_pb2.RetryInfo)
    assert detail.retry_delay.ToMilliseconds() > 0


@pytest.mark.parametrize("payload", [b"\xff", b"\x0a\x7f", b"not protobuf"])
def test_08_bad_data_is_invalid_argument_with_details(
    shared: Running, signal: Signal, payload: bytes
) -> None:
    sent = export(shared, signal, payload)
    assert (sent.code, sent.retries) == (grpc.StatusCode.INVALID_ARGUMENT, False)
    (detail,) = sent.details
    assert isinstance(detail, error_details_pb2.BadRequest)
    assert detail.field_violations[0].description == sent.message
    assert f"not an OTLP {signal.name} request" in sent.message


def test_09_throttled_is_unavailable_and_says_when(guarded: Guarded) -> None:
    slow = guarded.running
    metadata = (("authorization", f"Bearer {guarded.slow}"),)
    answers = [
        export(slow, LOG_RECORDS, request(LOG_RECORDS, fresh()), metadata=metadata)
        for _ in range(8)
    ]
    refused = [each for each in answers if each.code is not OK]
    assert answers[0].code is OK
    assert refused
    for each in refused:
        assert each.code is UNAVAILABLE
        (detail,) = each.details
        assert 0 < detail.retry_delay.ToMilliseconds() <= 1000
    # Who waits as long as that is let in.
    time.sleep(refused[-1].details[0].retry_delay.ToMilliseconds() / 1000 + 0.05)
    late = export(slow, LOG_RECORDS, request(LOG_RECORDS, fresh()), metadata=metadata)
    assert late.code is OK


def test_10_answers_stay_small_by_a_shorter_message(guarded: Guarded, signal: Signal) -> None:
    # The longest text there can be in an answer: the name of a token.
    metadata = (("authorization", f"Bearer {guarded.other}"),)
    sent = export(guarded.running, signal, request(signal, fresh(), 3), metadata=metadata)
    partial = signal.response.FromString(sent.body).partial_success
    assert (sent.code, rejected(signal, partial)) == (OK, 3)
    assert partial.error_message.startswith("3 of 3 rejected: token nnn")
    assert len(sent.body) < 4096 < MOST_RESPONSE_BYTES


def test_11_unary_calls_run_at_once(shared: Running, signal: Signal) -> None:
    service = fresh("p11")
    with channel(shared) as opened:
        calls = [begin(opened, signal, request(signal, service)) for _ in range(150)]
        assert [told(call).code for call in calls] == [OK] * 150
    with ThreadPoolExecutor(8) as pool:
        more = pool.map(lambda _: export(shared, signal, request(signal, service)), range(16))
        assert {each.code for each in more} == {OK}
    assert len(shared.landed(TABLE[signal.name], service, 166)) == 166


def test_12_every_signal_has_its_service_and_the_port_is_4317(shared: Running) -> None:
    assert Receiver().grpc_port == 4317
    assert [each.service for each in SIGNALS] == [
        "opentelemetry.proto.collector.trace.v1.TraceService",
        "opentelemetry.proto.collector.metrics.v1.MetricsService",
        "opentelemetry.proto.collector.logs.v1.LogsService",
        "opentelemetry.proto.collector.profiles.v1development.ProfilesService",
    ]
    assert {export(shared, each, b"").code for each in SIGNALS} == {OK}


@pytest.mark.parametrize(
    "method",
    [
        "/opentelemetry.proto.collector.trace.v2.TraceService/Export",
        "/opentelemetry.proto.collector.trace.v1.TraceService/Import",
        "/no.such.Service/Export",
    ],
)
def test_12_an_unknown_service_or_method_is_unimplemented(shared: Running, method: str) -> None:
    with channel(shared) as opened:
        sent = told(opened.unary_unary(method).future(b"", timeout=20))
    assert sent.code is grpc.StatusCode.UNIMPLEMENTED
