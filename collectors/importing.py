"""Importing files: found, sniffed, read, landed once, and what became of each told."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from collectors import COLLECTORS
from collectors.collector import PIECE_BYTES, Collector, Head, Reading, Reject, Rows
from collectors.expand import Content, head
from collectors.finding import Found
from collectors.import_pieces import Pieces
from collectors.origin import Origin
from collectors.sidecar import origin_of
from pipeline.errors import BadFile, UnknownFormat
from pipeline.lake import Lake

_HEAD_BYTES = 256 << 10

# Of the rejects of a file so many are told one by one; the rest are counted.
REJECTS_TOLD = 10_000


@dataclass(frozen=True)
class Wishes:
    """What the caller asks for.

    Attributes:
        format: the format of every file; empty to find out.
        signal: what every file holds; empty to find out.
        strict: stop at the first reject.
        origin: what the caller says of every file; over it what a sidecar file says of one.
        decode_bytes, max_attributes, redact, piece_bytes: see ``Reading``.
    """

    format: str = ""
    signal: str = ""
    strict: bool = False
    origin: Origin = field(default_factory=Origin)
    decode_bytes: int = 12 << 20
    max_attributes: int = 1024
    redact: tuple[str, ...] = ()
    piece_bytes: int = PIECE_BYTES


@dataclass
class Outcome:
    """What became of a file.

    Attributes:
        file: the file.
        status: imported; known, where all of it was in the lake already; empty; or refused.
        reason: why it was refused.
        format, compression, sha256: of the file, as far as it got.
        signals: what it holds.
        messages: messages kept.
        known: messages that were in the lake already.
        rows: rows that landed, by table.
        rejected: messages that were not kept, wholly or in part.
        rejects: each of them, up to a bound.
        warnings: values repaired or dropped, by reason.
    """

    file: Path
    status: str = "imported"
    reason: str = ""
    format: str = ""
    compression: str = ""
    sha256: str = ""
    signals: list[str] = field(default_factory=list)
    messages: int = 0
    known: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    rejects: list[Reject] = field(default_factory=list)
    warnings: Counter[str] = field(default_factory=Counter)

    @property
    def faulty(self) -> bool:
        """Tell whether anything of it was not kept."""
        return self.status == "refused" or self.rejected > 0


def import_files(
    lake: Lake,
    files: Sequence[Found],
    wishes: Wishes,
    on_bytes: Callable[[Path, int], None] = lambda path, taken: None,
) -> Iterator[Outcome]:
    """Import files one after another.

    Args:
        lake: where to.
        files: what ``find`` found.
        wishes: how.
        on_bytes: told now and then how much of a file has been read.

    Yields:
        What became of each, as it is done; with ``strict`` none after the first faulty one.

    Raises:
        LakeUnavailable, CommitConflict: what landed stays; importing again goes on from there.
    """
    for found in files:
        outcome = Outcome(found.path)
        try:
            if found.refused:
                raise BadFile(found.refused)
            _import(lake, outcome, wishes, on_bytes)
        except BadFile as error:
            outcome.status = "refused"
            outcome.reason = str(error).removeprefix(f"{found.path}: ")
        yield outcome
        if wishes.strict and outcome.faulty:
            return


def _import(
    lake: Lake, outcome: Outcome, wishes: Wishes, on_bytes: Callable[[Path, int], None]
) -> None:
    """Import one file."""
    path = outcome.file
    with Content(path) as content:
        outcome.compression = content.compression
        begin = head(path, _HEAD_BYTES)
        if not begin.content:
            outcome.status = "empty"
            return
        collector = _choose(path, begin, wishes)
        outcome.format = collector.format
        packed = content.compression != "none"
        content.verify(lambda: on_bytes(path, content.taken_bytes // 2))
        outcome.sha256 = content.sha256()
        tally = _Tally(outcome, content, wishes.strict, collector.bad_share_most)
        with Pieces(lake, outcome.sha256, path.name, tally.may_commit) as pieces:
            outcome.rows = pieces.rows
            reading = Reading(
                pieces.landed,
                origin_of(path, wishes.origin),
                time.time_ns(),
                content.modified_unix_nano,
                wishes.signal,
                path.name,
                outcome.sha256,
                wishes.piece_bytes,
                wishes.decode_bytes,
                wishes.max_attributes,
                wishes.redact,
            )
            for item in collector.read(content, reading):
                pieces.begin(item.piece)
                tally.add(item)
                if isinstance(item, Rows) and item.tables:
                    pieces.write(item)
                # What is compressed is read twice, so that either is half of the way.
                behind = (content.size_bytes + content.taken_bytes) // 2
                on_bytes(path, behind if packed else content.taken_bytes)
            pieces.commit()
    if outcome.known and not (outcome.messages or outcome.rejected):
        outcome.status = "known"


def _choose(path: Path, begin: Head, wishes: Wishes) -> Collector:
    """Choose the collector of a file, by what the caller says or by the file's beginning.

    Raises:
        UnknownFormat: none reads it.
    """
    known = ", ".join(collector.format for collector in COLLECTORS)
    if wishes.format:
        for collector in COLLECTORS:
            if collector.format == wishes.format:
                return collector
        raise UnknownFormat(f"{path}: {wishes.format} is no format; known: {known}")
    for collector in COLLECTORS:
        if collector.sniff(begin):
            return collector
    raise UnknownFormat(f"{path}: no collector reads this; known formats: {known}")


class _Tally:
    """Counts what a file gives, and says when it is too bad to go on with.

    The share of what is bad is that of all so far: where the beginning was good, the rest is
    damaged in places, and not another format.
    """

    def __init__(
        self, outcome: Outcome, content: Content, strict: bool, bad_share_most: float
    ) -> None:
        self._outcome = outcome
        self._content = content
        self._strict = strict
        self._bad_share_most = bad_share_most
        self._good = 0
        self._bad = 0

    def add(self, item: Rows | Reject) -> None:
        """Count an item.

        Raises:
            BadFile: a reject, and the caller is strict.
        """
        outcome = self._outcome
        if isinstance(item, Reject):
            self._bad += item.whole
            outcome.rejected += 1
            if len(outcome.rejects) < REJECTS_TOLD:
                outcome.rejects.append(item)
            if self._strict:
                raise BadFile(f"{item.place}: {item.reason} (--strict stops here)")
            return
        if item.signal not in outcome.signals:
            outcome.signals.append(item.signal)
        self._good += item.messages
        if item.known:
            outcome.known += item.messages
            return
        outcome.messages += item.messages
        outcome.warnings.update(item.warnings)

    def may_commit(self) -> None:
        """Say whether what came can be kept.

        Raises:
            BadFile: too much of the file is bad, or somebody writes to the file.
        """
        if self._bad > self._bad_share_most * (self._good + self._bad):
            raise BadFile(
                f"{self._bad} of {self._good + self._bad} messages are bad, "
                f"so it is not {self._outcome.format} or badly damaged; {self._kept()}"
            )
        if self._content.changed:
            raise BadFile(
                f"written to while it was read; import it when it is done; {self._kept()}"
            )

    def _kept(self) -> str:
        """Say what of the file is in the lake."""
        rows = sum(self._outcome.rows.values())
        return f"the {rows:,} rows before that stay" if rows else "nothing of it landed"
