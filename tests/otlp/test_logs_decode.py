"""Decoding logs equals a plain walk over protobuf objects, whatever a sender may send."""

import random
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from collectors.otlp.signals import LOG_RECORDS
from tests.otlp import oracle_logs as oracle
from tests.otlp.decoding import (
    ANY,
    LONG,
    assert_equal_the_oracle,
    damaged,
    decoded,
    every_message,
    is_read_by_protobuf,
    small,
)
from tests.otlp.log_strategies import requests
from tests.otlp.messages import attributes
from tests.otlp.trace_strategies import NOW
from tests.otlp.wire_bytes import field, rearranged


def assert_rows_equal_the_oracle(payloads: Sequence[bytes], most: int = ANY) -> pa.Table:
    return assert_equal_the_oracle(LOG_RECORDS, oracle.rows, payloads, most)


def assert_counts_are_the_oracles(payload: bytes) -> None:
    kept = [oracle.kept(record) for _, _, record in oracle.records(payload)]
    found = LOG_RECORDS.check(payload)
    assert (found.total, found.rejected) == (len(kept), kept.count(False))
    assert sum(found.reasons.values()) == found.rejected


@small
@given(st.lists(requests(wild=True), max_size=3), st.sampled_from((0, 1, 3, ANY)))
def test_rows_equal_a_walk_over_the_messages(
    given_requests: list[ExportLogsServiceRequest], most: int
) -> None:
    payloads = [request.SerializeToString() for request in given_requests]
    assert_rows_equal_the_oracle(payloads, most)
    for payload in payloads:
        assert_counts_are_the_oracles(payload)


@small
@given(requests(wild=False), st.randoms(use_true_random=False))
def test_fields_that_a_later_version_adds_change_nothing(
    request: ExportLogsServiceRequest, rng: random.Random
) -> None:
    before = decoded(LOG_RECORDS, [request.SerializeToString()])
    for message in every_message(request):
        if rng.random() < 0.5:
            message.MergeFromString(field(rng.choice((99, 1000, 5_000_000)), b"later"))
    payload = request.SerializeToString()
    assert_counts_are_the_oracles(payload)
    assert assert_rows_equal_the_oracle([payload]).equals(before)


@settings(small, max_examples=40)
@given(st.lists(requests(wild=True), min_size=1, max_size=2), st.integers(0, 2**32))
def test_split_repeated_and_reordered_fields_mean_what_protobuf_says(
    given_requests: list[ExportLogsServiceRequest], seed: int
) -> None:
    rng = random.Random(seed)
    descriptor = ExportLogsServiceRequest.DESCRIPTOR
    payloads = [rearranged(descriptor, r.SerializeToString(), rng) for r in given_requests]
    assert_rows_equal_the_oracle(payloads)
    for payload in payloads:
        assert_counts_are_the_oracles(payload)


@settings(small, max_examples=40)
@given(requests(wild=False), st.data())
def test_what_protobuf_accepts_is_decoded_and_alike(
    request: ExportLogsServiceRequest, data: st.DataObject
) -> None:
    sent = damaged(request.SerializeToString(), data)
    if is_read_by_protobuf(LOG_RECORDS, sent):
        assert_counts_are_the_oracles(sent)
        assert_rows_equal_the_oracle([sent])


@settings(small, max_examples=40)
@given(st.binary(max_size=60))
def test_random_bytes_that_protobuf_accepts_are_decoded(sent: bytes) -> None:
    if is_read_by_protobuf(LOG_RECORDS, sent):
        assert_counts_are_the_oracles(sent)
        assert_rows_equal_the_oracle([sent])


def one_record(record: bytes) -> bytes:
    return field(1, field(2, field(2, record)))


BODY, TEXT, ONE = 5, field(1, b"text"), field(3, 1)


