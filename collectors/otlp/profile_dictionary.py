"""The dictionaries of several profile requests as one, each index checked before it is followed."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from collectors.otlp import wire
from collectors.otlp.columns import Ints, flatten, lengths, numbers, offsets_of
from collectors.otlp.profile_requests import Strings, settle

Faults = npt.NDArray[np.uint16]

# Tables whose first entry is the zero value, by protocol; each is a bit of a fault.
TABLES = (
    "string_table",
    "attribute_table",
    "mapping_table",
    "function_table",
    "location_table",
    "stack_table",
    "link_table",
)

# How string_value_strindex of AnyValue and key_strindex of KeyValue begin on the wire.
_STRING_NUMBERS = (b"\x40", b"\x18")

FAULT = {name: np.uint16(1 << place) for place, name in enumerate(TABLES)}


class Table:
    """One table of all requests end to end, and after them one zero entry.

    Attributes:
        entries: the tables' own entries.
        owners: for each the number of its request.
        counts: for each request how many it has.
    """

    def __init__(self, lists: pa.ListArray) -> None:
        self.entries, self.owners = flatten(lists)
        self.counts = lengths(lists)
        self.starts = np.cumsum(self.counts) - self.counts

    def __len__(self) -> int:
        return len(self.entries)

    def place(self, index: Ints, request: Ints) -> Ints:
        """Give where entries stand; what a table lacks is the zero entry after them all."""
        inside = (index >= 0) & (index < self.counts[request])
        return np.where(inside, self.starts[request] + index, len(self))

    def missing(self, index: Ints, request: Ints) -> npt.NDArray[np.bool_]:
        """Tell which indices are out of range; 0 is in range of an empty table too."""
        bad: npt.NDArray[np.bool_] = (index != 0) & ((index < 0) | (index >= self.counts[request]))
        return bad


class Dictionary:
    """The dictionaries of n requests."""

    def __init__(self, requests: pa.RecordBatch) -> None:
        """Take the dictionaries of requests that ``read_requests`` read."""
        column = requests.column("dictionary")
        self.tables = {name: Table(column.field(name)) for name in TABLES}

    def numbers(self, table: str, field: str) -> Ints:
        """Give an integer field of a table's entries, and 0 for the zero entry."""
        values = numbers(self.tables[table].entries.field(field))
        return np.concatenate([values, np.zeros(1, dtype=np.int64)])

    def lists(self, table: str, field: str) -> tuple[Ints, Ints]:
        """Give a list field of a table's entries end to end, and lengths, 0 for the zero entry."""
        lists = self.tables[table].entries.field(field)
        counts = np.concatenate([lengths(lists), np.zeros(1, dtype=np.int64)])
        return numbers(lists.flatten()), counts

    def places(self, table: str, field: str, target: str) -> Ints:
        """Give where in another table a field of a table's entries points."""
        own = self.tables[table]
        requests = np.append(own.owners, 0)
        index = self.numbers(table, field)
        end = len(self.tables[target])
        if not len(own.counts):
            return np.full(len(index), end)
        found = self.tables[target].place(index, requests)
        found[-1] = end
        return found

    @cached_property
    def strings(self) -> pa.StringArray:
        """Give every string, and the empty one."""
        return pa.concat_arrays([self.tables["string_table"].entries, pa.array([""])])

    def texts(self, table: str, field: str) -> pa.StringArray:
        """Give a field of a table's entries that points at strings."""
        return self.strings.take(pa.array(self.places(table, field, "string_table")))

    @cached_property
    def attributes(self) -> pa.StructArray:
        """Give the attribute table as KeyValue, as ``Attributes`` reads it, and an empty one."""
        keys = self.texts("attribute_table", "key_strindex").to_pylist()
        table = self.tables["attribute_table"]
        values = table.entries.field("value").to_pylist()
        whole = []
        for key, value, owner in zip(keys, values, table.owners.tolist(), strict=False):
            pair = KeyValue(key=key, value=AnyValue.FromString(value))
            settle(pair.value, self.strings_of(owner))
            whole.append(pair.SerializeToString())
        read = wire.read(wire.handler(KeyValue.DESCRIPTOR), [*whole, b""])
        return pa.StructArray.from_arrays(read.columns, fields=list(read.schema))

    def strings_of(self, request: int) -> Strings:
        """Give the string table of one request."""
        table = self.tables["string_table"]
        start = int(table.starts[request])
        return Strings(_Slice(table.entries, start, int(table.counts[request])))

    def attribute_lists(self, index: Ints, counts: Ints, requests: Ints) -> pa.ListArray:
        """Give attributes of n owners, as ``Attributes`` reads them.

        Args:
            index: into the attribute tables, all owners' end to end.
            counts: n lengths.
            requests: n numbers of requests.
        """
        table = self.tables["attribute_table"]
        places = table.place(index, np.repeat(requests, counts))
        return pa.ListArray.from_arrays(offsets_of(counts), self.attributes.take(pa.array(places)))

    def pointed(self, table: str, field: str, target: str) -> Faults:
        """Give what is wrong with the entries of a table because of where a field points.

        Args:
            table, field: who points; a single index or a list of them.
            target: the table that is pointed at.

        Returns:
            One bit a table in which an index is out of range, for each entry and the zero entry.
        """
        entries = self.tables[table].entries
        owners = self.tables[table].owners
        column = entries.field(field)
        if pa.types.is_list(column.type):
            index, of_entry = flatten(column)
        else:
            index, of_entry = column, np.arange(len(entries))
        faults = self.follow(numbers(index), owners[of_entry], target)
        return gather(faults, of_entry, len(entries) + 1)

    def follow(self, index: Ints, request: Ints, target: str) -> Faults:
        """Give what is wrong with indices into a table: out of range, or what stands there."""
        table = self.tables[target]
        if not len(index):
            return np.zeros(0, dtype=np.uint16)
        missing, below = table.missing(index, request), self.faults(target)
        if not missing.any() and not below.any():
            return np.zeros(len(index), dtype=np.uint16)
        own = np.where(missing, FAULT[target], np.uint16(0))
        return np.asarray(own | below[table.place(index, request)], dtype=np.uint16)

    def faults(self, table: str) -> Faults:
        """Give what is wrong with each entry of a table, and with the zero entry: nothing."""
        return self._faults[table]

    @cached_property
    def _faults(self) -> "_Faults":
        return _Faults(self)

    def nonzero_first(self) -> list[tuple[int, str]]:
        """Find tables whose entry 0 is not the zero value: number of the request and name."""
        found = []
        for name, table in self.tables.items():
            requests = np.flatnonzero(table.counts > 0)
            firsts = table.entries.take(pa.array(table.starts[requests])).to_pylist()
            for request, entry in zip(requests.tolist(), firsts, strict=True):
                if any(entry.values()) if isinstance(entry, dict) else entry:
                    found.append((request, name))
        return found


