"""Whether a file begins as folded stacks, and which dialect of them it is."""

import codecs
import itertools
import re

from collectors.collector import Head
from collectors.expand import Content

# What the dialect is told by; also what is looked at to tell the format.
BEGIN_BYTES = 256 << 10
_LINES_MOST = 2_000

# A count, whole or with a fraction; perl's flamegraph.pl takes "12." too.
COUNT = r"[0-9]+(?:\.[0-9]*)?"
_COUNT = re.compile(COUNT)
_PY_SPY = re.compile(r" \((?:[^();]+:\d+|[^();]+\.pyx?)\)(?:;|[ \t]+[0-9])")

# How py-spy writes a stack without frames.
_WITHOUT_STACK = re.compile(r" [0-9]{1,18}")

# Other formats whose lines may end in a blank and a number.
_OTHERS = ("@", "{", "//", "==", "%")
# Lines with several frames are rare elsewhere; where they are few, more of the lines must be good.
_GOOD_SHARE, _GOOD_SHARE_JOINED = 0.7, 0.5
_JOINED_SHARE = 0.2


def first_lines(content: Content) -> list[str]:
    """Give the first lines of a file that hold something."""
    begin = b""
    for chunk in content.chunks():
        begin += chunk
        if len(begin) > BEGIN_BYTES:
            return _lines(Head(begin[:BEGIN_BYTES], whole=False))
    return _lines(Head(begin, whole=True))


def is_folded(head: Head) -> bool:
    """Tell folded stacks: nearly every line ends in a count, and some have several frames."""
    lines = [line for line in _lines(head) if not _WITHOUT_STACK.fullmatch(line)]
    if not lines or any(line.startswith(_OTHERS) for line in lines):
        return False
    stacks = [stack for line in lines if (stack := _before_count(line))]
    joined = sum(";" in stack for stack in stacks)
    least = _GOOD_SHARE_JOINED if joined == len(stacks) else _GOOD_SHARE
    enough = len(stacks) >= least * len(lines)
    return enough and joined > 0 and joined >= _JOINED_SHARE * len(stacks)


def has_two_counts(lines: list[str]) -> bool:
    """Tell what difffolded writes: every stack with its count before and after.

    >>> has_two_counts(["a;b 1 2", "a 0 3"]), has_two_counts(["a;worker 1 2", "a 3"])
    (True, False)
    """
    stacks = [stack for line in lines if (stack := _before_count(line))]
    return bool(stacks) and all(_before_count(stack) for stack in stacks)


def is_py_spy(lines: list[str]) -> bool:
    """Tell py-spy's frames, which end in their file and line.

    >>> is_py_spy(["<module> (a.py:1);main (a.py:3) 5"]), is_py_spy(["f(int);g (anonymous) 5"])
    (True, False)
    """
    return any(_PY_SPY.search(line) for line in lines)


def _before_count(line: str) -> str:
    """Give what stands before the count at a line's end; empty where there is none."""
    # Not by one expression: on a line of blanks that would take for ever.
    parts = line.rsplit(None, 1)
    return parts[0] if len(parts) == 2 and _COUNT.fullmatch(parts[1]) else ""


def _lines(head: Head) -> list[str]:
    """Give the lines of a file's beginning without empty ones and comments; none if binary."""
    data = head.content
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16", "replace")
    elif b"\0" in data:
        return []
    else:
        text = data.decode("utf-8-sig", "replace")
    lines = text.split("\n")
    if not head.whole and len(lines) > 1:
        lines.pop()
    stripped = (line.rstrip("\r") for line in lines)
    kept = (line for line in stripped if line.strip() and not line.startswith("#"))
    return list(itertools.islice(kept, _LINES_MOST))
