"""What telemetry means, point by point of the specification, against ``tailgate serve``."""

import time
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint

from collectors.otlp.signals import LOG_RECORDS, METRIC_POINTS, PROFILE_DATA, TRACES, Signal
from pipeline.schema import PROFILE_SAMPLES, PROFILES
from tests.conformance.running import Running
from tests.conformance.senders import OK, export, rejected
from tests.conformance.telemetry_requests import (
    ITEM_SIGNALS,
    KINDS,
    TABLE,
    VALUES,
    add_gauge,
    add_item,
    add_point,
    add_record,
    add_span,
    fresh,
    message,
)
from tests.otlp.receivers import wait_until
from tests.otlp_profiles.profile_messages import Requested

pytestmark = pytest.mark.slow

every_item_signal = pytest.mark.parametrize("signal", ITEM_SIGNALS, ids=lambda each: each.name)


def accept(running: Running, signal: Signal, made: Any) -> None:
    sent = export(running, signal, made.SerializeToString())
    assert (sent.code, sent.body) == (OK, b""), sent


def partly(running: Running, signal: Signal, made: Any) -> tuple[int, str]:
    """Send a request of which some is rejected; give how much and why."""
    sent = export(running, signal, made.SerializeToString())
    assert sent.code is OK
    partial = signal.response.FromString(sent.body).partial_success
    return rejected(signal, partial), partial.error_message


def repaired_since(running: Running, before: dict[str, int], reason: str) -> int:
    """Wait until landing has counted a repair, and give how many are new."""
    return wait_until(  # type: ignore[no-any-return]
        lambda: running.repaired().get(reason, 0) - before.get(reason, 0), reason
    )


@every_item_signal
def test_34_any_value_is_accepted(shared: Running, signal: Signal) -> None:
    service = fresh("p34")
    made, items = message(signal, service)
    item = add_item(signal, items)
    item.attributes.extend(KeyValue(key=key, value=given) for key, (given, _) in VALUES.items())
    accept(shared, signal, made)
    (row,) = shared.landed(TABLE[signal.name], service)
    assert dict(row["attributes"]) == {key: text for key, (_, text) in VALUES.items()}


@every_item_signal
def test_34_the_last_of_equal_keys_wins_and_is_counted(shared: Running, signal: Signal) -> None:
    before = shared.repaired()
    service = fresh("p34")
    made, items = message(signal, service)
    item = add_item(signal, items)
    for text in ("first", "second", "last"):
        item.attributes.add(key="again").value.string_value = text
    accept(shared, signal, made)
    (row,) = shared.landed(TABLE[signal.name], service)
    assert row["attributes"] == [("again", "last")]
    assert repaired_since(shared, before, "repeated_attribute_keys") == 2


@pytest.mark.parametrize("trace_id", [b"", bytes(16), b"\x01" * 15, b"\x01" * 17])
@pytest.mark.parametrize("span_id", [b"\x01" * 8, bytes(8), b"", b"\x01" * 7, b"\x01" * 9])
def test_35_a_span_with_a_bad_id_is_rejected_and_counted(
    shared: Running, trace_id: bytes, span_id: bytes
) -> None:
    service = fresh("p35")
    made, spans = message(TRACES, service)
    add_span(spans, trace_id=trace_id, span_id=span_id)
    add_span(spans, span_id=span_id or bytes(8))
    add_span(spans, name="good")
    good_span_id = span_id == b"\x01" * 8
    count, why = partly(shared, TRACES, made)
    assert count == (1 if good_span_id else 2)
    assert "trace_id is not 16 bytes or all zero (1)" in why
    assert ("span_id is not 8 bytes or all zero (2)" in why) is not good_span_id
    assert len(shared.landed(TABLE["traces"], service)) == 3 - count


