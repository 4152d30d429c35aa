"""Text of perf script to rows: block by block, the profiles at the end."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from collectors.collector import Reading, Reject, Rows
from collectors.expand import Content
from collectors.frames_and_stacks import Bools, Ints
from collectors.perf_script_comments import Comments
from collectors.perf_script_events import Event, values_of
from collectors.perf_script_headers import Headers
from collectors.perf_script_labels import labels
from collectors.perf_script_lines import COMMENT, HEADER, Lines, split
from collectors.perf_script_samples import Parsed, parse_samples
from collectors.perf_script_stacks import FileStacks
from collectors.profile_file import ProfileFile, Samples
from collectors.text_blocks import BLOCK_BYTES, MOST_LINE_BYTES, text_blocks
from pipeline.errors import BadFile
from pipeline.schema import PROFILE_FRAMES, PROFILE_SAMPLES, PROFILE_STACKS, PROFILES

_TABLES = (PROFILES, PROFILE_SAMPLES, PROFILE_STACKS, PROFILE_FRAMES)

# More are not recorded at once; a damaged file could have one a line.
_EVENTS_MOST = 1000

# perf's clock begins with the machine; one that shows more than 31 years is the calendar's (-k).
_CALENDAR_NANO = 10**18

# A time this far from the first is damaged.
_FAR_NANO = 366 * 86_400 * 10**9

# Ids of stacks that are remembered, so that each is given once.
_GIVEN_MOST = 2_000_000


def read(
    content: Content, reading: Reading, block_bytes: int = BLOCK_BYTES
) -> Iterator[Rows | Reject]:
    """Read a file.

    Args:
        content: the file.
        reading: how to read it.
        block_bytes: how much of it at once.

    Yields:
        Rows and rejects, piece after piece.

    Raises:
        BadFile: it holds no sample, more events than can be, or cannot be expanded or read.
    """
    reader = _Reader(content, reading)
    rest, number, offset = b"", 1, 0
    for block in text_blocks(content, reader.warnings, block_bytes):
        lines = split(rest + block.data if rest else block.data, number)
        place = lines.before_last_sample()
        if len(lines.data) - place > MOST_LINE_BYTES:
            place = len(lines.data)
        whole = lines.up_to(place)
        yield from reader.take(whole, reading.piece(block.offset))
        rest, offset = lines.data[place:], block.offset
        number += len(whole.starts)
    if rest:
        yield from reader.take(split(rest, number), reading.piece(offset))
    yield from reader.end(reading.piece(offset))


class _Reader:
    """Reads one file; see ``read``."""

    def __init__(self, content: Content, reading: Reading) -> None:
        self.warnings: Counter[str] = Counter()
        self._content = content
        self._reading = reading
        self._stacks = FileStacks()
        self._comments = Comments()
        self._events: dict[str, Event] = {}
        self._file: ProfileFile | None = None
        self._first_nano: int | None = None
        self._lost: int | None = None
        self._given: set[int] = set()

    def take(self, lines: Lines, piece: int) -> Iterator[Rows | Reject]:
        """Read whole samples."""
        if self._file is None:
            self._read_comments(lines)
        if self._stacks.texts.is_full():
            self._stacks = FileStacks()
        parsed = parse_samples(lines, self._stacks.texts)
        if parsed.lost:
            self._lost = (self._lost or 0) + parsed.lost
        known = self._is_known(piece)
        if not known:
            for line, reason in parsed.bad:
                yield Reject(piece, f"line {line}", reason)
        if not len(parsed.counts):
            return
        if self._file is None:
            self._file = ProfileFile(self._reading, "perf-script", self._comments.resource)
        tables = self._tables(self._file, parsed)
        messages = len(parsed.counts)
        if known:
            self.warnings.clear()
            yield Rows(piece, messages, {}, "profiles", known=True)
        else:
            yield Rows(piece, messages, tables, "profiles", self._told())

    def end(self, piece: int) -> Iterator[Rows]:
        """Give the profiles.

        Raises:
            BadFile: there are none.
        """
        if self._file is None:
            raise BadFile(
                f"{self._content.path}: no sample of perf script in it; write it with "
                f"'perf script -i perf.data', with comm and tid if you choose fields by -F"
            )
        begin = self._begin()
        lost = self._lost
        facts = []
        for event in self._events.values():
            facts.append(event.facts(self._comments, begin, lost))
            # What is lost is lost of the file; told once, or it would add up.
            lost = None if self._lost is None else 0
        if self._is_known(piece):
            return
        tables = {table.name: table.arrow_schema.empty_table() for table in _TABLES}
        tables[PROFILES.name] = self._file.profiles(facts)
        yield Rows(piece, 0, tables, "profiles", self._told())

    def _read_comments(self, lines: Lines) -> None:
        """Read what stands before the first sample."""
        begins = np.flatnonzero(lines.kinds == HEADER)
        before = lines.kinds[: begins[0]] if len(begins) else lines.kinds
        for text in lines.take(np.flatnonzero(before == COMMENT)).to_pylist():
            self._comments.take(text)

    def _is_known(self, piece: int) -> bool:
        """Tell whether an earlier run landed a piece."""
        return all(self._reading.landed(table.name) >= piece for table in _TABLES)

    def _told(self) -> Counter[str]:
        """Give the warnings since the last time."""
        if self._file:
            self.warnings.update(self._file.warnings)
            self._file.warnings.clear()
        told = Counter(self.warnings)
        self.warnings.clear()
        return told

    def _begin(self) -> int:
        """Give when the recording began, as far as the file says; else 0."""
        if self._first_nano is not None and self._first_nano >= _CALENDAR_NANO:
            return self._first_nano
        return self._comments.begin_unix_nano()

    def _tables(self, file: ProfileFile, parsed: Parsed) -> dict[str, pa.Table]:
        """Give the rows of some samples, all events together."""
        headers = parsed.headers
        if self._first_nano is None and headers.time_nano.null_count < len(headers.time_nano):
            self._first_nano = headers.time_nano.drop_null()[0].as_py()
        empty = parsed.counts == 0
        numbers, counts = parsed.numbers, parsed.counts
        if empty.any():
            numbers = np.insert(numbers, np.cumsum(counts)[empty], self._stacks.texts.no_stack())
            counts = np.where(empty, 1, counts)
        stacks, stack_of_sample = self._stacks.distinct(numbers, counts)
        columns = self._columns(file, headers)
        encoded = headers.event.dictionary_encode()
        codes = encoded.indices.to_numpy()
        parts: dict[str, list[pa.Table]] = {table.name: [] for table in _TABLES}
        events = [self._event(text) for text in encoded.dictionary.to_pylist()]
        for code, event in enumerate(events):
            rows = np.flatnonzero(codes == code)
            event.warnings["sample_without_stack"] += int(empty[rows].sum())
            for kept, own in self._valued(event, headers, rows):
                own |= {name: column.take(pa.array(kept)) for name, column in columns.items()}
                used, number = np.unique(stack_of_sample[kept], return_inverse=True)
                made = file.samples(event.number, Samples(stacks.taken(used), number, own))
                for name, table in made.items():
                    parts[name].append(table)
        self.warnings["sample_without_stack"] += int(empty.sum())
        return {
            PROFILES.name: PROFILES.arrow_schema.empty_table(),
            PROFILE_SAMPLES.name: pa.concat_tables(parts[PROFILE_SAMPLES.name]),
            PROFILE_STACKS.name: self._new(pa.concat_tables(parts[PROFILE_STACKS.name])),
            PROFILE_FRAMES.name: pa.concat_tables(parts[PROFILE_FRAMES.name]),
        }

    def _event(self, text: str) -> Event:
        """Give the event of a name."""
        if not text and len(self._comments.events) == 1:
            text = self._comments.events[0]
        event = self._events.setdefault(text, Event(len(self._events), text))
        if len(self._events) > _EVENTS_MOST:
            raise BadFile(
                f"{self._content.path}: more than {_EVENTS_MOST} events, so it is damaged or no "
                f"text of perf script; write it again with 'perf script'"
            )
        return event

    def _valued(
        self, event: Event, headers: Headers, rows: Ints
    ) -> Iterator[tuple[Ints, dict[str, pa.Array]]]:
        """Give the samples of an event with their values: those with a period, then the others."""
        printed: Bools = headers.period.is_valid().to_numpy(zero_copy_only=False)[rows]
        for is_printed in (True, False):
            kept = rows[printed == is_printed]
            if not len(kept):
                continue
            taken = pa.array(kept)
            if is_printed:
                values, unit = headers.period.take(taken).to_numpy(), event.unit
            else:
                values, unit = values_of(event, len(kept), self._reading.origin.rate_hertz)
            times = headers.time_nano.take(taken).drop_null().to_numpy()
            near = times[np.abs(times - (self._first_nano or 0)) < _FAR_NANO]
            event.add(values, unit, is_printed, near)
            yield (
                kept,
                {
                    "profile_type": _all(event.profile_type, len(kept)),
                    "sample_type": _all(event.name, len(kept)),
                    "sample_unit": _all(unit, len(kept)),
                    "value": pa.array(values),
                    "samples": pa.array(np.ones(len(kept), dtype=np.int64)),
                },
            )

    def _columns(self, file: ProfileFile, headers: Headers) -> dict[str, pa.Array]:
        """Give the columns that do not depend on the event."""
        begin = file.time(self._begin())
        since = headers.time_nano.fill_null(self._first_nano or 0).to_numpy()
        since = since - (self._first_nano or 0)
        far = np.abs(since) >= _FAR_NANO
        self.warnings["sample_time_far_off"] += int(far.sum())
        columns = {
            "time_unix_nano": pa.array(begin + np.where(far, 0, since)),
            "thread_id": headers.tid,
            "pid": headers.pid,
            "comm": headers.comm,
        }
        found = labels(headers.payload, headers.cpu)
        return columns if found is None else columns | {"labels": found}

    def _new(self, stacks: pa.Table) -> pa.Table:
        """Give the rows of stacks that were not given before, each once."""
        fresh = []
        for row, identity in enumerate(stacks["stack_id"].to_pylist()):
            if identity not in self._given:
                self._given.add(identity)
                fresh.append(row)
        if len(self._given) > _GIVEN_MOST:
            self._given.clear()
        return stacks.take(pa.array(fresh, pa.int64()))


def _all(text: str, count: int) -> pa.StringArray:
    """Give one text so many times."""
    return pa.repeat(pa.scalar(text, pa.string()), count)
