"""OTLP/JSON, point by point of the specification, against ``tailgate serve``."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from collectors.otlp.signals import LOG_RECORDS, METRIC_POINTS, PROFILE_DATA, TRACES, Signal
from pipeline.schema import LOGS, METRICS, PROFILE_SAMPLES, SPANS
from tests.conformance.running import Running
from tests.conformance.senders import in_kind, post
from tests.conformance.telemetry_requests import TABLE, fresh, request
from tests.otlp_http.services import JSON, Reply
from tests.otlp_http.test_otlp_json_any import base64ed, examples, signal_of

pytestmark = pytest.mark.slow

TRACE_ID = "5B8EFFF798038103d269b633813fc60c"
SPAN_ID = "eEe19b7Ec3c1B174"
NOON = 1_795_608_000_000_000_000
BASE64_ID = "W47/95gDgQPSabYzgT/GDA=="

# How the containers of each signal are called on the way to an item.
_WAY = {
    "traces": ("resourceSpans", "scopeSpans", "spans"),
    "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
    "logs": ("resourceLogs", "scopeLogs", "logRecords"),
}


def span(**more: Any) -> dict[str, Any]:
    times = {"startTimeUnixNano": str(NOON), "endTimeUnixNano": str(NOON + 1)}
    return {"traceId": TRACE_ID, "spanId": SPAN_ID, "name": "GET /"} | times | more


def gauge(**more: Any) -> dict[str, Any]:
    point = {"timeUnixNano": str(NOON), "asDouble": 1} | more
    return {"name": "temperature", "gauge": {"dataPoints": [point]}}


def record(**more: Any) -> dict[str, Any]:
    return {"timeUnixNano": str(NOON)} | more


def attribute(value: dict[str, Any]) -> dict[str, Any]:
    return {"attributes": [{"key": "key", "value": value}]}


def send_json(running: Running, signal: Signal, service: str, item: dict[str, Any]) -> Reply:
    """Send one item, written as it is."""
    resources, scopes, items = _WAY[signal.name]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    document = {resources: [{"resource": resource, scopes: [{items: [item]}]}]}
    return post(running, signal, json.dumps(document).encode(), JSON)


def row_of(running: Running, signal: Signal, item: dict[str, Any]) -> dict[str, Any]:
    """Send one item that must be taken whole, and give its row."""
    service = fresh("json")
    reply = send_json(running, signal, service, item)
    assert (reply.status, reply.body) == (200, b"{}")
    (row,) = running.landed(TABLE[signal.name], service)
    return row


def refused(running: Running, signal: Signal, item: dict[str, Any]) -> str:
    """Send one item for which the request must be refused, and give the reason."""
    reply = send_json(running, signal, fresh("json"), item)
    status, _ = reply.refusal()
    assert (reply.status, status.code) == (400, 3)
    return str(status.message)


IDS = {"traceId": TRACE_ID, "spanId": SPAN_ID}


def test_27_ids_are_hexadecimal_in_any_case(shared: Running) -> None:
    expected = {"trace_id": TRACE_ID.lower(), "span_id": SPAN_ID.lower()}
    row = row_of(shared, TRACES, span(links=[IDS], parentSpanId=SPAN_ID[::-1]))
    assert {name: row[name] for name in expected} == expected
    assert {name: row["links"][0][name] for name in expected} == expected
    assert row["parent_span_id"] == SPAN_ID[::-1].lower()
    row = row_of(shared, LOG_RECORDS, record(**IDS))
    assert {name: row[name] for name in expected} == expected
    row = row_of(shared, METRIC_POINTS, gauge(exemplars=[IDS | {"asDouble": 1}]))
    assert {name: row["exemplars"][0][name] for name in expected} == expected


@pytest.mark.parametrize("bad", [BASE64_ID, TRACE_ID[:-1], "zz" * 16])
def test_27_base64_and_odd_lengths_are_400(shared: Running, bad: str) -> None:
    given = IDS | {"traceId": bad}
    assert "hexadecimal" in refused(shared, TRACES, span(traceId=bad))
    assert "hexadecimal" in refused(shared, TRACES, span(links=[given]))
    assert "hexadecimal" in refused(shared, LOG_RECORDS, record(**given))
    assert "hexadecimal" in refused(shared, METRIC_POINTS, gauge(exemplars=[given]))


def test_28_enumerations_are_integers_and_names_are_refused(shared: Running) -> None:
    assert row_of(shared, TRACES, span(kind=2, status={"code": 2}))["kind"] == 2
    assert row_of(shared, LOG_RECORDS, record(severityNumber=17))["severity_number"] == 17
    total = {"aggregationTemporality": 2, "dataPoints": [{"timeUnixNano": "9", "asInt": "1"}]}
    row = row_of(shared, METRIC_POINTS, {"name": "n", "sum": total})
    assert row["aggregation_temporality"] == 2
    for signal, item in (
        (TRACES, span(kind="SPAN_KIND_SERVER")),
        (TRACES, span(status={"code": "STATUS_CODE_ERROR"})),
        (LOG_RECORDS, record(severityNumber="SEVERITY_NUMBER_ERROR")),
        (METRIC_POINTS, {"sum": total | {"aggregationTemporality": "CUMULATIVE"}}),
    ):
        assert "an enumeration's integer is wanted" in refused(shared, signal, item)


def test_29_unknown_fields_are_ignored(shared: Running) -> None:
    new = {"newField": {"deep": [1, {"x": None}]}, "other": "y"}
    assert row_of(shared, TRACES, span(**new, kind=3))["kind"] == 3
    assert row_of(shared, METRIC_POINTS, gauge(**new, asDouble=7))["value_double"] == 7
    assert row_of(shared, LOG_RECORDS, record(**new, severityText="odd"))["severity_text"] == "odd"
    body = {"resourceProfiles": [], "dictionary": {"newTable": [1]}, **new}
    assert post(shared, PROFILE_DATA, json.dumps(body).encode(), JSON).status == 200


def test_30_only_lower_camel_case_is_known(shared: Running) -> None:
    row = row_of(shared, TRACES, span(trace_state="a=1", status={"code": 1}))
    assert (row["trace_state"], row["status_code"]) == (None, 1)
    row = row_of(shared, LOG_RECORDS, record(severity_text="no", severityText="yes"))
    assert row["severity_text"] == "yes"
    row = row_of(shared, METRIC_POINTS, gauge(as_int=5, startTimeUnixNano="7", asDouble=2))
    assert (row["value_int"], row["value_double"], row["start_time_unix_nano"]) == (None, 2, 7)


@pytest.mark.parametrize("number", [9_007_199_254_740_993, 2**63 - 1, -(2**63)])
def test_31_integers_of_64_bits_lose_no_digit(shared: Running, number: int) -> None:
    for given in (number, str(number)):
        assert row_of(shared, METRIC_POINTS, number_point(given))["value_int"] == number
        row = row_of(shared, TRACES, span(**attribute({"intValue": given})))
        assert dict(row["attributes"]) == {"key": str(number)}
        if number > 0:
            row = row_of(shared, LOG_RECORDS, {"timeUnixNano": given})
            assert row["time_unix_nano"] == number


def number_point(given: int | str) -> dict[str, Any]:
    return {"name": "n", "gauge": {"dataPoints": [{"timeUnixNano": str(NOON), "asInt": given}]}}


def test_32_bytes_are_base64_and_doubles_may_be_no_numbers(shared: Running) -> None:
    for signal, item in ((TRACES, span), (LOG_RECORDS, record), (METRIC_POINTS, gauge)):
        row = row_of(shared, signal, item(**attribute({"bytesValue": "+/8="})))
        assert dict(row["attributes"]) == {"key": "+/8="}
        assert "base64" in refused(shared, signal, item(**attribute({"bytesValue": "***"})))
        for name in ("NaN", "Infinity", "-Infinity"):
            row = row_of(shared, signal, item(**attribute({"doubleValue": name})))
            assert dict(row["attributes"]) == {"key": name}
    for name in ("NaN", "Infinity", "-Infinity"):
        row = row_of(shared, METRIC_POINTS, gauge(asDouble=name))
        assert str(row["value_double"]) == {"NaN": "nan", "Infinity": "inf"}.get(name, "-inf")


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Give a row without what tells two requests apart."""
    told = ("ingest_batch_id", "ingest_time_unix_nano")
    return {name: str(value) for name, value in row.items() if name not in told}


