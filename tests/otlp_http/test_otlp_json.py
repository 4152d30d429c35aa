"""OTLP/JSON to protobuf, value by value; numbers are those of the specification's points."""

import contextlib
import json
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import (
    ExportProfilesServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
)
from opentelemetry.proto.profiles.v1development.profiles_pb2 import Link, Profile
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from collectors.otlp.otlp_json import to_protobuf
from pipeline.errors import BadRequest


def read(kind: Any, given: Any) -> Any:
    """Read JSON, given as text or as what it stands for."""
    text = given if isinstance(given, str) else json.dumps(given)
    return kind.FromString(to_protobuf(kind, text.encode()))


def why(kind: Any, given: Any) -> str:
    """Give what a refusal says."""
    with pytest.raises(BadRequest) as told:
        read(kind, given)
    return str(told.value)


TRACE_ID = "5B8EFFF798038103D269B633813FC60C"
SPAN_ID = "eEe19b7Ec3c1B174"


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Span, ("traceId", "spanId", "parentSpanId")),
        (Span.Link, ("traceId", "spanId")),
        (LogRecord, ("traceId", "spanId")),
        (Exemplar, ("traceId", "spanId")),
        (Link, ("traceId", "spanId")),
        (Profile, ("profileId",)),
    ],
)
def test_27_ids_are_hexadecimal_in_any_case(kind: Any, names: tuple[str, ...]) -> None:
    given = {name: SPAN_ID if name.endswith("panId") else TRACE_ID for name in names}
    found = read(kind, given)
    for name in names:
        field = kind.DESCRIPTOR.fields_by_camelcase_name[name].name
        assert getattr(found, field) == bytes.fromhex(given[name])
        for bad in ("W47/95gDgQPSabYzgT/GDA==", "abc", "0x12", "ab cd", "ÀÀ", "zz", "ab\n"):
            assert why(kind, {name: bad}).startswith(
                f"{name}: an id as an even number of hexadecimal digits is wanted, not "
            )
        assert why(kind, {name: 12}) == f"{name}: an id in hexadecimal is wanted, not 12"
        assert read(kind, {name: ""}) == kind()


def test_27_other_bytes_stay_base64() -> None:
    assert read(Profile, {"originalPayload": "q80="}).original_payload == b"\xab\xcd"


@pytest.mark.parametrize("bad", ["SPAN_KIND_SERVER", "2", 2.0, True, [2]])
def test_28_enumerations_are_integers(bad: Any) -> None:
    assert read(Span, {"kind": 2}).kind == Span.SPAN_KIND_SERVER
    assert read(Span, {"kind": 77}).kind == 77
    assert why(Span, {"kind": bad}).startswith("kind: an enumeration's integer is wanted, not ")
    assert "is not from -2147483648 to 2147483647" in why(Span, {"kind": 2**31})


def test_29_unknown_fields_are_ignored_whatever_they_hold() -> None:
    deep: Any = [{"name": 1}]
    for _ in range(200):
        deep = {"x": [deep]}
    given = {"name": "n", "new": deep, "Name": 3, "status": {"new": None, "code": 2}}
    found = read(Span, given)
    assert found == Span(name="n", status=Status(code=Status.STATUS_CODE_ERROR))


