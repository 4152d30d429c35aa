"""Landing: sealed journal segments become rows of the lake, each exactly once.

The order of durable effects is the whole point, and each step may be the last before a crash:

1. Parquet files written and synced, their folders too. A crash leaves orphans; vacuum takes them.
2. One commit a table: the files, and the number of the last segment they hold, atomically.
3. The ids of the requests kept for the retry window, synced.
4. The segments deleted. A crash before that finds the number in the table, and only deletes.
"""

import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from collectors.otlp.ahead import ahead
from collectors.otlp.attempts import Attempts
from collectors.otlp.frames import Damage, Frame, unpack
from collectors.otlp.journal_folder import JournalFolder, forget, remember, remembered
from collectors.otlp.quarantine import set_damage_aside, set_request_aside
from collectors.otlp.retry_window import RetryWindow
from collectors.otlp.signals import SIGNAL_OF_NUMBER, SIGNALS, Rows, Signal
from collectors.otlp.split import TooWideError, halves
from pipeline.errors import TailgateError
from pipeline.lake import Application, Lake, application_sequence, commit
from pipeline.lake.lake import disk_errors, sync_folder
from pipeline.lake.parquet import LANDING, TableWriter
from pipeline.schema import Table
from pipeline.settings import Landing as LandingSettings


@dataclass
class Landed:
    """What one round of landing did.

    Attributes:
        segments: numbers of the segments taken away.
        rows: rows committed, by table.
        newest_unix_nano: when the newest of its requests was received.
        warnings: values repaired or dropped, by reason.
    """

    segments: list[int] = field(default_factory=list)
    rows: Counter[str] = field(default_factory=Counter)
    newest_unix_nano: int = 0
    warnings: Counter[str] = field(default_factory=Counter)


