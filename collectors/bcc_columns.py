"""The heading of a bcc table: its columns, what each holds, and how its rows are taken apart.

A table counts where a column is named after a count, a rate, a share or a sum (COUNT, READS,
OPEN/s, HIT%, TOTAL_usecs, RX_KB) and none after what only one event has (LAT(ms), MS, FD, RET,
ARGS, …). Any other table is of events, one a line.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from collectors.bcc_tools import words

# Headings that are two words; any other blank divides columns.
_TWO_WORDS = {"PPC_HCALL": "PPC HCALL", "PREV_COMM": "PREV COMM", "PREV_TID": "PREV TID"}
# Each unit as rows have it, with what one of it is in ns; 0 for what is no time.
_UNITS = {
    "ns": ("ns", 1),
    "us": ("us", 1_000),
    "ms": ("ms", 1_000_000),
    "s": ("s", 1_000_000_000),
    "nsecs": ("ns", 1),
    "usecs": ("us", 1_000),
    "msecs": ("ms", 1_000_000),
    "kb": ("KB", 0),
    "mb": ("MB", 0),
}
_IN_BRACKETS = re.compile(r"(?P<base>[^()]+?) ?\((?P<unit>ns|us|ms|s|KB|MB)\)$")
_BEHIND = (
    re.compile(r"(?P<base>[A-Z0-9/]+)_(?P<unit>[num]s(?:ecs)?|[NUM]S|[KM][bB])$"),
    re.compile(r"(?P<base>[A-Z]+)(?P<unit>[num]s)$"),
    re.compile(r"(?P<base>)(?P<unit>[UM]S)$"),
)
_ONLY_UNIT = re.compile(r"\((?:ns|us|ms|s|KB|MB)\)$")
_TOKEN = re.compile(r"[%A-Z(][A-Za-z0-9_/%().:#>+-]*$")

_COMMS = ("COMM", "PCOMM", "TASK", "CMD", "COMMAND", "CMDLINE", "C-COMM")
_PIDS = ("PID", "TGID", "C-PID")
_TIDS = ("TID",)
_DURATIONS = words("LAT DELTA AGE DURATION MS US DUR LATENCY")
_ONE_EVENT = _DURATIONS | words("QUE FD RET ERR ARGS QUERY RVAL RESULT EXIT_CODE SIG")
_COUNTS = words(
    """COUNT COUNTS COUNTER TOTAL READS WRITES HITS MISSES DIRTIES ALLOCS BINDS REFERENCE MISS HIT
    I/O KBYTES R_KB W_KB RX_KB TX_KB BUFFERS_MB CACHED_MB HITRATIO ACCESSES HITRATE"""
)
# Only where others say that the table counts: events have them too.
_SUMS = words("BYTES AVG TIME PAGES")
_NUMBERS = words(
    """PID TID PPID TGID FD ERR LPORT RPORT DPORT SPORT PORT CPU MAJ MIN BYTES OFF_KB PAGES CAP
    AUDIT LEN IP BACKLOG ORDER NODE MNT_NS NETNS TX_KB RX_KB COUNT C-PID BINDS"""
)
_OTHERS = words(
    """CALL SYS MODE FLAGS STATE NEWSTATE OLDSTATE SOCKET METHOD DESCRIPTION HOST ACTION STATUS UID
    NAME FILE FILENAME PATH FUNC T D DISK DEVICE DEV ADDR LADDR RADDR SADDR DADDR LADDR6
    RADDR6 PROT PROTO OPTS IF TYPE CACHE SYSCALL EVENT ZONE STAT KVM_EXIT_REASON TIDS NETNS SECTOR
    SOFTIRQ HARDIRQ IRQ START TPID ID FREE COMPRESSED HCALL SKADDR TIME SSHTHRESH CLASS LOCK CALLER
    TARGET MNT FS ARGS QUERY RET RVAL MEM STACK MAP SIZE RADDR:RPORT LADDR:LPORT T> NS OBJECT
    PPC_HCALL PREV_COMM PREV_TID
    SADDR:SPORT DADDR:DPORT (FLAGS) GID PGID SIGNAL QUEUE"""
)
_KNOWN = _COUNTS | _SUMS | _NUMBERS | _OTHERS | _ONE_EVENT | frozenset(_COMMS)
_CORE = words(
    """PID TID PCOMM COMM COUNT COUNTS SYSCALL TIDS READS WRITES HITS BINDS SOFTIRQ HARDIRQ TOTAL
    DESCRIPTION ALLOCS DISK START FUNC CMDLINE C-PID"""
)
# Of ps, top, lsof, df, docker and others, whose headings are like ours.
_FOREIGN = words(
    """TTY VSZ RSS %CPU %MEM STIME SIZE/OFF CONTAINER IMAGE CREATED NAMESPACE READY RESTARTS NLWP
    PRI NI WCHAN SHR VIRT RES MOUNTED USE% JID SESSION JOBID PARTITION USER MESSAGE LEVEL
    SEVERITY"""
)

_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
_SHAPES = {
    "clock": rf"(?:\d\d:\d\d:\d\d(?:\.\d+)?:?|{_NUMBER})",
    "time": _NUMBER,
    "number": rf"{_NUMBER}%?",
    "comm": r"\S+",
    "text": r"\S+",
}


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: its heading, as printed.
        base: the same in capitals, without its unit.
        unit: of its values; empty for none.
        factor: of one unit in ns; 0 where it is no time.
        kind: clock, time, number, comm or text.
        figure: whether it is counted.
    """

    name: str
    base: str
    unit: str
    factor: int
    kind: str
    figure: bool = False