def test_30_snake_case_names_are_unknown() -> None:
    given = {"trace_id": TRACE_ID, "start_time_unix_nano": "x", "droppedLinksCount": 4}
    assert read(Span, given) == Span(dropped_links_count=4)
    assert read(ExportTraceServiceRequest, {"resource_spans": 3}) == ExportTraceServiceRequest()


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (9007199254740993, 9007199254740993),
        ("9007199254740993", 9007199254740993),
        (18446744073709551615, 18446744073709551615),
        ("18446744073709551615", 18446744073709551615),
        ("007", 7),
        ("1e3", 1000),
        (1e3, 1000),
        ("1.50e1", 15),
        (9007199254740992.0, 9007199254740992),
        (0, 0),
        (-0.0, 0),
    ],
)
def test_31_integers_of_64_bits_keep_every_digit(given: Any, number: int) -> None:
    assert read(Span, {"startTimeUnixNano": given}).start_time_unix_nano == number


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("18446744073709551616", "18446744073709551616 is not from 0 to 18446744073709551615"),
        ("-1", "-1 is not from 0 to 18446744073709551615"),
        ('"-1"', "-1 is not from 0 to 18446744073709551615"),
        ("9" * 4000, "the number is not from 0 to 18446744073709551615"),
        ("1.5", "a whole number is wanted, not 1.5"),
        ('"1.5"', 'a whole number is wanted, not "1.5"'),
        ("1e400", "a whole number is wanted, not Infinity"),
        ('"1e999999999"', 'a whole number is wanted, not "1e999999999"'),
        ("1.7e18", "1.7e+18 may have lost digits: write it without exponent, or as text"),
        ('""', 'a whole number is wanted, not ""'),
        ('" 1"', 'a whole number is wanted, not " 1"'),
        ('"1_0"', 'a whole number is wanted, not "1_0"'),
        ('"+1"', 'a whole number is wanted, not "+1"'),
        ('"٣"', 'a whole number is wanted, not "\\u0663"'),
        ('"0x10"', 'a whole number is wanted, not "0x10"'),
        ('"Infinity"', 'a whole number is wanted, not "Infinity"'),
        ("true", "a whole number is wanted, not true"),
        ("[]", "a whole number is wanted, not a list"),
        ("{}", "a whole number is wanted, not an object"),
        ('"' + "9" * 50 + '"', 'a whole number is wanted, not "' + "9" * 39 + "…"),
    ],
)
def test_31_what_is_no_integer_of_64_bits_is_refused(text: str, told: str) -> None:
    assert why(Span, f'{{"startTimeUnixNano": {text}}}') == f"startTimeUnixNano: {told}"


@pytest.mark.parametrize(
    ("kind", "name", "low", "high"),
    [
        (AnyValue, "intValue", -(2**63), 2**63 - 1),
        (NumberDataPoint, "asInt", -(2**63), 2**63 - 1),
        (NumberDataPoint, "timeUnixNano", 0, 2**64 - 1),
        (NumberDataPoint, "flags", 0, 2**32 - 1),
        (Span, "flags", 0, 2**32 - 1),
        (Span, "droppedEventsCount", 0, 2**32 - 1),
        (ExponentialHistogramDataPoint, "scale", -(2**31), 2**31 - 1),
        (ExponentialHistogramDataPoint, "count", 0, 2**64 - 1),
        (LogRecord, "severityNumber", -(2**31), 2**31 - 1),
    ],
)
def test_31_every_integer_is_held_to_its_range(kind: Any, name: str, low: int, high: int) -> None:
    field = kind.DESCRIPTOR.fields_by_camelcase_name[name].name
    for number in (low, high, 1, -1 if low else 0):
        assert getattr(read(kind, {name: number}), field) == number
        if name != "severityNumber":
            assert getattr(read(kind, {name: str(number)}), field) == number
    for number in (low - 1, high + 1):
        assert why(kind, {name: number}) == f"{name}: {number} is not from {low} to {high}"


@pytest.mark.parametrize(
    ("given", "expected"),
    [("+/8=", b"\xfb\xff"), ("-_8=", b"\xfb\xff"), ("-_8", b"\xfb\xff"), ("", b"")],
)
def test_32_bytes_values_are_base64(given: str, expected: bytes) -> None:
    found = read(AnyValue, {"bytesValue": given})
    assert (found.WhichOneof("value"), found.bytes_value) == ("bytes_value", expected)


@pytest.mark.parametrize("bad", ["a", "****", "ab cd", "a=bc", "é", 7, [1]])
def test_32_what_is_not_base64_is_refused(bad: Any) -> None:
    assert why(AnyValue, {"bytesValue": bad}).startswith("bytesValue: base64 is wanted, not ")