class Lander:
    """Lands one journal into one lake."""

    def __init__(
        self,
        lake: Lake,
        journal: JournalFolder,
        settings: LandingSettings,
        window: RetryWindow,
    ) -> None:
        """Take over a journal whose landing lock this process holds."""
        self._lake = lake
        self._journal = journal
        self._settings = settings
        self._attempts = Attempts(journal)
        # Whether to go request by request, because one of them ends the process.
        self._careful = False
        # Requests that landed before: a journal that holds one again (its first copy's end was
        # not known when it was sent once more) must not double it.
        self._known = window
        for time_unix_nano, batch_id in remembered(journal, states=()):
            self._known.add(batch_id, time_unix_nano)

    def land(self) -> Landed | None:
        """Land the oldest sealed segments, as many as fit one commit.

        Returns:
            What was done; None when no segment is sealed.

        Raises:
            LakeUnavailable: no space left, read-only or forbidden; the segments stay.
            CommitConflict: other writers kept committing first; the segments stay.
        """
        numbers = self._next_segments()
        if not numbers:
            return None
        self._careful = self._attempts.begin(numbers[0])
        try:
            landed = self._land(numbers[:1] if self._careful else numbers)
        except (TailgateError, OSError):
            # The disk's fault or another writer's: not the data's.
            self._attempts.end()
            raise
        self._attempts.end()
        return landed

    def _land(self, numbers: list[int]) -> Landed:
        """Land these segments and take them away."""
        landed = Landed(segments=numbers)
        frames, damages = self._read(numbers)
        landed.newest_unix_nano = max((frame.time_unix_nano for _, frame in frames), default=0)
        for number, damage in damages:
            set_damage_aside(self._journal, number, damage)
            landed.warnings["damaged_bytes"] += len(damage.content)
        fresh = [(n, frame) for n, frame in frames if frame.batch_id not in self._known]
        for signal in SIGNALS:
            self._land_signal(signal, fresh, numbers[-1], landed)
        for _, frame in fresh:
            if frame.signal not in SIGNAL_OF_NUMBER:
                reason = f"signal {frame.signal} is not known to this version"
                set_request_aside(self._journal, frame, reason)
                landed.warnings["quarantined_requests"] += 1
        with disk_errors(self._journal.path):
            remember(self._journal, numbers, [frame for _, frame in frames])
            for _, frame in frames:
                self._known.add(frame.batch_id, frame.time_unix_nano)
            for number in numbers:
                self._journal.segment(number, "sealed").unlink()
            sync_folder(self._journal.path)
        return landed

    def forget(self) -> None:
        """Drop what the retry window no longer asks for."""
        forget(self._journal, time.time_ns() - self._known.nanos)

    def _next_segments(self) -> list[int]:
        """Choose the oldest sealed segments, at least one, up to a commit's size."""
        chosen: list[int] = []
        total = 0
        for number in self._journal.numbers("sealed"):
            total += self._journal.segment(number, "sealed").stat().st_size
            if chosen and total > self._settings.batch_bytes:
                break
            chosen.append(number)
        return chosen

    def _read(
        self, numbers: Sequence[int]
    ) -> tuple[list[tuple[int, Frame]], list[tuple[int, Damage]]]:
        """Read segments; a repeat of a request within them counts once, where it stands first."""
        frames: dict[bytes, tuple[int, Frame]] = {}
        damages = []
        for number in numbers:
            for item in unpack(self._journal.segment(number, "sealed").read_bytes()):
                if isinstance(item, Damage):
                    damages.append((number, item))
                else:
                    frames.setdefault(item.batch_id, (number, item))
        return list(frames.values()), damages

    def _land_signal(
        self, signal: Signal, read: list[tuple[int, Frame]], sequence: int, landed: Landed
    ) -> None:
        """Write and commit the rows of one signal.

        After a crash between commit and deletion, the segments read may be some that are in a
        table and some that are not: the table's own number tells them apart.
        """
        own = [(number, frame) for number, frame in read if frame.signal == signal.number]
        if not own:
            return
        done = {
            table.name: application_sequence(self._lake, table, self._journal.id)
            for table in signal.tables
        }
        # All tables are at one number, unless a crash came between their commits.
        for reached in sorted(set(done.values())):
            frames = [frame for number, frame in own if number > reached]
            tables = [table for table in signal.tables if done[table.name] == reached]
            if frames:
                self._land_tables(signal, tables, frames, sequence, landed)

    def _land_tables(
        self,
        signal: Signal,
        tables: Sequence[Table],
        frames: Sequence[Frame],
        sequence: int,
        landed: Landed,
    ) -> None:
        """Decode requests once, write each table's rows and commit them."""
        warnings: Counter[str] = Counter()
        parts = self._decoded(signal, frames, warnings)
        rows: Counter[str] = Counter()
        with contextlib.ExitStack() as stack:
            writers = {
                table.name: stack.enter_context(
                    TableWriter(self._lake.folder(table), table, LANDING)
                )
                for table in tables
            }
            # Request by request, each is decoded and written before the next begins.
            for part in parts if self._careful else ahead(parts):
                for name, writer in writers.items():
                    writer.write(part[name])
                    rows[name] += part[name].num_rows
        told = {reason: count for reason, count in sorted(warnings.items()) if count}
        metadata = {"tailgate.requests": len(frames), "tailgate.warnings": json.dumps(told)}
        for table in tables:
            self._commit(table, writers[table.name], sequence, metadata)
        landed.rows.update(rows)
        landed.warnings.update(told)

    def _commit(
        self, table: Table, writer: TableWriter, sequence: int, metadata: dict[str, object]
    ) -> None:
        """Commit what was written to a table, as the last of these segments."""
        application = Application(self._journal.id, sequence)
        try:
            commit(self._lake, table, writer.actions, application, metadata)
        except TailgateError:
            self._abandon(table, writer, sequence)
            raise

    def _abandon(self, table: Table, writer: TableWriter, sequence: int) -> None:
        """Take away files that were not committed: on a full disk they would stand in the way."""
        with contextlib.suppress(TailgateError, OSError):
            # A commit that failed late, in its sync, is in the log all the same.
            if application_sequence(self._lake, table, self._journal.id) < sequence:
                writer.abandon()

    def _decoded(
        self, signal: Signal, frames: Sequence[Frame], warnings: Counter[str]
    ) -> Iterator[Rows]:
        """Decode requests, a bounded number of bytes at once; what cannot be is set aside."""
        for chunk in _chunks(frames, 0 if self._careful else self._settings.decode_bytes):
            if self._careful and self._attempts.begin_request(chunk[0]):
                self._set_aside(chunk[0], "landing died each time that it was at it", warnings)
                continue
            rows = self._decode(signal, chunk, warnings)
            if rows is not None:
                yield rows
                continue
            # One of them is at fault: find it, and land its neighbours.
            for frame in chunk:
                yield from self._decode_alone(signal, frame, warnings)

    def _decode(
        self, signal: Signal, frames: Sequence[Frame], warnings: Counter[str]
    ) -> Rows | None:
        """Decode requests at once; None if they cannot be."""
        try:
            rows, warned = signal.decode(
                [frame.payload for frame in frames],
                [frame.batch_id for frame in frames],
                [frame.time_unix_nano for frame in frames],
                self._settings.max_attributes,
                self._settings.max_characters,
            )
        except Exception:  # whatever one request does to us, it must not stop the rest
            return None
        warnings.update(warned)
        return rows

    def _decode_alone(self, signal: Signal, frame: Frame, warnings: Counter[str]) -> Iterator[Rows]:
        """Decode one request, in pieces if it must be; one that cannot be is set aside."""
        pieces = [frame.payload]
        while pieces:
            piece = pieces.pop()
            try:
                rows, warned = signal.decode(
                    [piece],
                    [frame.batch_id],
                    [frame.time_unix_nano],
                    self._settings.max_attributes,
                    self._settings.max_characters,
                )
            except Exception as error:  # as above
                smaller = halves(signal.request, piece) if isinstance(error, TooWideError) else []
                if not smaller:
                    self._set_aside(frame, f"{type(error).__name__}: {error}", warnings)
                    return
                pieces += reversed(smaller)
                continue
            warnings.update(warned)
            yield rows

    def _set_aside(self, frame: Frame, reason: str, warnings: Counter[str]) -> None:
        set_request_aside(self._journal, frame, reason)
        warnings["quarantined_requests"] += 1


def _chunks(frames: Sequence[Frame], most_bytes: int) -> Iterator[list[Frame]]:
    """Split requests into runs of about so many bytes, at least one request each."""
    chunk: list[Frame] = []
    size = 0
    for frame in frames:
        if chunk and size + len(frame.payload) > most_bytes:
            yield chunk
            chunk, size = [], 0
        chunk.append(frame)
        size += len(frame.payload)
    if chunk:
        yield chunk