def test_35_a_log_record_with_bad_ids_is_kept_unlinked(shared: Running) -> None:
    service = fresh("p35")
    made, records = message(LOG_RECORDS, service)
    add_record(records, trace_id=bytes(16), span_id=b"short")
    add_record(records, trace_id=b"\x01" * 16, span_id=b"\x02" * 8)
    accept(shared, LOG_RECORDS, made)
    bad, good = shared.landed(TABLE["logs"], service, 2)
    assert (bad["trace_id"], bad["span_id"]) == (None, None)
    assert (good["trace_id"], good["span_id"]) == ("01" * 16, "02" * 8)


def test_36_points_with_time_0_are_rejected_whatever_their_kind(shared: Running) -> None:
    service = fresh("p36")
    made, metrics = message(METRIC_POINTS, service)
    for kind in KINDS:
        add_point(metrics, kind, time_unix_nano=0)
        add_point(metrics, kind)
    assert partly(shared, METRIC_POINTS, made) == (5, "5 of 10 rejected: time is 0 (5)")
    rows = shared.landed(TABLE["metrics"], service, 5)
    assert {row["metric_type"] for row in rows} == set(KINDS)


def test_37_temporality_must_be_told(shared: Running) -> None:
    service = fresh("p37")
    made, metrics = message(METRIC_POINTS, service)
    for kind in ("sum", "histogram", "exponential_histogram"):
        for temporality in (0, 1, 2):
            add_point(metrics, kind, temporality=temporality)
    reason = "aggregation temporality is not delta or cumulative (3)"
    assert partly(shared, METRIC_POINTS, made) == (3, f"3 of 9 rejected: {reason}")
    rows = shared.landed(TABLE["metrics"], service, 6)
    assert sorted(row["aggregation_temporality"] for row in rows) == [1, 1, 1, 2, 2, 2]


def test_37_no_recorded_value_is_a_gap(shared: Running) -> None:
    service = fresh("p37")
    made, metrics = message(METRIC_POINTS, service)
    for kind in KINDS:
        add_point(metrics, kind, flags=1)
    # Without the flag a number must be there.
    metrics.add(name="none").gauge.data_points.add(time_unix_nano=time.time_ns())
    assert partly(shared, METRIC_POINTS, made) == (1, "1 of 6 rejected: no value (1)")
    rows = shared.landed(TABLE["metrics"], service, 5)
    assert [row["flags"] for row in rows] == [1] * 5
    for name in ("value_double", "value_int", "count", "sum"):
        assert [row[name] for row in rows] == [None] * 5, name


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        (
            HistogramDataPoint(count=3, bucket_counts=[1, 2], explicit_bounds=[1, 2]),
            "one more than",
        ),
        (HistogramDataPoint(count=4, bucket_counts=[1, 2], explicit_bounds=[1]), "do not add up"),
        (
            HistogramDataPoint(count=3, bucket_counts=[1, 1, 1], explicit_bounds=[2, 1]),
            "explicit_bounds do not rise",
        ),
    ],
)
def test_37_histogram_counts_are_checked_against_bounds(
    shared: Running, point: HistogramDataPoint, reason: str
) -> None:
    service = fresh("p37")
    made, metrics = message(METRIC_POINTS, service)
    add_point(metrics, "histogram", count=3, bucket_counts=[1, 2], explicit_bounds=[1.0])
    point.time_unix_nano = time.time_ns()
    metrics[0].histogram.data_points.append(point)
    count, why = partly(shared, METRIC_POINTS, made)
    assert count == 1
    assert reason in why
    (row,) = shared.landed(TABLE["metrics"], service)
    assert (row["count"], row["bucket_counts"], row["explicit_bounds"]) == (3, [1, 2], [1.0])