@dataclass(frozen=True)
class Heading:
    """The heading of a table.

    Attributes:
        columns: from left to right.
        patterns: expressions that take a row apart, groups c0, c1, …; the strictest first.
        counts: whether the table counts.
        comma: whether commas divide the columns, and not blanks.
    """

    columns: tuple[Column, ...]
    patterns: tuple[str, ...]
    counts: bool
    comma: bool = False

    def keys(self) -> tuple[int, ...]:
        """Give the places of the columns that say what was counted."""
        return tuple(
            place
            for place, column in enumerate(self.columns)
            if not column.figure and column.kind not in ("clock", "time")
        )

    def first(self, names: tuple[str, ...]) -> int | None:
        """Give the place of the first column of these; None for none."""
        found = (place for place, column in enumerate(self.columns) if column.base in names)
        return next(found, None)

    @property
    def comm(self) -> int | None:
        """Give the place of the command's name."""
        return self.first(_COMMS)

    @property
    def pid(self) -> int | None:
        """Give the place of the process."""
        return self.first(_PIDS)

    @property
    def tid(self) -> int | None:
        """Give the place of the thread."""
        return self.first(_TIDS)

    @property
    def duration(self) -> int | None:
        """Give the place of how long an event took."""
        began = self.first(("START",)) is not None
        for place, column in enumerate(self.columns):
            if column.factor and (column.base in _DURATIONS or (began and column.base == "TIME")):
                return place
        return None


@lru_cache(maxsize=1024)
def heading(line: str) -> Heading | None:
    """Take a line as the heading of a table; None where it is none.

    >>> [column.name for column in heading("PID    COMM   TIME (us)").columns]
    ['PID', 'COMM', 'TIME (us)']
    >>> heading("SYSCALL  COUNT").counts, heading("PID  COMM  FD  ERR  PATH").counts
    (True, False)
    >>> heading("  PID TTY          TIME CMD") is None
    True
    """
    if len(line) > 1000:
        return None
    comma = line.count(",") >= 2 and " " not in line.strip()
    names = line.strip().split(",") if comma else _names(line)
    if len(names) < 2 or len(names) > 40:
        return None
    columns = tuple(_column(name, place) for place, name in enumerate(names))
    known = sum(column.base in _KNOWN or _is_count(column) for column in columns)
    core = any(column.base in _CORE or column.unit == "1/s" for column in columns)
    foreign = any(column.name in _FOREIGN for column in columns)
    if foreign or not core or known * 3 < len(columns) * 2 or len(set(names)) < len(names):
        return None
    counts = any(map(_is_count, columns)) and not any(c.base in _ONE_EVENT for c in columns)
    columns = _settled(columns, counts)
    return Heading(columns, _patterns(columns, comma), counts, comma)


def _names(line: str) -> list[str]:
    """Give the headings of a line's columns; none where it is no heading."""
    text = line.strip()
    for joined, pair in _TWO_WORDS.items():
        text = text.replace(pair, joined)
    names: list[str] = []
    for token in text.split():
        if names and _ONLY_UNIT.match(token):
            names[-1] += f" {token}"
        elif token in ("->", ">") or (_TOKEN.match(token) and _is_loud(token)):
            names.append(_TWO_WORDS.get(token, token))
        else:
            return []
    return names


