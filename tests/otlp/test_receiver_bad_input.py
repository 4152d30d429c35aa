"""Bad input over real sockets: what the sender is told, and that good data around it lands."""

import itertools
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pyarrow.parquet as pq
import pytest
from google.rpc import error_details_pb2
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue

from pipeline.lake import open_lake, take_snapshot
from pipeline.schema import SPANS
from tests.otlp import messages
from tests.otlp.conftest import QUICK
from tests.otlp.receivers import Answer, Receiver, gone, rows, wait_until
from tests.otlp.wire_bytes import field

pytestmark = pytest.mark.slow

OK = Answer(grpc.StatusCode.OK)
LIMIT = 4 << 20
YEAR_2200 = 7_258_118_400_000_000_000
_firsts = itertools.count(1_000_000, 1000)


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """Give one receiver that all of this is sent to."""
    limits = {"receiver": QUICK["receiver"] | {"max_message_bytes": LIMIT}}
    started = Receiver(tmp_path_factory.mktemp("bad") / "lake", "default", QUICK | limits)
    try:
        yield started.wait_until_ready()
        assert started.stop() == 0
        log = started.log.read_text(encoding="utf-8")
        assert "Traceback" not in log, log
        assert "never retrieved" not in log, log
    finally:
        started.end()
        if started.landing_pid:
            wait_until(lambda: gone(started.landing_pid), "landing to end")


def send_between_good(receiver: Receiver, payload: bytes) -> tuple[Answer, list[dict[str, Any]]]:
    """Send something between two good requests; give its answer and the rows that are new."""
    first = next(_firsts)
    receiver.accept(messages.numbered(first, 2))
    told = receiver.send(payload)
    receiver.accept(messages.numbered(first + 2, 2))
    good = messages.ids(first, 4)
    landed = receiver.landed(good)
    assert [landed[each] for each in good] == [1] * 4
    return told, rows(receiver.lake)


def refused_for_good(told: Answer) -> bool:
    """Tell whether an answer says not to send that again, and why."""
    detail = told.details[0] if told.details else None
    return (
        told.code == grpc.StatusCode.INVALID_ARGUMENT
        and isinstance(detail, error_details_pb2.BadRequest)
        and detail.field_violations[0].description == told.message
        and told.retry_seconds is None
    )


def row_of(found: list[dict[str, Any]], span_id: int) -> dict[str, Any]:
    (row,) = [row for row in found if row["span_id"] == f"{span_id:016x}"]
    return row


def test_a_truncated_request_is_refused(receiver: Receiver) -> None:
    told, _ = send_between_good(receiver, messages.numbered(1, 1)[:-1])
    assert refused_for_good(told)
    assert "not an OTLP traces request" in told.message


@pytest.mark.parametrize("size", [1, 10, 1000, 100_000])
def test_random_bytes_are_refused(receiver: Receiver, size: int) -> None:
    told, _ = send_between_good(receiver, b"\xff" + random.Random(size).randbytes(size))
    assert refused_for_good(told)


def test_invalid_utf_8_is_refused(receiver: Receiver) -> None:
    payload = messages.request([messages.span(1, name="broken")]).replace(b"broken", b"br\xffken")
    told, _ = send_between_good(receiver, payload)
    assert refused_for_good(told)
    assert "text that is not UTF-8" in told.message


def nested(depth: int, span_id: int) -> bytes:
    value = AnyValue(string_value="core").SerializeToString()
    for _ in range(depth):
        value = field(5, field(1, value))
    deep = field(9, field(1, b"deep") + field(2, value))
    span = messages.span(span_id).SerializeToString() + deep
    return field(1, field(2, field(2, span)))


def test_values_nested_40_deep_are_kept(receiver: Receiver) -> None:
    told, found = send_between_good(receiver, nested(40, 40_000))
    assert told == OK
    deep = dict(row_of(found, 40_000)["attributes"])["deep"]
    assert deep == "[" * 40 + '"core"' + "]" * 40


@pytest.mark.parametrize("depth", [100, 10_000])
def test_values_nested_deeper_than_protobuf_reads_are_refused(
    receiver: Receiver, depth: int
) -> None:
    told, _ = send_between_good(receiver, nested(depth, 1))
    assert refused_for_good(told)
    assert "nested more than 100 deep" in told.message


def test_a_request_over_the_limit_is_refused(receiver: Receiver) -> None:
    told, _ = send_between_good(receiver, bytes(LIMIT + 1))
    assert told.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert told.retry_seconds is None


def test_a_decompression_bomb_is_refused_in_bounded_memory(receiver: Receiver) -> None:
    receiver.accept(messages.numbered(next(_firsts), 1))
    before = peak_bytes(receiver.process.pid)
    bomb = bytes(256 << 20)
    first = next(_firsts)
    told = receiver.send(bomb, grpc.Compression.Gzip)
    assert told.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert told.retry_seconds is None
    assert peak_bytes(receiver.process.pid) - before < 4 * LIMIT
    receiver.accept(messages.numbered(first, 1))
    receiver.landed(messages.ids(first, 1))


