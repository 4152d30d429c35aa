"""Any request comes back from JSON as it was, and the protocol's own examples land right."""

import base64
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import (
    ExportProfilesServiceRequest,
)

from collectors.otlp.otlp_json import to_protobuf
from collectors.otlp.signals import SIGNALS, Signal

MOST_LEVELS = 9
REQUESTS = [signal.request for signal in SIGNALS]
if ExportProfilesServiceRequest not in REQUESTS:
    REQUESTS.append(ExportProfilesServiceRequest)

_INTEGERS = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_ENUM: (0, 3),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SFIXED64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED64: (0, 2**64 - 1),
}


def values(field: FieldDescriptor, level: int) -> st.SearchStrategy[Any]:
    """Give values of a field, without its repetition."""
    if field.message_type is not None:
        return messages(field.message_type, level + 1)
    if field.type in _INTEGERS:
        low, high = _INTEGERS[field.type]
        return st.integers(low, high)
    if field.type == FieldDescriptor.TYPE_STRING:
        return st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=17)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return st.booleans()
    assert field.type == FieldDescriptor.TYPE_DOUBLE
    return st.floats(allow_nan=False)


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, level: int = 0) -> Any:
    """Make a message with some of its fields set."""
    made = message_factory.GetMessageClass(descriptor)()
    fields = list(descriptor.fields)
    if level >= MOST_LEVELS:
        fields = [field for field in fields if field.message_type is None]
    chosen = draw(st.lists(st.sampled_from(fields), max_size=6, unique=True)) if fields else []
    if level < 3:
        # The way to what is inside is always taken.
        chosen = [field for field in fields if field.message_type is not None] + chosen
    for field in chosen:
        if field.is_repeated:
            drawn = draw(st.lists(values(field, level), min_size=level < 3, max_size=2))
            made.ClearField(field.name)
            getattr(made, field.name).extend(drawn)
        elif field.message_type is not None:
            getattr(made, field.name).CopyFrom(draw(values(field, level)))
            getattr(made, field.name).SetInParent()
        else:
            setattr(made, field.name, draw(values(field, level)))
    return made


def hexed(given: Any) -> Any:
    """Write the ids of protobuf's own JSON, which are base64, in hexadecimal."""
    if isinstance(given, list):
        return [hexed(each) for each in given]
    if not isinstance(given, dict):
        return given
    ids = {"traceId", "spanId", "parentSpanId", "profileId"}
    return {
        key: base64.b64decode(value).hex() if key in ids else hexed(value)
        for key, value in given.items()
    }


def otlp_json(message: Any) -> bytes:
    """Write a message as OTLP/JSON with protobuf's own writer."""
    written = json_format.MessageToDict(message, use_integers_for_enums=True)
    return json.dumps(hexed(written), ensure_ascii=False).encode()


@pytest.mark.slow
@pytest.mark.parametrize("request_type", REQUESTS, ids=lambda kind: str(kind.DESCRIPTOR.name))
@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_request_comes_back_from_json_as_it_was(request_type: Any, data: st.DataObject) -> None:
    request = data.draw(messages(request_type.DESCRIPTOR))
    assert to_protobuf(request_type, otlp_json(request)) == request.SerializeToString()


def test_not_a_number_comes_back_too() -> None:
    signal = next(signal for signal in SIGNALS if signal.name == "traces")
    request = signal.request()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.attributes.add(key="nan").value.double_value = float("nan")
    assert to_protobuf(signal.request, otlp_json(request)) == request.SerializeToString()


def corpus() -> Path | None:
    """Find the examples of the protocol's repository, where somebody has put them."""
    beside = Path(__file__).parents[3] / "shared" / "corpus"
    folder = Path(os.environ.get("TAILGATE_CORPUS", beside)) / "otlp" / "opentelemetry-proto"
    return folder if folder.is_dir() else None


def examples() -> list[Any]:
    """Give every example, or a skip that says where they would be."""
    folder = corpus()
    if folder is None:
        why = "no opentelemetry-proto examples; set TAILGATE_CORPUS to the folder that holds otlp/"
        return [pytest.param(None, marks=pytest.mark.skip(reason=why))]
    return [pytest.param(file, id=file.name) for file in sorted(folder.glob("*.json"))]


def signal_of(document: dict[str, Any]) -> Signal:
    """Tell a request's signal by its one key."""
    (signal,) = [
        signal
        for signal in SIGNALS
        if {field.json_name for field in signal.request.DESCRIPTOR.fields} & document.keys()
    ]
    return signal


def base64ed(given: Any) -> Any:
    """Write hexadecimal ids as protobuf's own reader wants them."""
    if isinstance(given, list):
        return [base64ed(each) for each in given]
    if not isinstance(given, dict):
        return given
    ids = {"traceId", "spanId", "parentSpanId", "profileId"}
    return {
        key: base64.b64encode(bytes.fromhex(value)).decode() if key in ids else base64ed(value)
        for key, value in given.items()
    }


@pytest.mark.parametrize("file", examples())
def test_33_examples_of_the_protocol_land_as_their_protobuf_does(file: Path) -> None:
    document = json.loads(file.read_bytes())
    signal = signal_of(document)
    plain = json_format.ParseDict(base64ed(document), signal.request()).SerializeToString()
    from_json = to_protobuf(signal.request, file.read_bytes())
    found = signal.check(from_json)
    assert found.total >= 1
    assert found.rejected == 0
    identity = ([b"i" * 16], [1_795_608_000_000_000_000], 100)
    rows, warnings = signal.decode([from_json], *identity)
    expected, expected_warnings = signal.decode([plain], *identity)
    assert rows.keys() == expected.keys() == {table.name for table in signal.tables}
    for name, table in rows.items():
        assert table.num_rows >= 1
        assert table.equals(expected[name])
    assert Counter(warnings) == expected_warnings
