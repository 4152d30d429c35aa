"""Collector: what a file format is called, how it is recognised and how it is read.

Nothing heavy is imported here: the tuple of collectors is read for ``--help`` too.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from collectors.expand import Content
    from collectors.origin import Origin

# What a run commits at once, in expanded bytes. A resumed import counts its pieces by this, so
# another value would take an import that an earlier version began for something else.
PIECE_BYTES = 256 << 20

# As the receiver: a longer message is none that a sender makes.
MESSAGE_BYTES_MOST = 64 << 20


@dataclass(frozen=True)
class Head:
    """The beginning of a file, expanded.

    Attributes:
        content: its first bytes.
        whole: whether that is all there is.
    """

    content: bytes
    whole: bool


@dataclass(frozen=True)
class Reading:
    """How a file is to be read.

    Attributes:
        landed: gives the last piece of this file that is in a table, by the table's name; 0 for
            none. Such pieces need not be read again.
        origin: whose it is and when it was recorded, as far as somebody says.
        received_unix_nano: when we took it.
        modified_unix_nano: when the file was last written.
        signal: what it holds, as the caller says; empty to find out.
        file, sha256: its name and content hash, for tables that keep them.
        piece_bytes: the size of a piece, in expanded bytes.
        decode_bytes: messages decoded at once, in bytes.
        max_attributes: attributes kept on one item.
        redact: attribute keys whose values are replaced.
    """

    landed: Callable[[str], int]
    origin: "Origin"
    received_unix_nano: int
    modified_unix_nano: int
    signal: str = ""
    file: str = ""
    sha256: str = ""
    piece_bytes: int = PIECE_BYTES
    decode_bytes: int = 12 << 20
    max_attributes: int = 1024
    redact: tuple[str, ...] = ()

    def piece(self, offset: int) -> int:
        """Give the piece that a byte of the expanded content belongs to; the first is 1."""
        return offset // self.piece_bytes + 1


@dataclass(frozen=True)
class Rows:
    """Rows of one piece of a file.

    Attributes:
        piece: which; never less than that of the rows before.
        messages: how many messages this accounts for.
        tables: the rows by table name. A table without rows stands here too: that the piece
            holds none for it is progress.
        signal: what they are.
        warnings: values repaired or dropped, by reason.
        known: an earlier run landed these messages.
    """

    piece: int
    messages: int
    tables: "Mapping[str, pa.Table]"
    signal: str = ""
    warnings: Counter[str] = field(default_factory=Counter)
    known: bool = False


@dataclass(frozen=True)
class Reject:
    """Something in a file that is not kept.

    Attributes:
        piece: where it stands.
        place: the same for people: a line or a byte.
        reason: why.
        whole: a whole message; otherwise some of its items, and the rest of it is kept.
    """

    piece: int
    place: str
    reason: str
    whole: bool = True


@dataclass(frozen=True)
class Collector:
    """A file format.

    Attributes:
        format: its name for ``--format`` and reports.
        summary: what it is, in a few words.
        signals: what it may hold.
        suffixes: how its files are usually named, compression apart; for people, never for
            finding out what a file is.
        sniff: tells from a file's beginning whether it is one of these.
        read: gives a file's rows and what of it is rejected, piece after piece; raises BadFile or
            UnknownFormat where it is not one of these after all.
        bad_share_most: a file of which more than this is rejected is refused whole.
    """

    format: str
    summary: str
    signals: tuple[str, ...]
    suffixes: tuple[str, ...]
    sniff: Callable[[Head], bool]
    read: "Callable[[Content, Reading], Iterator[Rows | Reject]]"
    # More than half bad is another format, or damage that nobody wants half of.
    bad_share_most: float = 0.5
