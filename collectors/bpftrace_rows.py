"""Rows of bpftrace's output, in either form, piece after piece."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from collectors.bpftrace_batch import Batch, Events, MapPrint
from collectors.bpftrace_clock import Clock, Timeline
from collectors.bpftrace_held import LOST, Held
from collectors.bpftrace_json import JsonParser
from collectors.bpftrace_object import as_text
from collectors.bpftrace_profiles import TABLES, StackMaps, TooLargeError
from collectors.bpftrace_text import TextParser
from collectors.collector import Reading, Reject, Rows
from collectors.expand import Content
from collectors.imported_rows import complete
from collectors.text_blocks import BLOCK_BYTES, text_blocks
from pipeline.errors import BadFile
from pipeline.schema import ATTRIBUTES, EBPF_COUNTS, EBPF_EVENTS, EBPF_HISTOGRAMS

_TOOL = "bpftrace"

# Rows that wait for the end of a piece; given earlier, they take some 300 bytes each.
_HELD_ROWS = 1_000_000

# So many bad ones are enough to say so before the end.
_BAD_EARLY = 10_000

_EBPF = (EBPF_COUNTS, EBPF_HISTOGRAMS, EBPF_EVENTS)


def read(
    form: str, content: Content, reading: Reading, block_bytes: int = BLOCK_BYTES
) -> Iterator[Rows | Reject]:
    """Read a file.

    Args:
        form: json or text.
        content: the file.
        reading: how.
        block_bytes: about how much of it is read at once.

    Yields:
        For each block what is rejected, its events and its new stacks; for each piece at its end
        the maps and histograms; at the end of the file samples and profiles.

    Raises:
        BadFile: nothing in it is bpftrace's, or more is bad than good.
    """
    try:
        yield from _Reader(form, content, reading).blocks(block_bytes)
    except TooLargeError:
        raise BadFile(
            f"{content.path}: bpftrace-{form}: the counts of a map of stacks add up to more than "
            f"2^63-1; import a part of it"
        ) from None


class _Reader:
    """What is known of a file while it is read."""

    def __init__(self, form: str, content: Content, reading: Reading) -> None:
        self._form = form
        self._content = content
        self._reading = reading
        self._parser = JsonParser() if form == "json" else TextParser()
        self._tool = reading.origin.tool or _TOOL
        separator = self._parser.separator
        self._held = Held(reading, separator, self._tool)
        self._stacks = StackMaps(reading, separator, f"bpftrace-{form}")
        origin = reading.origin
        self._clock = Clock(
            origin.time_unix_nano, origin.time_unix_nano or reading.modified_unix_nano
        )
        self._lost: int | None = None
        self._good = self._bad = 0
        self._warned: Counter[str] = Counter()

    def blocks(self, block_bytes: int) -> Iterator[Rows | Reject]:
        """Give the rows of all blocks, then what is known at the end."""
        piece = 1
        warnings: Counter[str] = Counter()
        for block in text_blocks(self._content, warnings, block_bytes):
            if self._reading.piece(block.offset) != piece:
                ended: Counter[str] = Counter()
                yield self._rows(piece, 0, self._held.take(ended), ended)
                piece = self._reading.piece(block.offset)
            yield from self._batch(piece, self._parser.take(block), warnings)
            warnings = Counter()
        yield from self._batch(piece, self._parser.finish(), warnings)
        if not self._good or self._bad > self._good:
            raise BadFile(
                f"{self._content.path}: bpftrace-{self._form}: {self._bad} of "
                f"{self._good + self._bad} objects or lines are bad; import what bpftrace wrote "
                f"with -o FILE{' -f json' if self._form == 'json' else ''}"
            )
        warnings = Counter()
        tables = self._held.take(warnings)
        if self._stacks.any:
            tables |= self._profiles()
        yield self._rows(piece, 0, tables, warnings)

    def _profiles(self) -> dict[str, pa.Table]:
        """Give the rows of samples and profiles."""
        told = [f"{reason}: {many}" for reason, many in sorted(self._warned.items()) if many]
        if self._bad:
            told.append(f"objects_rejected: {self._bad}")
        return self._stacks.finish(self._lost, told)

    def _batch(self, piece: int, batch: Batch, warnings: Counter[str]) -> Iterator[Rows | Reject]:
        """Give what a part of the file says."""
        self._bad += len(batch.rejects)
        for line, reason in sorted(batch.rejects):
            yield Reject(piece, f"line {line}", reason)
        if self._bad > max(_BAD_EARLY, self._good + batch.messages):
            raise BadFile(
                f"{self._content.path}: bpftrace-{self._form}: more is bad than good; import what "
                f"bpftrace wrote, or give its --format"
            )
        warnings.update(batch.warnings)
        timeline = self._clock.timeline(batch.clocks)
        self._hold_lost(batch, timeline, warnings)
        for each in batch.maps:
            if not self._stacks.add(each):
                when = int(timeline.at([each.line])[0])
                others = self._held.add_map(each, when, warnings)
                if others:
                    batch.events.append(_values(each, others))
        for hists in batch.hists:
            self._held.add_hists(hists, timeline.at(hists.lines))
        tables = self._stacks.take()
        tables[EBPF_EVENTS.name] = self._events(batch.events, timeline, warnings)
        if self._held.rows > _HELD_ROWS:
            tables |= self._held.take(warnings)
        self._good += batch.messages
        yield self._rows(piece, batch.messages, tables, warnings)

    def _hold_lost(self, batch: Batch, timeline: Timeline, warnings: Counter[str]) -> None:
        """Hold numbers of lost events."""
        for line, many in batch.lost:
            self._lost = (self._lost or 0) + many
            when = int(timeline.at([line])[0])
            self._held.add_map(MapPrint(line, 1, LOST, None, [many], unit="events"), when, warnings)

    def _events(self, events: list[Events], timeline: Timeline, warnings: Counter[str]) -> pa.Table:
        """Give events as rows, in the order of their lines."""
        if not events:
            return EBPF_EVENTS.arrow_schema.empty_table()
        lines = np.concatenate([np.asarray(each.lines, dtype=np.int64) for each in events])
        many = [len(each.lines) for each in events]
        fields = [_fields(each) for each in events]
        order = pa.array(np.argsort(lines, kind="stable"))
        columns = {
            "time_unix_nano": pa.array(timeline.at(lines)),
            "tool": pa.repeat(self._tool, len(lines)),
            "event": pa.array([each.event for each in events], pa.string()).take(
                pa.array(np.repeat(np.arange(len(events)), many))
            ),
            "fields": pa.concat_arrays(fields),
            "line": pa.concat_arrays([each.texts for each in events]),
        }
        ordered = {name: column.take(order) for name, column in columns.items()}
        resource = self._reading.origin.resource()
        return complete(EBPF_EVENTS, ordered, self._reading, resource, warnings)

    def _rows(
        self, piece: int, messages: int, tables: dict[str, pa.Table], warnings: Counter[str]
    ) -> Rows:
        """Give rows of a piece with every table, those without rows too."""
        whole = {
            table.name: tables.get(table.name, table.arrow_schema.empty_table())
            for table in (*_EBPF, *TABLES)
        }
        warned = Counter({key: many for key, many in warnings.items() if many})
        self._warned.update(warned)
        known = all(self._reading.landed(name) >= piece for name in whole)
        has_profiles = any(tables[table.name].num_rows for table in TABLES if table.name in tables)
        signal = "profiles" if has_profiles else "ebpf"
        return Rows(piece, messages, whole, signal, warned, known)


def _values(given: MapPrint, others: list[int]) -> Events:
    """Give values of a map that are no numbers, as names that programs keep, as events."""
    keys = given.keys
    texts = [as_text(given.values[place]) for place in others]
    names = [given.metric if keys is None else f"{given.metric}[{keys[p]}]" for p in others]
    shown = [f"{name}: {text}" for name, text in zip(names, texts, strict=True)]
    fields = [
        [("map", given.metric), *([] if keys is None else [("key", keys[p])]), ("value", text)]
        for p, text in zip(others, texts, strict=True)
    ]
    return Events("map", [given.line] * len(others), pa.array(shown, pa.string()), fields)


def _fields(events: Events) -> pa.Array:
    """Give the fields of events as maps."""
    if events.fields is not None:
        return pa.array(events.fields, ATTRIBUTES)
    none = pa.array([], pa.string())
    return pa.MapArray.from_arrays(pa.array([0] * (len(events.lines) + 1), pa.int32()), none, none)