class _Faults(dict[str, Faults]):
    """What is wrong with the entries of each table, worked out when it is asked for."""

    def __init__(self, dictionary: Dictionary) -> None:
        super().__init__()
        self._dictionary = dictionary

    def __missing__(self, table: str) -> Faults:
        dictionary = self._dictionary
        faults = np.zeros(len(dictionary.tables[table]) + 1, dtype=np.uint16)
        for field, target in _POINTERS[table]:
            faults |= dictionary.pointed(table, field, target)
        if table == "attribute_table":
            faults |= self._nested()
        if table == "location_table":
            faults |= self._lines()
        self[table] = faults
        return faults

    def _nested(self) -> Faults:
        """Find attributes whose values point, somewhere within, at strings that are not there."""
        table = self._dictionary.tables["attribute_table"]
        faults = np.zeros(len(table) + 1, dtype=np.uint16)
        values = table.entries.field("value")
        # Only these can hold the number of a string: the bytes that such a field begins with.
        suspects = pc.or_(*(pc.match_substring(values, tag) for tag in _STRING_NUMBERS))
        places = np.flatnonzero(suspects.to_numpy(zero_copy_only=False))
        for place in places.tolist():
            strings = self._dictionary.strings_of(int(table.owners[place]))
            settle(AnyValue.FromString(values[place].as_py()), strings)
            if strings.missing:
                faults[place] = FAULT["string_table"]
        return faults

    def _lines(self) -> Faults:
        """Find locations whose lines point at functions that are not there, or are bad."""
        table = self._dictionary.tables["location_table"]
        lines, location_of_line = flatten(table.entries.field("lines"))
        index = numbers(lines.field("function_index"))
        owners = table.owners[location_of_line]
        faults = self._dictionary.follow(index, owners, "function_table")
        return gather(faults, location_of_line, len(table) + 1)


class _Slice(Sequence[str]):
    """The strings of one request, read one by one."""

    def __init__(self, strings: pa.StringArray, start: int, count: int) -> None:
        self._strings, self._start, self._count = strings, start, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: Any) -> Any:
        text: str = self._strings[self._start + number].as_py()
        return text


def gather(faults: Faults, owners: Ints, count: int) -> Faults:
    """Join the faults of parts into those of their owners."""
    joined = np.zeros(count, dtype=np.uint16)
    bad = np.flatnonzero(faults)
    np.bitwise_or.at(joined, owners[bad], faults[bad])
    return joined


_POINTERS = {
    "string_table": (),
    "link_table": (),
    "attribute_table": (("key_strindex", "string_table"), ("unit_strindex", "string_table")),
    "mapping_table": (
        ("filename_strindex", "string_table"),
        ("attribute_indices", "attribute_table"),
    ),
    "function_table": (
        ("name_strindex", "string_table"),
        ("system_name_strindex", "string_table"),
        ("filename_strindex", "string_table"),
    ),
    "location_table": (
        ("mapping_index", "mapping_table"),
        ("attribute_indices", "attribute_table"),
    ),
    "stack_table": (("location_indices", "location_table"),),
}
