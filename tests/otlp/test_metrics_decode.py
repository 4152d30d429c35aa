"""Decoding metrics equals a plain walk over protobuf objects, whatever a sender may send."""

import random
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from collectors.otlp.signals import METRIC_POINTS
from tests.otlp import oracle_metrics as oracle
from tests.otlp.decoding import (
    ANY,
    assert_equal_the_oracle,
    damaged,
    decoded,
    every_message,
    is_read_by_protobuf,
    small,
)
from tests.otlp.metric_strategies import requests
from tests.otlp.receivers import ROOT, environment
from tests.otlp.trace_strategies import NOW
from tests.otlp.wire_bytes import FIXED64, field, rearranged, tag, varint


def assert_rows_equal_the_oracle(payloads: Sequence[bytes], most: int = ANY) -> pa.Table:
    table = assert_equal_the_oracle(METRIC_POINTS, oracle.rows, payloads, most)
    assert_one_series_id_a_stream(table)
    return table


def assert_one_series_id_a_stream(table: pa.Table) -> None:
    names = ("metric_type", "name", "unit", "scope_name", "scope_version")
    maps = ("scope_attributes", "resource_attributes", "attributes")
    ids: dict[tuple[object, ...], set[int]] = {}
    for row in table.to_pylist():
        stream = (
            *(row[name] for name in names),
            *(frozenset(row[name]) for name in maps),
        )
        ids.setdefault(stream, set()).add(row["series_id"])
    assert all(len(found) == 1 for found in ids.values())
    assert len(set().union(*ids.values())) == len(ids)


def assert_counts_are_the_oracles(payload: bytes) -> None:
    against = [oracle.reasons_against(metric, p) for _, _, metric, p in oracle.points(payload)]
    found = METRIC_POINTS.check(payload)
    assert found.total == len(against)
    assert found.rejected == sum(map(bool, against))
    assert found.reasons == dict(Counter(reason for reasons in against for reason in reasons))


@small
@given(st.lists(requests(wild=True), max_size=3), st.sampled_from((0, 1, ANY)))
def test_rows_equal_a_walk_over_the_messages(
    given_requests: list[ExportMetricsServiceRequest], most: int
) -> None:
    payloads = [request.SerializeToString() for request in given_requests]
    assert_rows_equal_the_oracle(payloads, most)


@small
@given(requests(wild=True))
def test_what_is_rejected_is_counted_by_reason(request: ExportMetricsServiceRequest) -> None:
    assert_counts_are_the_oracles(request.SerializeToString())


@small
@given(requests(wild=False))
def test_what_a_sender_may_send_is_never_rejected_but_for_sums_beyond_63_bits(
    request: ExportMetricsServiceRequest,
) -> None:
    found = METRIC_POINTS.check(request.SerializeToString())
    assert found.reasons.keys() <= {"a count is above 2^63-1"}


@small
@given(requests(wild=False), st.randoms(use_true_random=False))
def test_fields_that_a_later_version_adds_change_nothing(
    request: ExportMetricsServiceRequest, rng: random.Random
) -> None:
    before = decoded(METRIC_POINTS, [request.SerializeToString()])
    for message in every_message(request):
        if rng.random() < 0.5:
            message.MergeFromString(field(rng.choice((99, 1000, 5_000_000)), b"later"))
    payload = request.SerializeToString()
    assert_counts_are_the_oracles(payload)
    assert str(assert_rows_equal_the_oracle([payload]).to_pylist()) == str(before.to_pylist())


@small
@given(st.lists(requests(wild=True), min_size=1, max_size=2), st.integers(0, 2**32))
def test_split_repeated_and_reordered_fields_mean_what_protobuf_says(
    given_requests: list[ExportMetricsServiceRequest], seed: int
) -> None:
    rng = random.Random(seed)
    descriptor = ExportMetricsServiceRequest.DESCRIPTOR
    payloads = [rearranged(descriptor, r.SerializeToString(), rng) for r in given_requests]
    assert_rows_equal_the_oracle(payloads)
    for payload in payloads:
        assert_counts_are_the_oracles(payload)


@small
@given(requests(wild=False), st.data())
def test_what_protobuf_accepts_is_decoded_and_alike(
    request: ExportMetricsServiceRequest, data: st.DataObject
) -> None:
    sent = damaged(request.SerializeToString(), data)
    if is_read_by_protobuf(METRIC_POINTS, sent):
        assert_counts_are_the_oracles(sent)
        assert_rows_equal_the_oracle([sent])


@settings(small, max_examples=40)
@given(st.binary(max_size=60))
def test_random_bytes_that_protobuf_accepts_are_decoded(sent: bytes) -> None:
    if is_read_by_protobuf(METRIC_POINTS, sent):
        assert_counts_are_the_oracles(sent)
        assert_rows_equal_the_oracle([sent])


