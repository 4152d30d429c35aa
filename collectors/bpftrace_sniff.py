"""Tells bpftrace's output from a file's beginning."""

import re

from collectors.bpftrace_object import COMPLAINT_TYPES, EVENT_TYPES, SKIPPED_TYPES
from collectors.collector import Head

_BLANK = r"[ \t\r\n]*"
_MAPS = "map|hist|lhist|stats|tseries"
_EVENTS = "|".join(each for each in (*EVENT_TYPES, *SKIPPED_TYPES) if each != "attached_probes")
_DATA = rf'{_BLANK},{_BLANK}"data"{_BLANK}:{_BLANK}'
_OBJECT = re.compile(
    rf'{_BLANK}\{{{_BLANK}"type"{_BLANK}:{_BLANK}(?:'
    rf'"(?:{_MAPS})"{_DATA}\{{{_BLANK}(?:\}}|"@)'
    rf'|"attached_probes"{_DATA}\{{{_BLANK}"probes"'
    rf'|"lost_events"{_DATA}\{{{_BLANK}"(?:events|count)"'
    rf'|"(?:{_EVENTS})"{_DATA}'
    rf'|"(?:{"|".join(COMPLAINT_TYPES)})"{_BLANK},'
    r")"
)

ATTACHED = re.compile(r"Attach(?:ing|ed) [0-9]+ probes?(?:\.\.\.)?")
MAP_START = re.compile(r"@\w*(?:\[.*|: ?.*)", re.ASCII)
_VALUE = re.compile(r"@\w*(?:\[.*\])?: ?.*", re.ASCII)
_STACK_START = re.compile(r"@\w*\[(?:[^\]]*, ?)?", re.ASCII)
_BUCKET = re.compile(r"(?:\[|\(\.\.\.).*[\])] +[0-9]+ \|[@ ]*\|")
_INSIDE = re.compile(r"\s+\S.*|, ?(?:.*\]: .*)?|.*\]: ?\S.*|hh:mm:ss.*|.*\|[* ]+\|.*")
_NOISE = re.compile(r"\^C.*|Lost [0-9]+ events.*|WARNING: .*")
# A table's headings: two words or more, all in capitals but for a unit in parentheses.
_HEADINGS = re.compile(r"\s*[A-Z][A-Z0-9_]*(?:\(\w+\))?(?:\s+[A-Z][A-Z0-9_/+-]*(?:\(\w+\))?)+\s*")

_BOM = "\ufeff"


def is_json(head: Head) -> bool:
    """Tell whether a file begins with an object of a type that bpftrace writes."""
    text = head.content[:65536].decode("utf-8", "replace").removeprefix(_BOM)
    return _OBJECT.match(text) is not None


def is_text(head: Head) -> bool:
    """Tell whether a file is bpftrace's text.

    Either it begins with the number of probes and goes on with maps, or without a table's
    headings; or it is maps and nothing else.
    """
    text = head.content.decode("utf-8", "replace").removeprefix(_BOM)
    lines = [line.rstrip() for line in text.split("\n")]
    if not head.whole:
        lines.pop()
    lines = [line for line in lines if line]
    if not lines or "\0" in text:
        return False
    has_map = any(
        _has_map(line, after) for line, after in zip(lines, [*lines[1:], ""], strict=True)
    )
    if any(ATTACHED.fullmatch(line) for line in lines[:20]):
        return has_map or not any(map(_HEADINGS.fullmatch, lines))
    return has_map and all(map(_is_of_a_map, lines)) and MAP_START.match(lines[0]) is not None


def _has_map(line: str, after: str) -> bool:
    """Tell whether a map begins here: a value, buckets below, or a stack below."""
    if not line.startswith("@"):
        return False
    if _VALUE.fullmatch(line):
        value = line.rpartition(":")[2].strip()
        return bool(value) or _BUCKET.match(after) is not None or "|" in after or _is_axis(after)
    return _STACK_START.fullmatch(line) is not None and after.startswith((" ", "\t", ",", "]"))


def _is_axis(line: str) -> bool:
    """Tell whether a line is the upper scale of a time series."""
    return re.fullmatch(r"\s+-?[0-9.]+\s+-?[0-9.]+", line) is not None


def _is_of_a_map(line: str) -> bool:
    """Tell whether a line could stand in bpftrace's print of maps."""
    patterns = (_VALUE, _STACK_START, _BUCKET, _INSIDE, _NOISE)
    return any(pattern.fullmatch(line) for pattern in patterns)
