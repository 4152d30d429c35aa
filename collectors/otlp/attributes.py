"""Attribute lists as map columns, and single attributes as columns of their own.

The keys are dictionary-encoded once and sorted by key; each promoted column is then one slice and
one ``take``, however many there are.
"""

from collections import Counter
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.otlp.anyvalue import several_kinds, text_of
from collectors.otlp.columns import Bools, Ints, flatten, lengths, offsets_of, take_rows
from pipeline.schema import ATTRIBUTES

# The bits of a word: so many keys are checked for repeats at once.
_KEYS_AT_ONCE = 64


class SeveralKindsError(Exception):
    """An attribute has more than one kind of value: a oneof was set twice on the wire."""


class Attributes:
    """The attributes of n owners (spans, resources, events, …).

    Attributes:
        warnings: how many values were repaired, by reason.
        dropped: attributes cut from each owner, n numbers.
    """

    def __init__(self, lists: pa.ListArray, limit: int | None = None) -> None:
        """Read n lists of KeyValue.

        Args:
            lists: list<struct<key, value, …>> as ptars gives it.
            limit: attributes kept of one owner; None keeps all.

        Raises:
            SeveralKindsError: ptars cannot tell which value holds; upb must read these first.
        """
        self.warnings: Counter[str] = Counter()
        entries, owners = flatten(lists)
        counts = lengths(lists)
        keys, values = entries.field("key"), entries.field("value")
        self._warn_of_indices(entries)
        if several_kinds(values):
            raise SeveralKindsError
        keep = self._within(counts, owners, limit)
        if keep is not None:
            keys, values, owners = keys.filter(keep), values.filter(keep), owners[keep]
            counts = np.bincount(owners, minlength=len(counts))
        self._count = len(counts)
        self._keys, self._values = keys, values
        self._owners, self._counts = owners, counts
        encoded = keys.dictionary_encode()
        self._names: list[str] = encoded.dictionary.to_pylist()
        self._codes = encoded.indices.to_numpy(zero_copy_only=False)

    def _warn_of_indices(self, entries: pa.StructArray) -> None:
        """Count what points into a string table: only profiles have one, elsewhere it is empty."""
        indices = entries.field("value").field("string_value_strindex")
        found = len(indices) - indices.null_count
        if found:
            self.warnings["string_indices_outside_profiles"] += found

    def _within(self, counts: Ints, owners: Ints, limit: int | None) -> Bools | None:
        """Tell which entries stand within the limit; None when all do."""
        self.dropped = np.zeros(len(counts), dtype=np.int64)
        if limit is None or not len(counts) or counts.max() <= limit:
            return None
        position = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
        self.dropped = np.maximum(counts - limit, 0)
        self.warnings["attributes_over_limit"] += int(self.dropped.sum())
        kept: Bools = position < limit
        return kept

    @cached_property
    def _text(self) -> pa.StringArray:
        return text_of(self._values)

    @cached_property
    def _places(self) -> dict[str, Ints]:
        """Give each key's entries, in order."""
        codes = self._codes
        if len(self._names) < 2**16:
            # Stable sorts of 16-bit numbers are radix sorts.
            codes = codes.astype(np.uint16)
        order = np.argsort(codes, kind="stable")
        counts = np.bincount(self._codes, minlength=len(self._names))
        ends = np.cumsum(counts)
        starts = ends - counts
        return {
            name: order[start:end]
            for name, start, end in zip(self._names, starts, ends, strict=True)
        }

    def to_map(self) -> pa.MapArray:
        """Give them as a map column, entries in the sender's order, the last of equal keys kept."""
        keys, text, counts = self._keys, self._text, self._counts
        repeated = self._repeated()
        if repeated.any():
            kept = ~repeated
            self.warnings["repeated_attribute_keys"] += int(repeated.sum())
            keys, text = keys.filter(pa.array(kept)), text.filter(pa.array(kept))
            counts = np.bincount(self._owners[kept], minlength=self._count)
        array = pa.MapArray.from_arrays(offsets_of(counts), keys, text)
        return array.cast(ATTRIBUTES)

    def _repeated(self) -> Bools:
        """Tell which entries are followed by another of the same owner and key."""
        repeated = np.zeros(len(self._codes), dtype=bool)
        suspects = self._owners_with_repeats()
        if not suspects.any():
            return repeated
        rows = np.flatnonzero(suspects[self._owners])
        pairs = self._owners[rows] * len(self._names) + self._codes[rows]
        # The first of the reversed entries is the last one given: all others are repeats.
        _, last = np.unique(pairs[::-1], return_index=True)
        repeated[rows] = True
        repeated[rows[::-1][last]] = False
        return repeated

    def _owners_with_repeats(self) -> Bools:
        """Tell which owners have a key twice: one bit a key, and fewer bits than entries then."""
        suspects = np.zeros(self._count, dtype=bool)
        has_any = self._counts > 0
        starts = (np.cumsum(self._counts) - self._counts)[has_any]
        if not len(starts):
            return suspects
        if len(self._names) > 8 * _KEYS_AT_ONCE:
            # Many distinct keys: passes over all entries would cost more than sorting does.
            return has_any
        distinct = np.zeros(len(starts), dtype=np.int64)
        for first in range(0, len(self._names), _KEYS_AT_ONCE):
            bits = np.zeros(len(self._names), dtype=np.uint64)
            here = bits[first : first + _KEYS_AT_ONCE]
            here[:] = np.uint64(1) << np.arange(len(here), dtype=np.uint64)
            distinct += np.bitwise_count(np.bitwise_or.reduceat(bits[self._codes], starts))
        suspects[has_any] = distinct < self._counts[has_any]
        return suspects

    def rows_of(self, key: str) -> Ints | None:
        """Give for each owner the place of a key's last entry, -1 for none; None if none has it."""
        places = self._places.get(key)
        if places is None:
            return None
        rows = np.full(self._count, -1, dtype=np.int64)
        rows[self._owners[places]] = places
        return rows

    def text(self, *keys: str) -> pa.StringArray:
        """Give an attribute as text for each owner; of several keys the first with a value wins."""
        found = [take_rows(self._text, rows) for rows in self._places_of(keys)]
        return _first(found, self._count, pa.string())

    def integer(self, bits: int, *keys: str) -> pa.Array:
        """Give an attribute as an integer of 32 or 64 bits; NULL where it is none or too large."""
        found = [self._integer(bits, rows) for rows in self._places_of(keys)]
        return _first(found, self._count, pa.int32() if bits == 32 else pa.int64())

    def _integer(self, bits: int, rows: Ints) -> pa.Array:
        values = take_rows(self._values.field("int_value"), rows)
        if values.null_count > np.count_nonzero(rows < 0):
            doubles = _whole(take_rows(self._values.field("double_value"), rows))
            values = pc.coalesce(values, doubles, _parsed(take_rows(self._text, rows)))
        if bits == 64:
            return values
        inside = pc.and_(pc.less(values, 2**31), pc.greater_equal(values, -(2**31)))
        return pc.if_else(inside, values, pa.scalar(None, pa.int64())).cast(pa.int32())

    def boolean(self, *keys: str) -> pa.Array:
        """Give an attribute as a boolean: true and false as such or as text, else NULL."""
        text = self.text(*keys)
        if text.null_count == len(text):
            return pa.nulls(len(text), pa.bool_())
        text = pc.utf8_lower(text)
        known = pc.is_in(text, pa.array(["true", "false"]))
        return pc.if_else(known, pc.equal(text, "true"), pa.scalar(None, pa.bool_()))

    def _places_of(self, keys: tuple[str, ...]) -> list[Ints]:
        """Give the places of those keys that any owner has, in their order."""
        return [rows for key in keys if (rows := self.rows_of(key)) is not None]