def peak_bytes(pid: int) -> int:
    """Give the most memory a process ever held; where that is not kept, what it holds now."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return int(psutil.Process(pid).memory_info().rss)
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def test_a_request_without_spans_is_a_success(receiver: Receiver) -> None:
    for payload in (b"", field(1, b""), field(1, field(2, b"")), messages.request([])):
        told, _ = send_between_good(receiver, payload)
        assert told == OK


def test_times_of_zero_are_kept_and_filed_under_their_receipt(receiver: Receiver) -> None:
    payload = messages.request([messages.span(50_001, start=0, duration=0)])
    told, found = send_between_good(receiver, payload)
    assert told == OK
    row = row_of(found, 50_001)
    assert row["start_time_unix_nano"] == row["end_time_unix_nano"] == row["duration_nano"] == 0
    assert partition_of(receiver, 50_001) == today()


def test_reversed_times_are_kept_with_a_negative_duration(receiver: Receiver) -> None:
    payload = messages.request([messages.span(50_002, duration=-7)])
    told, found = send_between_good(receiver, payload)
    assert told == OK
    row = row_of(found, 50_002)
    assert row["duration_nano"] == -7
    assert row["end_time_unix_nano"] == row["start_time_unix_nano"] - 7


def test_a_time_in_the_year_2200_is_kept_and_filed_under_its_receipt(receiver: Receiver) -> None:
    payload = messages.request([messages.span(50_003, start=YEAR_2200)])
    told, found = send_between_good(receiver, payload)
    assert told == OK
    assert row_of(found, 50_003)["start_time_unix_nano"] == YEAR_2200
    assert partition_of(receiver, 50_003) == today()


def test_a_time_that_no_bigint_holds_is_rejected_alone(receiver: Receiver) -> None:
    last = messages.span(50_004, start=2**63 - 1, duration=0)
    starts_late = messages.span(50_005, start=2**63, duration=-1)
    ends_late = messages.span(50_006, start=2**63 - 1, duration=1)
    payload = messages.request([starts_late, last, ends_late])
    told, found = send_between_good(receiver, payload)
    assert (told.code, told.rejected) == (grpc.StatusCode.OK, 2)
    assert told.partial_message == "2 of 3 rejected: time is above 2^63-1 ns (2)"
    assert row_of(found, 50_004)["end_time_unix_nano"] == 2**63 - 1
    assert not {row["span_id"] for row in found} & set(messages.ids(50_005, 2))


def test_spans_without_right_ids_are_rejected_alone(receiver: Receiver) -> None:
    spans = [messages.span(50_010 + number) for number in range(7)]
    spans[0].trace_id = bytes(16)
    spans[1].trace_id = b"short"
    spans[2].trace_id = b""
    spans[3].span_id = bytes(8)
    spans[4].span_id = b"much too long"
    spans[4].trace_id = bytes(16)
    told, found = send_between_good(receiver, messages.request(spans))
    assert (told.code, told.rejected) == (grpc.StatusCode.OK, 5)
    assert told.partial_message == (
        "5 of 7 rejected: trace_id is not 16 bytes or all zero (4); "
        "span_id is not 8 bytes or all zero (2)"
    )
    kept = {row["span_id"] for row in found}
    assert kept & set(messages.ids(50_010, 7)) == set(messages.ids(50_015, 2))


def test_a_request_of_bad_spans_alone_is_rejected_whole(receiver: Receiver) -> None:
    spans = [messages.span(50_020 + number, trace_id=bytes(16)) for number in range(3)]
    told, found = send_between_good(receiver, messages.request(spans))
    assert (told.code, told.rejected) == (grpc.StatusCode.OK, 3)
    assert told.partial_message.startswith("3 of 3 rejected: ")
    assert not {row["span_id"] for row in found} & set(messages.ids(50_020, 3))


def test_of_100_000_attributes_1024_are_kept_and_the_rest_is_counted(receiver: Receiver) -> None:
    span = messages.span(50_030)
    span.dropped_attributes_count = 2
    one = AnyValue(int_value=1)
    span.attributes.extend(KeyValue(key=f"key.{each}", value=one) for each in range(100_000))
    told, found = send_between_good(receiver, messages.request([span]))
    assert told == OK
    row = row_of(found, 50_030)
    assert len(row["attributes"]) == 1024
    assert row["attributes"][-1] == ("key.1023", "1")
    assert row["dropped_attributes_count"] == 2 + 100_000 - 1024


def test_a_value_of_megabytes_is_cut_to_64_k_characters(receiver: Receiver) -> None:
    span = messages.span(50_031)
    span.attributes.add(key="long", value=AnyValue(string_value="é" * (1 << 19)))
    long = AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="x" * (2 << 20))]))
    span.attributes.add(key="list", value=long)
    span.attributes.add(key="short", value=AnyValue(string_value="kept"))
    told, found = send_between_good(receiver, messages.request([span]))
    assert told == OK
    assert dict(row_of(found, 50_031)["attributes"]) == {
        "long": "é" * 65_536,
        "list": '["' + "x" * 65_534,
        "short": "kept",
    }


def partition_of(receiver: Receiver, span_id: int) -> str:
    """Give the date a span is filed under."""
    for file in take_snapshot(open_lake(receiver.lake), SPANS).files:
        ids = pq.ParquetFile(file.path).read(columns=["span_id"])["span_id"].to_pylist()
        if f"{span_id:016x}" in ids:
            return str(file.date)
    raise AssertionError("not in the lake")


def today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def test_nothing_of_this_was_quarantined(receiver: Receiver) -> None:
    assert not (receiver.journal / "quarantine").exists()