@pytest.mark.parametrize(
    "record",
    [
        field(BODY, TEXT + ONE),
        field(BODY, ONE + TEXT),
        field(BODY, ONE) + field(BODY, TEXT),
        field(BODY, field(5, field(1, TEXT))) + field(BODY, field(5, field(1, ONE))),
        field(BODY, field(5, field(1, ONE)) + TEXT + field(5, b"")),
        field(BODY, field(5, field(1, field(5, field(1, TEXT + ONE))))),
        field(BODY, field(6, field(1, field(1, b"k") + field(2, ONE + TEXT)))),
        field(BODY, field(6, field(1, field(1, b"k") + field(2, ONE) + field(2, TEXT)))),
        field(BODY, field(6, field(1, field(1, b"k") + field(2, ONE) + field(2, b"")))),
        field(
            BODY, field(6, field(1, field(2, field(5, field(1, ONE))) + field(2, field(5, b""))))
        ),
        field(BODY, field(6, field(1, field(1, b"k")))) + field(BODY, field(6, field(1, b""))),
        field(BODY, field(8, 5)),
        field(BODY, field(8, 5) + TEXT),
        field(BODY, TEXT + field(8, 5)),
        field(BODY, b""),
        field(BODY, field(1, b"")),
        field(BODY, field(7, b"")),
        field(BODY, field(5, b"")),
        field(BODY, field(6, b"")),
        field(2, 99),
        field(2, 2**40 + 9),
        field(7, 2**33 + 5),
        field(9, b"\x01" * 16) + field(9, b"\x02" * 15),
        field(6, field(1, b"k") + field(2, TEXT + ONE)),
    ],
    ids=lambda value: value.hex()[:60],
)
def test_what_is_set_twice_means_what_protobuf_says(record: bytes) -> None:
    neighbour = one_record(field(BODY, ONE))
    assert_counts_are_the_oracles(one_record(record))
    assert_rows_equal_the_oracle([neighbour, one_record(record), neighbour])


def request(*records: LogRecord) -> bytes:
    scope = ScopeLogs(log_records=records)
    return ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(scope_logs=[scope])]
    ).SerializeToString()


def column(name: str, *records: LogRecord) -> list[Any]:
    found: list[Any] = decoded(LOG_RECORDS, [request(*records)])[name].to_pylist()
    return found


def of_list(*given: AnyValue) -> AnyValue:
    return AnyValue(array_value=ArrayValue(values=given))


def of_map(**given: AnyValue) -> AnyValue:
    pairs = [KeyValue(key=key, value=value) for key, value in given.items()]
    return AnyValue(kvlist_value=KeyValueList(values=pairs))


@pytest.mark.parametrize(
    ("body", "text", "kind"),
    [
        (None, None, "empty"),
        (AnyValue(), None, "empty"),
        (AnyValue(string_value="cart é"), "cart é", "string"),
        (AnyValue(string_value=""), "", "string"),
        (AnyValue(bool_value=False), "false", "string"),
        (AnyValue(int_value=-(2**63)), "-9223372036854775808", "string"),
        (AnyValue(double_value=0.1), "0.1", "string"),
        (AnyValue(double_value=float("-inf")), "-Infinity", "string"),
        (AnyValue(bytes_value=b"\x00\xff"), "AP8=", "bytes"),
        (of_list(), "[]", "json"),
        (of_list(AnyValue(int_value=1), AnyValue()), "[1,null]", "json"),
        (of_map(), "{}", "json"),
        (
            of_map(user=of_map(id=AnyValue(int_value=7)), tags=of_list(AnyValue(bool_value=True))),
            '{"user":{"id":7},"tags":[true]}',
            "json",
        ),
        (
            of_list(of_list(of_map(a=of_list(AnyValue(bytes_value=b"a"))))),
            '[[{"a":["YQ=="]}]]',
            "json",
        ),
    ],
    ids=repr,
)
def test_a_body_of_any_kind_is_text(body: AnyValue | None, text: str | None, kind: str) -> None:
    record = LogRecord(time_unix_nano=NOW, body=body)
    assert column("body", record) == [text]
    assert column("body_type", record) == [kind]


