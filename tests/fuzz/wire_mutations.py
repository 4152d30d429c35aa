"""Protobuf spoilt on the wire: by byte, by field, and inside messages whose frames stay whole."""

import random
from collections.abc import Callable, Sequence

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tests.otlp.wire_bytes import (
    FIXED32,
    FIXED64,
    GROUP,
    GROUP_END,
    LENGTH,
    VARINT,
    field,
    fields,
    tag,
    varint,
)

# (field number, wire type, content as it stands on the wire, without a length)
Field = tuple[int, int, bytes]

NUMBERS = (0, 1, 127, 128, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1)
# upb reads 100 messages inside each other; ptars cuts AnyValue much earlier.
DEPTHS = (1, 2, 3, 10, 31, 32, 33, 60, 93, 94, 95, 96, 97, 98, 99, 100, 101, 1000)
TEXTS = (b"", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", "é€𝄞".encode(), b"a" * 3000)
MOST_BYTES = 200_000


def spoil_bytes(data: bytes, rng: random.Random) -> bytes:
    """Change bytes anywhere: flips, cuts, insertions, repeats, numbers at the edge."""
    spoilt = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at = rng.randrange(len(spoilt) + 1)
        match rng.randrange(7):
            case 0 if at < len(spoilt):
                spoilt[at] ^= 1 << rng.randrange(8)
            case 1:
                del spoilt[at:]
            case 2:
                spoilt[at:at] = rng.randbytes(rng.choice((1, 2, 8, 40)))
            case 3:
                del spoilt[at : at + rng.choice((1, 2, 8, 40))]
            case 4:
                spoilt[at:at] = spoilt[at : at + rng.choice((1, 8, 64, 512))] * rng.choice((1, 3))
            case 5:
                spoilt[at:at] = varint(rng.choice(NUMBERS), rng.choice((0, 0, 1, 5)))
            case _ if at < len(spoilt):
                spoilt[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(spoilt[:MOST_BYTES])


def spoil_message(message: Descriptor, data: bytes, rng: random.Random) -> bytes:
    """Change one thing in a message or, more often, in one of those inside it.

    The lengths of what is around it are put right, so that readers get as far as the fault.
    """
    try:
        parts = list(fields(data))
    except IndexError:  # spoilt before
        return spoil_bytes(data, rng)
    if message.name == "AnyValue" and rng.random() < 0.3:
        return nested(rng.choice(DEPTHS), rng)
    if not parts:
        return data + _invented(message, rng)
    at = rng.randrange(len(parts))
    number, wire_type, content = parts[at]
    inner = _submessage(message, number) if wire_type == LENGTH else None
    if inner is not None and rng.random() < 0.85:
        parts[at] = (number, LENGTH, spoil_message(inner, content, rng))
        return write(parts)
    return rng.choice(_FIELD_FAULTS)(message, parts, at, rng)[:MOST_BYTES]


def nested(depth: int, rng: random.Random) -> bytes:
    """Give an AnyValue with lists or maps inside each other."""
    value = field(1, b"deep")
    for _ in range(depth):
        if rng.random() < 0.5:
            value = field(5, field(1, value))
        else:
            value = field(6, field(1, field(1, b"k") + field(2, value)))
    return value


def write(parts: Sequence[Field]) -> bytes:
    """Write fields."""
    return b"".join(
        tag(number, kind) + (varint(len(content)) if kind == LENGTH else b"") + content
        for number, kind, content in parts
    )


def _submessage(message: Descriptor, number: int) -> Descriptor | None:
    known = message.fields_by_number.get(number)
    if known is None or known.type != FieldDescriptor.TYPE_MESSAGE:
        return None
    return known.message_type


def _invented(message: Descriptor, rng: random.Random) -> bytes:
    """Give a field that the message may have, with any content."""
    known = list(message.fields)
    number = (
        rng.choice(known).number if known and rng.random() < 0.9 else rng.choice((99, 536870911))
    )
    kind = rng.choice((VARINT, FIXED64, LENGTH, FIXED32))
    return write([(number, kind, _content(kind, rng))])


def _content(kind: int, rng: random.Random) -> bytes:
    if kind == VARINT:
        return varint(rng.choice(NUMBERS), rng.choice((0, 0, 0, 1)))
    if kind == LENGTH:
        return rng.choice((*TEXTS, rng.randbytes(rng.choice((1, 8, 16, 33)))))
    edges = (b"\x00", b"\xff", b"\x7f", b"\x80")
    return (rng.choice(edges) * 8 if rng.random() < 0.5 else rng.randbytes(8))[
        : 8 if kind == FIXED64 else 4
    ]


def _gone(message: Descriptor, parts: list[Field], at: int, rng: random.Random) -> bytes:
    return write(parts[:at] + parts[at + 1 :])


def _twice(message: Descriptor, parts: list[Field], at: int, rng: random.Random) -> bytes:
    where = rng.randrange(len(parts) + 1)
    return write([*parts[:where], *[parts[at]] * rng.choice((1, 1, 2, 50)), *parts[where:]])


def _exchanged(message: Descriptor, parts: list[Field], at: int, rng: random.Random) -> bytes:
    other = rng.randrange(len(parts))
    parts[at] = (parts[at][0], *parts[other][1:])
    return write(parts)


def _another_value(message: Descriptor, parts: list[Field], at: int, rng: random.Random) -> bytes:
    number, kind, _ = parts[at]
    parts[at] = (number, kind, _content(kind, rng))
    return write(parts)


def _another_kind(message: Descriptor, parts: list[Field], at: int, rng: random.Random) -> bytes:
    kind = rng.choice((VARINT, FIXED64, LENGTH, FIXED32))
    parts[at] = (parts[at][0], kind, _content(kind, rng))
    return write(parts)


def _another_number(message: Descriptor, parts: list[Field], at: int, rng: random.Random) -> bytes:
    number = rng.choice((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 99, 2**29 - 1))
    parts[at] = (number, *parts[at][1:])
    return write(parts)


def _spoilt(message: Descriptor, parts: list[Field], at: int, rng: random.Random) -> bytes:
    number, kind, content = parts[at]
    parts[at] = (number, kind, spoil_bytes(content, rng))
    return write(parts)


def _wrong_length(message: Descriptor, parts: list[Field], at: int, rng: random.Random) -> bytes:
    number, _, content = parts[at]
    length = rng.choice((len(content) + 1, max(len(content) - 1, 0), *NUMBERS))
    return (
        write(parts[:at]) + tag(number, LENGTH) + varint(length) + content + write(parts[at + 1 :])
    )


def _grouped(message: Descriptor, parts: list[Field], at: int, rng: random.Random) -> bytes:
    number = parts[at][0] if rng.random() < 0.5 else 60
    depth = rng.choice((1, 2, 40, 99, 101))
    # upb takes a field 0 in a group that nobody knows; other readers do not.
    middle = rng.choice((b"", b"", field(1, 5), b"\x00\x05", b"\x02\x01a", rng.randbytes(3)))
    ends = tag(number, GROUP_END) * rng.choice((depth, depth, depth - 1))
    inside = tag(number, GROUP) * depth + middle + ends
    return write(parts[:at]) + inside + write(parts[at:])


def _one_more(message: Descriptor, parts: list[Field], at: int, rng: random.Random) -> bytes:
    return write(parts[:at]) + _invented(message, rng) + write(parts[at:])


_FIELD_FAULTS: tuple[Callable[[Descriptor, list[Field], int, random.Random], bytes], ...] = (
    _gone,
    _twice,
    _exchanged,
    _another_value,
    _another_value,
    _another_kind,
    _another_number,
    _spoilt,
    _wrong_length,
    _grouped,
    _one_more,
)