def fixed64(number: int, content: int | float) -> bytes:
    packed = struct.pack("<d" if isinstance(content, float) else "<Q", content)
    return tag(number, FIXED64) + packed


TIME = fixed64(3, NOW)
GAUGE, SUM, HISTOGRAM, EXPONENTIAL, SUMMARY = 5, 7, 9, 10, 11
AS_DOUBLE, AS_INT = fixed64(4, 1.5), fixed64(6, 7)
DELTA = field(2, 1)


def one_metric(data: bytes) -> bytes:
    return field(1, field(2, field(2, field(1, b"m") + data)))


def points(kind: int, *contents: bytes) -> bytes:
    return field(kind, b"".join(field(1, TIME + content) for content in contents) + DELTA)


ZERO = field(1, fixed64(3, 0) + AS_INT)


@pytest.mark.parametrize(
    "data",
    [
        points(GAUGE, AS_DOUBLE + AS_INT),
        points(GAUGE, AS_INT + AS_DOUBLE),
        points(GAUGE, AS_INT + AS_DOUBLE + AS_INT),
        points(GAUGE, fixed64(6, 0)),
        points(GAUGE, fixed64(4, 0.0)),
        points(SUM, AS_INT) + points(GAUGE, AS_DOUBLE),
        points(GAUGE, AS_DOUBLE) + points(SUM, AS_INT),
        points(GAUGE, AS_DOUBLE) + points(SUM, AS_INT) + points(GAUGE, AS_INT),
        points(GAUGE, AS_DOUBLE) + points(GAUGE, AS_INT),
        points(GAUGE, AS_DOUBLE) + field(SUM, b""),
        # What is rejected is of the kind that does not hold.
        field(GAUGE, ZERO) + points(SUM, AS_INT),
        points(SUM, AS_INT) + field(GAUGE, ZERO),
        field(HISTOGRAM, field(1, TIME)),
        field(HISTOGRAM, field(1, TIME)) + field(HISTOGRAM, DELTA),
        field(HISTOGRAM, DELTA + field(2, 0) + field(1, TIME)),
        field(HISTOGRAM, field(2, 2**32 + 1) + field(1, TIME)),
        field(SUM, field(2, 2**40 + 2) + field(3, 2) + field(1, TIME + AS_INT)),
        points(GAUGE, AS_INT + field(5, fixed64(3, 1.0) + fixed64(6, 2))),
        points(GAUGE, AS_INT + field(5, fixed64(6, 2) + fixed64(3, 1.0))),
        points(GAUGE, AS_INT + field(8, 2**32 + 1)),
        points(SUM, AS_INT + field(7, field(1, b"k") + field(2, field(3, 1) + field(2, 0)))),
        points(EXPONENTIAL, field(8, b"") + field(9, field(1, 3)), field(6, 2**40 + 1)),
        points(EXPONENTIAL, fixed64(4, 2) + field(8, field(2, 1)) + field(8, field(2, 1))),
        # Counts one by one and several in one field are the same list.
        points(HISTOGRAM, fixed64(4, 6) + fixed64(6, 1) + fixed64(6, 5) + fixed64(7, 0.5)),
        points(
            HISTOGRAM,
            fixed64(4, 3) + fixed64(6, 1) + field(6, struct.pack("<Q", 2)) + fixed64(7, 0.5),
        ),
        points(SUMMARY, field(6, b"") + field(6, fixed64(1, 0.5))),
    ],
    ids=lambda value: value.hex()[:60],
)
def test_what_is_set_twice_means_what_protobuf_says(data: bytes) -> None:
    neighbour = one_metric(points(GAUGE, AS_INT))
    payload = one_metric(data)
    assert_counts_are_the_oracles(payload)
    assert_rows_equal_the_oracle([neighbour, payload, neighbour])


def test_a_length_that_runs_past_the_end_is_refused_also_by_a_check_that_reads_little() -> None:
    broken = one_metric(points(GAUGE, AS_INT))[:-1] + varint(200)
    assert not is_read_by_protobuf(METRIC_POINTS, broken)


def test_no_requests_give_no_rows() -> None:
    table = decoded(METRIC_POINTS, [])
    assert table.equals(METRIC_POINTS.tables[0].arrow_schema.empty_table())


def test_memory_grows_with_the_points_of_a_metric_and_not_with_their_square() -> None:
    payload = one_metric(points(SUM, *[AS_INT] * 10_000))
    code = f"""
import pyarrow as pa
from collectors.otlp.signals import METRIC_POINTS
rows, _ = METRIC_POINTS.decode([bytes.fromhex("{payload.hex()}")], [bytes(16)], [{NOW}], 1)
assert rows["metrics"].num_rows == 10_000
print(pa.default_memory_pool().max_memory())
"""
    # A process of its own, as the most that was ever held is counted from its start.
    told = subprocess.run(
        [sys.executable, "-"],
        input=code,
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
        cwd=ROOT,
    )
    assert int(told.stdout) < 10_000 * 10_000