def test_33_rows_from_json_equal_rows_from_protobuf(shared: Running, signal: Signal) -> None:
    service = fresh("p33")
    payload = request(signal, service, 3)
    if signal is PROFILE_DATA:
        table = PROFILE_SAMPLES
    else:
        table = {TRACES: SPANS, METRIC_POINTS: METRICS, LOG_RECORDS: LOGS}[signal]
    assert post(shared, signal, in_kind(signal, payload, JSON), JSON).status == 200
    from_json = sorted(map(str, map(plain, shared.landed(table, service, 3))))
    # The same request in other bytes, so that it is not taken for a retry: an unknown field.
    assert post(shared, signal, payload + b"\xfa\x3f\x00").status == 200
    both = sorted(map(str, map(plain, shared.landed(table, service, 6))))
    assert both == sorted([*from_json, *from_json])


@pytest.mark.parametrize("file", examples())
def test_33_every_json_example_of_the_protocol_is_taken(shared: Running, file: Path) -> None:
    document = json.loads(file.read_bytes())
    signal = signal_of(document)
    reply = post(shared, signal, file.read_bytes(), JSON)
    assert (reply.status, reply.body) == (200, b"{}")
    # Read again as protobuf: every field of the example is known to this release.
    json_format.ParseDict(base64ed(document), signal.request())
