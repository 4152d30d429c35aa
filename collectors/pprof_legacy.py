"""Forms of profiles from before pprof was protobuf: recognised, so that they are refused by name.

Source: github.com/google/pprof, profile/legacy_profile.go.
"""

import re
import struct
from collections.abc import Iterator

_TEXTS = (
    (re.compile(rb"heap profile: *\d+: *\d+ *\[ *\d+: *\d+\] *@"), "heap profile (text)"),
    (re.compile(rb"heap_v2/\d+"), "heap_v2 profile (text)"),
    (re.compile(rb"\w+ profile: total \d+"), "Go profile (text)"),
    (re.compile(rb"--- ?(?:contention|mutex)"), "contention profile (text)"),
    (re.compile(rb"--- ?threadz?\b"), "thread profile (text)"),
    (re.compile(rb"--- ?(?:heapz|growthz|fragmentationz)\b"), "heap profile (text)"),
    (re.compile(rb"--- ?(?:symbol|profile)\b ?-*"), "profile with symbols (text)"),
)
_LINES_LOOKED_AT = 20

# A binary CPU profile begins with the words 0, 3, version 0 (or Java's 1), the period, 0.
_HEADER_WORDS = 3
_VERSIONS = (0, 1)
# A period in microseconds: from a thousand a millisecond to one a minute.
_PERIODS = range(1, 60_000_001)


def legacy_form(begin: bytes) -> str:
    """Name the older form that a file begins as; empty for none.

    Args:
        begin: its first bytes.

    >>> legacy_form(b"heap profile:      5:     40 [    9:     99] @ heapprofile")
    'heap profile (text)'
    >>> legacy_form(b"nothing of that"), legacy_form(struct.pack("<5Q", 0, 3, 0, 10_000, 0))
    ('', 'CPU profile (binary)')
    """
    for line in _first_lines(begin):
        for pattern, name in _TEXTS:
            if pattern.match(line):
                return name
        if not line.startswith((b"#", b"---", b"%")):
            break
    return "CPU profile (binary)" if _is_binary(begin) else ""


def _first_lines(begin: bytes) -> Iterator[bytes]:
    """Give the first lines that are not blank."""
    for line in begin[:4096].split(b"\n", _LINES_LOOKED_AT)[:_LINES_LOOKED_AT]:
        if line.strip():
            yield line.strip()


def _is_binary(begin: bytes) -> bool:
    """Tell a binary CPU profile, of words of 4 or 8 bytes in either order."""
    for code in ("<5I", ">5I", "<5Q", ">5Q"):
        if len(begin) >= struct.calcsize(code):
            first, words, version, period, padding = struct.unpack_from(code, begin)
            header = (first, words, padding) == (0, _HEADER_WORDS, 0)
            if header and version in _VERSIONS and period in _PERIODS:
                return True
    return False