def test_32_doubles_may_be_no_numbers() -> None:
    for text, number in (("NaN", "nan"), ("Infinity", "inf"), ("-Infinity", "-inf")):
        assert str(read(AnyValue, {"doubleValue": text}).double_value) == number
    assert read(AnyValue, {"doubleValue": "1.5e3"}).double_value == 1500
    assert read(AnyValue, {"doubleValue": 3}).double_value == 3
    assert str(read(AnyValue, '{"doubleValue": -0.0}').double_value) == "-0.0"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1e400", "the number is beyond what a double holds"),
        ("-1e400", "the number is beyond what a double holds"),
        ('"1e400"', "the number is beyond what a double holds"),
        ("1" * 400, "the number is beyond what a double holds"),
        ('"inf"', 'a number is wanted, not "inf"'),
        ('"nan"', 'a number is wanted, not "nan"'),
        ('"1_0"', 'a number is wanted, not "1_0"'),
        ('""', 'a number is wanted, not ""'),
        ("true", "a number is wanted, not true"),
    ],
)
def test_32_what_is_no_double_is_refused(text: str, told: str) -> None:
    assert why(AnyValue, f'{{"doubleValue": {text}}}') == f"doubleValue: {told}"


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_names_of_javascript_are_no_json(name: str) -> None:
    assert f'write "{name}"' in why(AnyValue, f'{{"doubleValue": {name}}}')


def test_null_is_unset() -> None:
    given = {field.json_name: None for field in Span.DESCRIPTOR.fields}
    assert read(Span, given) == Span()
    found = read(AnyValue, {"stringValue": None, "intValue": "0"})
    assert found.WhichOneof("value") == "int_value"
    assert not read(HistogramDataPoint, {"sum": None}).HasField("sum")
    assert read(HistogramDataPoint, {"sum": 0}).HasField("sum")
    assert why(Span, {"links": [{}, None]}) == "links[1]: an object is wanted, not null"


def test_the_last_of_several_equal_keys_wins() -> None:
    assert read(Span, '{"name": 3, "name": "last"}').name == "last"
    found = read(Span, '{"status": {"code": 1, "message": "m"}, "status": {"code": 2}}')
    assert found.status == Status(code=Status.STATUS_CODE_ERROR)


def test_only_one_of_a_choice_may_be_set() -> None:
    assert why(AnyValue, {"stringValue": "a", "intValue": 1}) == (
        "the request: only one of intValue and stringValue may be set"
    )
    assert why(Metric, {"name": "m", "gauge": {}, "sum": {}}) == (
        "the request: only one of gauge and sum may be set"
    )
    assert read(AnyValue, {"boolValue": False}).WhichOneof("value") == "bool_value"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"name": 3}, "name: text is wanted, not 3"),
        ({"attributes": {}}, "attributes: a list is wanted, not an object"),
        ({"attributes": ["a"]}, 'attributes[0]: an object is wanted, not "a"'),
        ({"status": []}, "status: an object is wanted, not a list"),
        (
            {"attributes": [{"key": "a"}, {"key": "b", "value": {"boolValue": "true"}}]},
            'attributes[1].value.boolValue: true or false is wanted, not "true"',
        ),
        ({"name": "\ud800"}, "name: half a surrogate pair is not text"),
        ([], "the request: an object is wanted, not a list"),
        (None, "the request: an object is wanted, not null"),
    ],
)
def test_a_refusal_names_the_path(given: Any, told: str) -> None:
    assert why(Span, given) == told


