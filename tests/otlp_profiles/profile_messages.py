"""Profile requests made for tests: a dictionary filled by name, and pprof files byte by byte."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import (
    ExportProfilesServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.profiles.v1development.profiles_pb2 import Profile

from collectors.otlp.profiles import decode

# 2026-11-25T12:00:00Z.
NOON = 1_795_608_000_000_000_000
BATCH = b"\xab" * 16
TABLES = ("mapping", "location", "function", "link", "attribute", "stack")


class Requested:
    """A request whose tables are filled as they are used.

    A stack is text: ``leaf;caller``. A frame is ``name``, ``name@file:line``, ``inner<outer`` for
    inlined functions, or ``binary+address`` for one without a symbol.
    """

    def __init__(self, service: str = "checkout") -> None:
        self.message = ExportProfilesServiceRequest()
        self.dictionary = self.message.dictionary
        self.dictionary.string_table.append("")
        for name in TABLES:
            getattr(self.dictionary, f"{name}_table").add()
        resource = self.message.resource_profiles.add()
        pair = resource.resource.attributes.add(key="service.name")
        pair.value.string_value = service
        self.profiles = resource.scope_profiles.add().profiles

    def string(self, text: str) -> int:
        table = self.dictionary.string_table
        if text not in table:
            table.append(text)
        return list(table).index(text)

    def function(self, name: str, file: str = "", system: str = "") -> int:
        self.dictionary.function_table.add(
            name_strindex=self.string(name),
            filename_strindex=self.string(file),
            system_name_strindex=self.string(system),
        )
        return len(self.dictionary.function_table) - 1

    def attribute(self, key: str, value: Any, unit: str = "") -> int:
        kinds = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
        self.dictionary.attribute_table.add(
            key_strindex=self.string(key),
            value=AnyValue(**{kinds[type(value)]: value}),
            unit_strindex=self.string(unit),
        )
        return len(self.dictionary.attribute_table) - 1

    def location(self, text: str, kind: str = "") -> int:
        location = self.dictionary.location_table.add()
        if "+0x" in text:
            mapping, _, address = text.partition("+")
            self.dictionary.mapping_table.add(filename_strindex=self.string(mapping))
            location.mapping_index = len(self.dictionary.mapping_table) - 1 if mapping else 0
            location.address = int(address, 16)
        elif text:
            for part in text.split("<"):
                name, _, source = part.partition("@")
                file, _, line = source.partition(":")
                location.lines.add(function_index=self.function(name, file), line=int(line or 0))
        if kind:
            location.attribute_indices.append(self.attribute("profile.frame.type", kind))
        return len(self.dictionary.location_table) - 1

    def stack(self, text: str) -> int:
        places = [self.location(frame) for frame in text.split(";")] if text else []
        return self.stack_of(places)

    def stack_of(self, places: Sequence[int]) -> int:
        self.dictionary.stack_table.add(location_indices=places)
        return len(self.dictionary.stack_table) - 1

    def link(self, trace_id: bytes, span_id: bytes) -> int:
        self.dictionary.link_table.add(trace_id=trace_id, span_id=span_id)
        return len(self.dictionary.link_table) - 1

    def profile(self, kind: str = "samples", unit: str = "count", **more: Any) -> Profile:
        profile = self.profiles.add(**({"time_unix_nano": NOON} | more))
        profile.sample_type.type_strindex = self.string(kind)
        profile.sample_type.unit_strindex = self.string(unit)
        return profile

    def sample(
        self,
        profile: Profile,
        stack: str | int,
        values: Iterable[int] = (),
        times: Iterable[int] = (),
        link: int = 0,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        profile.samples.add(
            stack_index=self.stack(stack) if isinstance(stack, str) else stack,
            values=values,
            timestamps_unix_nano=times,
            link_index=link,
            attribute_indices=[self.attribute(key, each) for key, each in (given or {}).items()],
        )

    def bytes(self) -> bytes:
        return self.message.SerializeToString()

    def rows(self, table: str = "profile_samples") -> list[dict[str, Any]]:
        return rows_of(self.bytes())[table]


def empty_dictionary(asked: Requested) -> None:
    """Take every entry out of a request's dictionary."""
    asked.dictionary.Clear()


def tables_of(payload: bytes, limit: int = 128) -> tuple[dict[str, pa.Table], dict[str, int]]:
    """Decode one request."""
    tables, warnings = decode([payload], [BATCH], [NOON + 1], limit)
    return tables, {reason: count for reason, count in warnings.items() if count}


def rows_of(payload: bytes) -> dict[str, list[dict[str, Any]]]:
    """Decode one request to rows."""
    return {name: table.to_pylist() for name, table in tables_of(payload)[0].items()}


def field(number: int, value: int | bytes) -> bytes:
    """Give one field of a message as it stands on the wire."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def packed(number: int, values: Iterable[int]) -> bytes:
    """Give a packed field of integers."""
    return field(number, b"".join(_varint(value) for value in values))


def _varint(value: int) -> bytes:
    value %= 1 << 64
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


class PprofFile:
    """A pprof file, made field by field."""

    def __init__(self, types: Sequence[tuple[str, str]] = (("samples", "count"),)) -> None:
        self.strings = [b""]
        self.parts: list[bytes] = []
        self._functions: dict[str, int] = {}
        for name, unit in types:
            self.parts.append(field(1, field(1, self.string(name)) + field(2, self.string(unit))))

    def string(self, text: str | bytes) -> int:
        data = text.encode() if isinstance(text, str) else text
        if data not in self.strings:
            self.strings.append(data)
        return self.strings.index(data)

    def location(self, name: str) -> int:
        """Give a location of one function; its number is the function's."""
        number = self._functions.get(name)
        if number is None:
            number = self._functions[name] = len(self._functions) + 1
            self.parts.append(field(5, field(1, number) + field(2, self.string(name))))
            line = field(4, field(1, number) + field(2, 7))
            self.parts.append(field(4, field(1, number) + line))
        return number

    def sample(
        self, stack: str, *values: int, labels: Mapping[str, str | int] | None = None
    ) -> None:
        """Add a sample; its stack is ``leaf;caller``."""
        body = packed(1, [self.location(name) for name in stack.split(";")] if stack else [])
        body += packed(2, values)
        for key, value in (labels or {}).items():
            text = field(2, self.string(value)) if isinstance(value, str) else field(3, value)
            body += field(3, field(1, self.string(key)) + text)
        self.parts.append(field(2, body))

    def bytes(self) -> bytes:
        return b"".join(self.parts) + b"".join(field(6, each) for each in self.strings)