def _first(columns: list[pa.Array], count: int, wanted: pa.DataType) -> pa.Array:
    """Give for each row the first value there is."""
    if not columns:
        return pa.nulls(count, wanted)
    return columns[0] if len(columns) == 1 else pc.coalesce(*columns)


def _whole(doubles: pa.Array) -> pa.Array:
    """Give doubles that are whole numbers of 64 bits as such; NULL for all else."""
    values = doubles.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
    whole = (values >= -(2.0**63)) & (values < 2.0**63) & (np.trunc(values) == values)
    return pa.array(np.where(whole, values, 0).astype(np.int64), mask=~whole)


def _parsed(text: pa.StringArray) -> pa.Array:
    """Read texts that are plain decimal integers of 64 bits; NULL for all else."""
    fits = pc.match_substring_regex(text, r"^-?[0-9]{1,18}$")
    # Of 19 digits only some fit; equally long numbers compare as texts do.
    for pattern, greatest in ((r"^[0-9]{19}$", 2**63 - 1), (r"^-[0-9]{19}$", -(2**63))):
        long = pc.match_substring_regex(text, pattern)
        fits = pc.or_(fits, pc.and_(long, pc.less_equal(text, str(greatest))))
    return pc.if_else(fits, text, pa.scalar(None, pa.string())).cast(pa.int64())
