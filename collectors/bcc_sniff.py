"""Whether a file begins as a histogram, as stacks or as a table of bcc or libbpf-tools."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.bcc_columns import Heading, heading
from collectors.bcc_labels import ROW, average, from_dict, is_label
from collectors.bcc_labels import heading as histogram_heading
from collectors.bcc_records import records
from collectors.bcc_table import DATA, END_DATA, STACK
from collectors.bcc_tools import TIME_LINE, is_noise
from collectors.collector import Head

_LINES_MOST = 1_000
_LINE_CHARACTERS_MOST = 64 << 10

# What a banner that we do not know, or who started the tool, may have left above its output.
_UNKNOWN_MOST = 3

_ROW = re.compile(ROW)
_TIME_LINE = re.compile(TIME_LINE)
_STACK, _DATA, _END_DATA = (re.compile(pattern) for pattern in (STACK, DATA, END_DATA))
_OUTSTANDING = re.compile(r"^\s*\d+ bytes in \d+ allocations from stack", re.MULTILINE)
_BANNER = re.compile(r"^(?:Tracing|Sampling|Attaching to) .*(?:\.\.\.|Ctrl|secs)", re.MULTILINE)
_SYMBOL = re.compile(r"[\w.$@:~<>*&+-]+(?: \[[\w. /-]+\])?|\[unknown\]|--")

# Two columns are little: with these no other program heads its.
_ALONE = ("SYSCALL", "FUNC", "SOFTIRQ", "HARDIRQ", "PPC_HCALL", "CACHE")


def is_histogram(head: Head) -> bool:
    """Tell histograms: a heading, a bucket under it, and little else above and below."""
    lines = _lines(head)
    unknown = rows = strange = 0
    for place, line in enumerate(lines):
        if not line.strip():
            continue
        if histogram_heading(line):
            below = next((text for text in lines[place + 1 :] if text.strip()), "")
            rows += bool(_ROW.match(below))
        elif line.startswith("{'") and "'data'" in line:
            rows += not isinstance(from_dict(line), str)
        elif rows and _ROW.match(line):
            rows += 1
        elif not (is_noise(line) or is_label(line) or average(line)):
            strange += 1
            if not rows:
                unknown += 1
    return rows > 0 and unknown <= _UNKNOWN_MOST and strange <= rows + 1


def is_stacks(head: Head) -> bool:
    """Tell stacks: indented frames with a number of its own line under them, or memleak's above."""
    lines = _lines(head)
    text = "\n".join(lines)
    outstanding = bool(_OUTSTANDING.search(text))
    # A stack that is cut has no value yet.
    while lines and not (head.whole or outstanding) and lines[-1].strip():
        lines.pop()
    if not lines:
        return False
    found = records(pa.array(lines, pa.string()), outstanding)
    if not len(found.lines) or found.empty.all():
        return False
    strays = set(found.strays.tolist())
    filled = sum(1 for line in lines if line.strip())
    first = int(found.lines[0])
    unknown = sum(1 for place in strays if place < first)
    if unknown > _UNKNOWN_MOST or len(strays) * 2 > filled:
        return False
    told = found.pids.null_count < len(found.pids) or found.wakers.null_count < len(found.wakers)
    if told or outstanding or _BANNER.search(text):
        return True
    # Nobody is named: then there must be nothing else, and every line must look like a function.
    return not strays and all(_SYMBOL.fullmatch(line.strip()) for line in lines if line.strip())


def is_table(head: Head) -> bool:
    """Tell tables: a heading of known columns, and rows under it that fit."""
    lines = _lines(head)
    place, known = _first_heading(lines)
    if known is None or not _is_ours(known, any(map(is_noise, lines[:place]))):
        return False
    rest = _rows_under(lines[place + 1 :])
    if not rest:
        return head.whole and len(known.columns) >= 3
    fits = np.zeros(len(rest), dtype=np.bool_)
    texts = pa.array(rest, pa.string())
    for pattern in known.patterns:
        fits |= np.asarray(pc.match_substring_regex(texts, pattern))
    return bool(fits.sum() * 5 >= len(rest) * 3)


def _first_heading(lines: list[str]) -> tuple[int, Heading | None]:
    """Give the first heading and the line it is on; None where too much stands above it."""
    unknown = 0
    for place, line in enumerate(lines):
        if known := heading(line):
            return place, known
        unknown += bool(line.strip()) and not is_noise(line)
        if unknown > _UNKNOWN_MOST:
            break
    return 0, None


def _is_ours(known: Heading, announced: bool) -> bool:
    """Tell whether a heading is not one that other programs have too."""
    bases = [column.base for column in known.columns]
    if not any(column.kind in ("number", "time", "clock") for column in known.columns):
        return False
    if known.comma and not ("PID" in bases and "COMM" in bases):
        return False
    if len(bases) < 3 and not announced and bases[0] not in _ALONE:
        return False
    # ps heads its last column so, and has TIME in another place.
    return not ({"COMMAND", "CMD"} & set(bases)) or known.counts or bases[0] == "TIME"


def _rows_under(lines: list[str]) -> list[str]:
    """Give the lines that must be rows: until a text that an empty line divides from them."""
    rows: list[str] = []
    apart = inside = False
    for line in lines:
        if _DATA.match(line) or _END_DATA.match(line):
            inside = bool(_DATA.match(line))
        elif inside or is_noise(line) or _TIME_LINE.match(line) or heading(line):
            apart = apart and not heading(line)
        elif not line.strip():
            apart = True
        elif apart and rows:
            break
        elif not (rows and _STACK.match(line)):
            rows.append(line)
    return rows


def _lines(head: Head) -> list[str]:
    """Give the first lines of a file; none if it is no text."""
    data = head.content
    if b"\0" in data or not data:
        return []
    lines = data.decode("utf-8-sig", "replace").split("\n", _LINES_MOST + 1)
    # The last is empty, cut, or all that is more than we look at.
    if len(lines) > _LINES_MOST or not head.whole:
        lines = lines[: min(len(lines) - 1, _LINES_MOST)]
    lines = [re.sub(r"^\s*(?:\^C)+", "", line.rstrip("\r")) for line in lines]
    return [] if any(len(line) > _LINE_CHARACTERS_MOST for line in lines) else lines