def _is_loud(token: str) -> bool:
    """Tell whether a word is capitals but for its unit."""
    base = _parts(token)[0].removesuffix("/s")
    # How two tools spell theirs.
    return token in ("ARGs", "Kbytes") or base.upper() == base


def _parts(name: str) -> tuple[str, str, int]:
    """Give a heading without its unit, the unit, and what one of it is in ns.

    >>> _parts("LAT(ms)"), _parts("DELTA_US"), _parts("LATms"), _parts("RX_KB"), _parts("MS")
    (('LAT', 'ms', 1000000), ('DELTA', 'us', 1000), ('LAT', 'ms', 1000000), ('RX_KB', 'KB', 0), \
('MS', 'ms', 1000000))
    """
    for pattern in (_IN_BRACKETS, *_BEHIND):
        if match := pattern.match(name):
            unit, factor = _UNITS[match["unit"].lower()]
            whole = name.upper() if pattern in _BEHIND and not factor else match["base"]
            return whole or name, unit, factor
    return name, "", 0


def _column(name: str, place: int) -> Column:
    """Tell what a column is by its heading."""
    base, unit, factor = _parts(name)
    if name.endswith("/s"):
        base, unit = name[:-2], "1/s"
    elif name.startswith("%") or name.endswith("%"):
        base, unit = name.strip("%"), "%"
    base = base.upper().replace(" ", "_")
    if base == "TIME":
        return Column(name, base, unit, factor, "time" if factor else "clock")
    kind = "comm" if base in _COMMS else "text"
    if base in _NUMBERS or factor:
        kind = "number"
    return Column(name, base, unit, factor, kind)


def _is_count(column: Column) -> bool:
    """Tell whether a column says that its table counts."""
    return column.unit in ("1/s", "%") or column.base in _COUNTS


def _settled(columns: tuple[Column, ...], counts: bool) -> tuple[Column, ...]:
    """Settle what depends on the other columns: which are figures, and what TIME is.

    In a table that counts, TIME with a unit is a sum unless it comes first; behind START it is how
    long an event took.
    """
    began = any(column.base == "START" for column in columns)
    settled = []
    for place, column in enumerate(columns):
        later = column.kind == "time" and place > 0
        figure = counts and (
            _is_count(column) or (column.base in _SUMS and (later or column.kind != "time"))
        )
        figure = figure and column.kind != "clock"
        kind = "number" if figure or (began and later) else column.kind
        settled.append(replace(column, kind=kind, figure=figure))
    return tuple(settled)


def _patterns(columns: tuple[Column, ...], comma: bool) -> tuple[str, ...]:
    """Give the expressions that take a row apart.

    A command's name may have blanks in it, and what is wider than its column pushes the rest to
    the right. So a name ends at two blanks, or is nearly as long as its column; else what follows
    must fit.
    """
    if comma:
        # Nothing is quoted, so a command's name may have commas in it.
        shapes = _SHAPES | {"comm": ".*?", "text": "[^,]*"}
        cells = [rf"(?P<c{n}>{shapes[column.kind]})" for n, column in enumerate(columns)]
        return (rf"^\s*{','.join(cells)}\s*$",)
    names = [place for place, column in enumerate(columns[:-1]) if column.kind == "comm"]
    names = names or [p for p, column in enumerate(columns[:-1]) if column.kind == "text"][:1]
    if not names:
        return (_pattern(columns, (), ""),)
    widths = (r"\S{9,}|\S+\s", r"\S+(?: \S+)*\s", r".+?")
    return tuple(_pattern(columns, names, shape) for shape in widths)


def _pattern(columns: tuple[Column, ...], names: Sequence[int], shape: str) -> str:
    """Give one expression."""
    parts = []
    for place, column in enumerate(columns):
        blanks = r"\s+" if place else ""
        if column.name in ("->", ">"):
            parts.append(rf"{blanks}(?P<c{place}>{column.name})")
        elif place == len(columns) - 1 and column.kind in ("text", "comm"):
            # What is not known is left out: sockets without a name, a program without arguments.
            parts.append(rf"(?:\s+(?P<c{place}>.*))?")
        else:
            inner = shape if place in names else _SHAPES[column.kind]
            parts.append(rf"{blanks}(?P<c{place}>{inner})")
    return rf"^\s*{''.join(parts)}\s*$"