def test_a_refusal_names_the_path_from_the_request_down() -> None:
    spans: list[dict[str, Any]] = [{}, {}, {}, {"startTimeUnixNano": "soon"}]
    given = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    assert why(ExportTraceServiceRequest, given) == (
        "resourceSpans[0].scopeSpans[0].spans[3].startTimeUnixNano: "
        'a whole number is wanted, not "soon"'
    )
    bounds = {"explicitBounds": [1, 2.5, "x"]}
    assert why(HistogramDataPoint, bounds) == 'explicitBounds[2]: a number is wanted, not "x"'


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the request is not JSON: "),
        (b"{", "the request is not JSON: "),
        (b"{} {}", "the request is not JSON: Extra data"),
        (b"{'name': 1}", "the request is not JSON: "),
        (b'{"name": "a\nb"}', "the request is not JSON: "),
        (b'{"startTimeUnixNano": ' + b"9" * 10_000 + b"}", "the request is not JSON: "),
        (b'{"name": "\xff"}', "the request is not UTF-8: byte 10 is not text"),
        ('{"name": "a"}'.encode("utf-16"), "the request is not UTF-8: byte 0 is not text"),
    ],
)
def test_what_is_not_json_is_refused(body: bytes, told: str) -> None:
    with pytest.raises(BadRequest) as refused:
        to_protobuf(Span, body)
    assert str(refused.value).startswith(told)


def nested(depth: int) -> str:
    """Give lists in lists as AnyValue; two messages a level."""
    return '{"arrayValue":{"values":[' * depth + "{}" + "]}}" * depth


def test_43_values_are_read_as_deep_as_protobuf_reads_them() -> None:
    found = read(AnyValue, nested(50))
    assert AnyValue.FromString(found.SerializeToString()) == found
    told = why(AnyValue, nested(51))
    assert told.startswith("arrayValue.values[0].arrayValue.")
    assert told.endswith("fields are nested more than 100 messages deep")
    assert len(told) < 300


@pytest.mark.parametrize("depth", [500, 10_000, 100_000])
def test_43_any_depth_is_refused_without_a_crash(depth: int) -> None:
    for text in (nested(depth), "[" * depth):
        with pytest.raises(BadRequest, match="deep|not JSON"):
            read(AnyValue, text)
    # Below an unknown field as deep as the interpreter goes, which is its own affair.
    with contextlib.suppress(BadRequest):
        assert read(AnyValue, '{"x":' + "[" * depth + "]" * depth + "}") == AnyValue()


def test_the_same_request_gives_the_same_bytes_however_it_is_written() -> None:
    given = {"name": "n", "kind": 2, "startTimeUnixNano": "5", "attributes": [], "flags": 0}
    expected = Span(name="n", kind=2, start_time_unix_nano=5).SerializeToString()  # type: ignore[arg-type]
    for text in (
        json.dumps(given),
        json.dumps(given, indent=2),
        json.dumps(dict(reversed(given.items()))),
        json.dumps(given | {"startTimeUnixNano": 5, "unknown": 1, "traceState": None}),
    ):
        assert to_protobuf(Span, text.encode()) == expected


def test_every_signal_is_read_from_its_descriptors_alone() -> None:
    log = {"severityNumber": 9, "body": {"kvlistValue": {"values": [{"key": "k"}]}}}
    found = read(
        ExportLogsServiceRequest, {"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]}
    )
    record = found.resource_logs[0].scope_logs[0].log_records[0]
    assert (record.severity_number, record.body.kvlist_value.values[0].key) == (9, "k")
    sample = {"stackIndex": 1, "values": ["-5", 6], "timestampsUnixNano": ["7"]}
    given = {
        "resourceProfiles": [{"scopeProfiles": [{"profiles": [{"samples": [sample]}]}]}],
        "dictionary": {"stringTable": ["", "main"], "stackTable": [{"locationIndices": [0, 1]}]},
    }
    profiles = read(ExportProfilesServiceRequest, given)
    (one,) = profiles.resource_profiles[0].scope_profiles[0].profiles[0].samples
    assert (list(one.values), list(one.timestamps_unix_nano)) == ([-5, 6], [7])
    assert list(profiles.dictionary.string_table) == ["", "main"]
    assert list(profiles.dictionary.stack_table[0].location_indices) == [0, 1]
