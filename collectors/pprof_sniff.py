"""Whether a file begins as a pprof profile: by its fields, before anything is decoded."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from collectors.collector import Head
from collectors.otlp_file_sniff import varint
from collectors.pprof_legacy import legacy_form

GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Fields of a profile by how they stand on the wire; comments may be packed or not.
_NUMBERS = (7, 8, 9, 10, 12, 13, 14, 15)
_MESSAGES = (1, 2, 3, 4, 5, 6, 11, 13)
_SAMPLE_TYPE, _SAMPLE, _STRING, _PERIOD_TYPE = 1, 2, 6, 11

# Fields of the messages in it: numbers, and those that hold something.
_INNER = {
    1: ((1, 2), ()),
    2: ((1, 2), (1, 2, 3)),
    3: (tuple(range(1, 11)), ()),
    4: ((1, 2, 3, 5), (4,)),
    5: ((1, 2, 3, 4, 5), ()),
    11: ((1, 2), ()),
}
_VALUES, _LABELS = 2, 3

# Of samples so many are looked into; the rest of the head is only stepped through.
_LOOKED_INTO = 64


@dataclass
class _Seen:
    """What a head holds so far: entries by field, and how many values the samples have."""

    fields: dict[int, int] = field(default_factory=dict)
    values: set[int] = field(default_factory=set)


def is_pprof(head: Head) -> bool:
    """Tell a profile, also one that was gzipped twice, and its older forms."""
    content = head.content
    if content.startswith(GZIP):
        # Once and no further: there is gzip that expands to itself.
        return _is_profile(Head(_expanded(content, len(content)), whole=False))
    return bool(legacy_form(content)) or _is_profile(head)


def _expanded(packed: bytes, most: int) -> bytes:
    """Expand the beginning of what is gzip within gzip; empty where it is damaged."""
    try:
        return zlib.decompressobj(_GZIP_WINDOW).decompress(packed, most)
    except zlib.error:
        return b""


def _is_profile(head: Head) -> bool:
    """Walk a profile's own fields and look into the first of each kind."""
    seen = _Seen()
    for number, wire, inner, cut in _fields(head.content):
        allowed = _NUMBERS if wire == _VARINT else _MESSAGES if wire == _BYTES else ()
        if number not in allowed:
            return False
        if wire == _BYTES and not cut and not _plausible(number, inner, seen):
            return False
        seen.fields[number] = seen.fields.get(number, 0) + (not cut)
    some = seen.fields
    if len(seen.values) > 1:
        # Two profiles one after the other are still profiles, and refused as such.
        return bool(some.get(_SAMPLE_TYPE) and some.get(_STRING))
    if head.whole and some.get(_STRING) and some.get(_SAMPLE_TYPE):
        return True
    # The strings come last as a rule: behind the head, or behind where a file was cut off.
    kinds = [number for number in (1, 2, 3, 4, 5, 6) if some.get(number)]
    return len(kinds) > 1 and (_SAMPLE_TYPE in kinds or _STRING in kinds)


def _plausible(number: int, inner: bytes, seen: _Seen) -> bool:
    """Tell whether an entry can be what its field says."""
    count = seen.fields.get(number, 0)
    if number == _STRING:
        return bool(inner) == bool(count) or count > 0
    if count >= _LOOKED_INTO or number not in _INNER:
        return True
    numbers, messages = _INNER[number]
    values = 0
    for each, wire, part, cut in _fields(inner):
        if cut or each not in (numbers if wire == _VARINT else messages if wire == _BYTES else ()):
            return False
        if number == _SAMPLE and wire == _BYTES and not _plausible_part(each, part):
            return False
        if number == _SAMPLE and each == _VALUES:
            values += sum(byte < 0x80 for byte in part) if wire == _BYTES else 1
    if number == _SAMPLE:
        seen.values.add(values)
    return True


def _plausible_part(number: int, part: bytes) -> bool:
    """Tell whether a part of a sample is a label, or a list of varints."""
    if number == _LABELS:
        return all(
            wire == _VARINT and each in (1, 2, 3, 4) and not cut
            for each, wire, _, cut in _fields(part)
        )
    return not part or part[-1] < 0x80


def _fields(content: bytes) -> Iterator[tuple[int, int, bytes, bool]]:
    """Give number, wire type and content of each field, and whether it is cut off.

    What is no protobuf ends with a field of number 0.
    """
    at = 0
    while at < len(content):
        tag = varint(content, at)
        if tag is None:
            yield (0, 0, b"", True) if len(content) - at >= 10 else (_PERIOD_TYPE, 2, b"", True)
            return
        number, wire = tag[0] >> 3, tag[0] & 7
        read = varint(content, tag[1]) if wire in (_VARINT, _BYTES) else None
        if read is None:
            inside = wire in (_VARINT, _BYTES) and len(content) - tag[1] < 10
            yield (number, wire, b"", True) if inside else (0, wire, b"", True)
            return
        value, at = read
        if wire == _BYTES:
            yield number, wire, content[at : at + value], at + value > len(content)
            at += value
        else:
            yield number, wire, b"", False
