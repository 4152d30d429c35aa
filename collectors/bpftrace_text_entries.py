"""Entries of maps in bpftrace's text, and which print of its map each belongs to."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.bpftrace_batch import Batch, MapPrint, stats_prints
from collectors.bpftrace_keys import has_stack
from collectors.bpftrace_object import Prints
from collectors.frames_and_stacks import Bools

ENTRY = r"^(?P<name>@\w*)(?P<key>\[.*\])?:(?: (?P<value>.*))?$"
OPENING = r"^@\w*\["

_STATS = re.compile(r"count (-?[0-9]+), average (-?[0-9]+), total (-?[0-9]+)")
_STATS_BEGIN = "count "
_WHOLE = r"^-?[0-9]{1,18}$"


# Entries of one print that wait for its end; more than bpftrace's maps hold.
_WAITING_MOST = 1_000_000


@dataclass(frozen=True)
class Header:
    """An entry whose value stands on the lines below it, if it is a histogram.

    Attributes:
        place: of its line among those that are read; -1 for one of a block before.
        line, metric, key, number: as of ``MapPrint``.
        is_hist: whether it has no value on its line.
    """

    place: int
    line: int
    metric: str
    key: str | None
    number: int
    is_hist: bool


class _Entry(NamedTuple):
    """An entry: place, map, key and value."""

    place: int
    metric: str
    key: str | None
    value: str


class Entries:
    """Reads entries, and follows the prints of maps over blocks.

    bpftrace says nowhere where a print begins. It does where another map was before, where a key
    comes again, and for a map without keys each time. Stacks that print alike come again in one
    print, but then their values do not fall, as a print is in the order of values.
    """

    def __init__(self) -> None:
        self._prints = Prints()
        self._metric = ""
        self._number = 0
        self._seen: set[str] = set()
        self._value = ""
        self._header: Header | None = None
        self._waiting: list[_Entry] = []
        self._line = 0

    def read(
        self,
        batch: Batch,
        lines: pa.StringArray,
        whole: Bools,
        several: Sequence[tuple[int, str]],
        first: int,
    ) -> list[Header]:
        """Add entries to a batch.

        Args:
            batch: gains the prints that have ended.
            lines: the lines.
            whole: which are entries by themselves.
            several: place and text of entries over several lines.
            first: the number of the first line.

        Returns:
            The entries under which something may stand, in order, and those that end such; that
            of the block before comes first.
        """
        entries = _single(lines, np.flatnonzero(whole)) + [_cut(*each) for each in several]
        entries.sort(key=lambda entry: entry.place)
        headers = [replace(self._header, place=-1)] if self._header else []
        begin = 0
        while begin < len(entries):
            end = self._run(batch, entries, begin)
            run = entries[begin:end]
            told = [entry for entry in run if entry.value and not entry.value.isspace()]
            if told and not self._waiting:
                self._line = first + told[0].place
            self._waiting += told
            # Of entries with their values only the first ends what is above it.
            for entry in told[:1] if len(told) == len(run) else run:
                is_hist = not entry.value.strip()
                place, metric, key, _ = entry
                headers.append(Header(place, first + place, metric, key, self._number, is_hist))
            begin = end
        if len(self._waiting) > _WAITING_MOST:
            self.finish(batch)
        batch.messages += len(entries)
        self._header = headers[-1] if headers else None
        return headers

    def _run(self, batch: Batch, entries: Sequence[_Entry], begin: int) -> int:
        """Give where the entries of one print end, and number it; the one before is added."""
        metric = entries[begin].metric
        if not self._goes_on(entries[begin]):
            self.finish(batch)
            self._metric, self._number = metric, self._prints.begin(metric)
            self._seen = set()
        self._add_seen(entries[begin])
        end = begin + 1
        while end < len(entries) and self._goes_on(entries[end]):
            self._add_seen(entries[end])
            end += 1
        return end

    def _add_seen(self, entry: _Entry) -> None:
        self._seen.add(entry.key or "")
        self._value = entry.value

    def _goes_on(self, entry: _Entry) -> bool:
        """Tell whether an entry is of the same print as the one before."""
        if entry.metric != self._metric or entry.key is None:
            return False
        if entry.key not in self._seen:
            return True
        return has_stack(entry.key) and _int(entry.value) >= _int(self._value)

    def finish(self, batch: Batch) -> None:
        """Add the entries of the print that has ended, stats apart from plain values."""
        metric, number = self._metric, self._number
        is_stats = [entry.value.startswith(_STATS_BEGIN) for entry in self._waiting]
        plain = self._waiting
        if any(is_stats):
            stats = [entry for entry in plain if _STATS.fullmatch(entry.value)]
            plain = [entry for entry in plain if not _STATS.fullmatch(entry.value)]
            figures = [re.findall(r"-?[0-9]+", entry.value) for entry in stats]
            if stats:
                batch.maps += stats_prints(self._line, number, metric, _keys(stats), figures)
        if plain:
            values = _values([entry.value for entry in plain])
            batch.maps.append(MapPrint(self._line, number, metric, _keys(plain), values))
        self._waiting = []


def _single(
    lines: pa.StringArray, places: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> list[_Entry]:
    """Read entries of one line."""
    if not len(places):
        return []
    parts = pc.extract_regex(lines.take(pa.array(places)), pattern=ENTRY)
    name, key, value = (parts.field(each).to_pylist() for each in range(3))
    keys = [text[1:-1] if text else None for text in key]
    return list(map(_Entry._make, zip(places.tolist(), name, keys, value, strict=True)))


def _cut(place: int, text: str) -> _Entry:
    """Read an entry of several lines, which begins and ends as one does."""
    begin, _, rest = text.partition("[")
    # The last line has the end of the key, and what is behind it no other.
    key, _, value = rest.rpartition("]:")
    return _Entry(place, begin, key, value.removeprefix(" "))


def _keys(entries: Sequence[_Entry]) -> list[str] | None:
    """Give their keys; None for a map without."""
    keys = [entry.key for entry in entries if entry.key is not None]
    return keys if len(keys) == len(entries) else None


def _values(values: list[str]) -> Sequence[object]:
    """Give values as whole numbers where all of them are."""
    texts = pa.array(values, pa.string())
    if pc.all(pc.match_substring_regex(texts, pattern=_WHOLE)).as_py():
        return list(texts.cast(pa.int64()).to_pylist())
    return values


def _int(text: str) -> int:
    """Give a value as a number, 0 for none."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else 0