def test_a_record_without_a_time_has_the_observed_time() -> None:
    records = (
        LogRecord(time_unix_nano=NOW, observed_time_unix_nano=NOW + 5),
        LogRecord(observed_time_unix_nano=NOW + 5),
        LogRecord(time_unix_nano=NOW),
    )
    assert column("time_unix_nano", *records) == [NOW, NOW + 5, NOW]
    assert column("observed_time_unix_nano", *records) == [NOW + 5, NOW + 5, None]


def test_a_record_without_any_time_is_kept_and_filed_under_its_receipt() -> None:
    rows, warnings = LOG_RECORDS.decode([request(LogRecord())], [bytes(16)], [NOW], ANY, LONG)
    (row,) = rows["logs"].to_pylist()
    assert (row["time_unix_nano"], str(row["date"])) == (0, "2026-11-25")
    assert warnings["times_absent"] == 1


def test_a_time_beyond_63_bits_costs_one_record_and_not_its_neighbours() -> None:
    good = LogRecord(time_unix_nano=NOW, event_name="kept")
    bad = [LogRecord(time_unix_nano=2**63), LogRecord(observed_time_unix_nano=2**64 - 1)]
    payload = request(bad[0], good, bad[1], good)
    found = LOG_RECORDS.check(payload)
    assert (found.total, found.reasons) == (4, {"time is above 2^63-1 ns": 2})
    rows, warnings = LOG_RECORDS.decode([payload], [bytes(16)], [NOW], ANY, LONG)
    assert rows["logs"]["event_name"].to_pylist() == ["kept", "kept"]
    assert warnings["rejected_log_records"] == 2


@pytest.mark.parametrize("bad", [b"\x01", bytes(16), b"\x01" * 15, b"\x01" * 17])
def test_a_record_with_a_bad_id_is_kept_unlinked_and_counted(bad: bytes) -> None:
    record = LogRecord(time_unix_nano=NOW, trace_id=bad, span_id=b"\x02" * 8, flags=1)
    payload = request(record, LogRecord(time_unix_nano=NOW))
    assert LOG_RECORDS.check(payload).rejected == 0
    rows, warnings = LOG_RECORDS.decode([payload], [bytes(16)], [NOW], ANY, LONG)
    assert rows["logs"]["trace_id"].to_pylist() == [None, None]
    assert rows["logs"]["span_id"].to_pylist() == ["02" * 8, None]
    assert rows["logs"]["flags"].to_pylist() == [1, None]
    assert warnings["bad_log_ids"] == 1


def test_an_exception_and_where_it_was_logged_are_columns() -> None:
    new = {"exception.type": "KeyError", "code.function.name": "cart.add"}
    old = {"code.namespace": "cart", "code.function": "add"}
    records = [
        LogRecord(time_unix_nano=NOW, attributes=attributes(given)) for given in (new, old, {})
    ]
    assert column("exception_type", *records) == ["KeyError", None, None]
    assert column("code_function", *records) == ["cart.add", "cart.add", None]


def test_attributes_beyond_the_limit_are_cut_and_counted_with_those_the_sender_dropped() -> None:
    record = LogRecord(
        time_unix_nano=NOW,
        attributes=attributes({"a": "1", "b": "2", "c": "3"}),
        dropped_attributes_count=4,
    )
    rows, warnings = LOG_RECORDS.decode([request(record)], [bytes(16)], [NOW], 1, LONG)
    assert rows["logs"]["attributes"].to_pylist() == [[("a", "1")]]
    assert rows["logs"]["dropped_attributes_count"].to_pylist() == [6]
    assert warnings["attributes_over_limit"] == 2


def test_no_requests_give_no_rows() -> None:
    assert decoded(LOG_RECORDS, []).equals(LOG_RECORDS.tables[0].arrow_schema.empty_table())