@pytest.mark.parametrize("flags", [0xFFFFFC00 | 1, 0xFFFFFFFF, 1 << 31])
def test_38_flag_bits_10_to_31_are_kept_and_mean_nothing(shared: Running, flags: int) -> None:
    service = fresh("p38")
    made, spans = message(TRACES, service)
    add_span(spans, flags=flags).links.add(trace_id=b"\x01" * 16, span_id=b"\x01" * 8, flags=flags)
    accept(shared, TRACES, made)
    (row,) = shared.landed(TABLE["traces"], service)
    assert (row["flags"], row["links"][0]["flags"]) == (flags, flags)
    made, records = message(LOG_RECORDS, service)
    add_record(records, flags=flags)
    accept(shared, LOG_RECORDS, made)
    (row,) = shared.landed(TABLE["logs"], service)
    assert row["flags"] == flags
    made, metrics = message(METRIC_POINTS, service)
    # Only bit 0 says that there is no value.
    add_gauge(metrics, 7.0, flags=flags & ~1)
    accept(shared, METRIC_POINTS, made)
    (row,) = shared.landed(TABLE["metrics"], service)
    assert (row["flags"] or 0, row["value_double"]) == (flags & ~1, 7.0)


@every_item_signal
def test_39_a_string_index_outside_profiles_is_empty_and_counted(
    shared: Running, signal: Signal
) -> None:
    before = shared.repaired()
    service = fresh("p39")
    made, items = message(signal, service)
    item = add_item(signal, items)
    item.attributes.add(key="indexed").value.string_value_strindex = 3
    item.attributes.add(key="plain").value.string_value = "kept"
    expected = 1
    if signal is LOG_RECORDS:
        item.body.string_value_strindex = 4
        expected = 2
    accept(shared, signal, made)
    (row,) = shared.landed(TABLE[signal.name], service)
    assert dict(row["attributes"]) == {"indexed": None, "plain": "kept"}
    assert row.get("body") is None
    assert repaired_since(shared, before, "string_indices_outside_profiles") == expected


def test_40_a_nonzero_entry_0_is_accepted_with_a_warning(shared: Running) -> None:
    service = fresh("p40")
    asked = Requested(service)
    asked.dictionary.string_table[0] = "not empty"
    asked.dictionary.stack_table[0].location_indices.append(0)
    asked.sample(asked.profile(), "leaf;root", [7])
    sent = export(shared, PROFILE_DATA, asked.bytes())
    partial = PROFILE_DATA.response.FromString(sent.body).partial_success
    assert (sent.code, partial.rejected_profiles) == (OK, 0)
    assert "entry 0 is not the zero value" in partial.error_message
    (row,) = shared.landed(PROFILES, service)
    assert "entry 0 of string_table is not the zero value" in row["warnings"]
    assert [row["value"] for row in shared.landed(PROFILE_SAMPLES, service)] == [7]


def _point_far(asked: Requested, where: str) -> None:
    """Make one index of the last profile point far outside its table."""
    far, profile, tables = 1 << 30, asked.profiles[-1], asked.dictionary
    match where:
        case "stack" | "link":
            setattr(profile.samples[0], f"{where}_index", far)
        case "negative":
            profile.samples[0].stack_index = -1
        case "sample attribute":
            profile.samples[0].attribute_indices.append(far)
        case "profile attribute":
            profile.attribute_indices.append(far)
        case "type":
            profile.sample_type.type_strindex = far
        case "location":
            tables.stack_table[-1].location_indices.append(far)
        case "mapping":
            tables.location_table[-1].mapping_index = far
        case "function":
            tables.location_table[-1].lines[0].function_index = far
        case "name":
            tables.function_table[-1].name_strindex = far


@pytest.mark.parametrize(
    "where",
    [
        *("stack", "link", "negative", "sample attribute", "profile attribute", "type"),
        *("location", "mapping", "function", "name"),
    ],
)
def test_40_every_index_is_bounds_checked(shared: Running, where: str) -> None:
    service = fresh("p40")
    asked = Requested(service)
    for function in ("good", "bad"):
        asked.sample(asked.profile(), f"{function};{function}.root", [1])
    _point_far(asked, where)
    sent = export(shared, PROFILE_DATA, asked.bytes())
    partial = PROFILE_DATA.response.FromString(sent.body).partial_success
    assert (sent.code, partial.rejected_profiles) == (OK, 1), partial
    assert "is out of range" in partial.error_message
    assert len(shared.landed(PROFILES, service)) == 1
