"""What rows a profiles request should become: a plain walk over upb objects, slow and readable."""

from collections import Counter
from typing import Any

from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import (
    ExportProfilesServiceRequest,
)

Row = tuple[Any, ...]


class OutOfRangeError(Exception):
    """An index points outside its table."""


class Walk:
    """One request, walked."""

    def __init__(self, payload: bytes) -> None:
        self.request = ExportProfilesServiceRequest.FromString(payload)
        self.dictionary = self.request.dictionary
        self.rows: Counter[Row] = Counter()
        self.observations: Counter[Row] = Counter()
        self.total = self.rejected = 0
        for resource in self.request.resource_profiles:
            for scope in resource.scope_profiles:
                for profile in scope.profiles:
                    self.total += 1
                    try:
                        found = self.profile(profile)
                    except OutOfRangeError:
                        self.rejected += 1
                        continue
                    for key, value, count in found:
                        self.rows[key] += value
                        self.observations[key] += count

    def at(self, table: str, index: int) -> Any:
        entries = getattr(self.dictionary, table)
        if 0 <= index < len(entries):
            return entries[index]
        if index == 0:
            return "" if table == "string_table" else getattr(type(self.dictionary)(), table).add()
        raise OutOfRangeError

    def text(self, index: int) -> str:
        found: str = self.at("string_table", index)
        return found

    def attributes(self, indices: Any) -> dict[str, Any]:
        found = {}
        for index in indices:
            entry = self.at("attribute_table", index)
            key, _ = self.text(entry.key_strindex), self.text(entry.unit_strindex)
            kind = entry.value.WhichOneof("value")
            if key:
                found[key] = getattr(entry.value, kind) if kind else None
        return found

    def stack(self, index: int) -> tuple[str, ...]:
        names: list[str] = []
        for place in self.at("stack_table", index).location_indices:
            location = self.at("location_table", place)
            mapping = self.at("mapping_table", location.mapping_index)
            self.attributes(mapping.attribute_indices)
            self.attributes(location.attribute_indices)
            file = self.text(mapping.filename_strindex)
            where = f"0x{location.address:x}" if location.address else ""
            nowhere = (f"{file}+{where}" if file else where) if where else "[unknown]"
            lines = [self.at("function_table", line.function_index) for line in location.lines]
            for function in lines:
                self.text(function.filename_strindex)
                name = self.text(function.name_strindex)
                names.append(name or self.text(function.system_name_strindex) or nowhere)
            if not lines:
                names.append(nowhere)
        return tuple(names) or ("[no stack]",)

    def profile(self, profile: Any) -> list[tuple[Row, int, int]]:
        kind = self.text(profile.sample_type.type_strindex)
        self.text(profile.sample_type.unit_strindex)
        self.text(profile.period_type.type_strindex)
        self.text(profile.period_type.unit_strindex)
        self.attributes(profile.attribute_indices)
        found = []
        for sample in profile.samples:
            values, times = list(sample.values), list(sample.timestamps_unix_nano)
            if len(values) > 1 and times and len(values) != len(times):
                raise OutOfRangeError
            link = self.at("link_table", sample.link_index)
            labels = self.attributes(sample.attribute_indices)
            key = (
                profile.time_unix_nano,
                kind,
                self.stack(sample.stack_index),
                tuple(sorted((key, str(value)) for key, value in labels.items())),
                link.trace_id.hex() or None,
            )
            value = sum(values) if values else len(times)
            if values or times:
                found.append((key, value, len(times) if times else value))
        return found


def found_in(tables: dict[str, Any]) -> tuple[Counter[Row], Counter[Row]]:
    """Give values and observations of rows by what they say."""
    stacks = {
        row["stack_id"]: tuple(row["functions"]) for row in tables["profile_stacks"].to_pylist()
    }
    values: Counter[Row] = Counter()
    counts: Counter[Row] = Counter()
    for row in tables["profile_samples"].to_pylist():
        labels = dict(row["labels"]) | {each["key"]: each["value"] for each in row["num_labels"]}
        key = (
            row["time_unix_nano"],
            row["sample_type"],
            stacks[row["stack_id"]],
            tuple(sorted((key, str(value)) for key, value in labels.items())),
            row["trace_id"],
        )
        values[key] += row["value"]
        counts[key] += row["samples"]
    return values, counts
