"""Protobuf by hand: bytes that no library writes and every reader must read alike."""

import random
from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor

VARINT, FIXED64, LENGTH, GROUP, GROUP_END, FIXED32 = 0, 1, 2, 3, 4, 5


def varint(number: int, pad: int = 0) -> bytes:
    """Write a number, on request longer than it need be.

    >>> varint(300), varint(1, pad=1)
    (b'\\xac\\x02', b'\\x81\\x00')
    """
    out = bytearray()
    while True:
        number, low = number >> 7, number & 127
        if not number:
            break
        out.append(low | 128)
    for _ in range(pad):
        out.append(low | 128)
        low = 0
    out.append(low)
    return bytes(out)


def tag(number: int, wire_type: int) -> bytes:
    """Write a field's tag."""
    return varint(number << 3 | wire_type)


def field(number: int, content: bytes | int) -> bytes:
    """Write a field: bytes with their length, or a varint."""
    if isinstance(content, int):
        return tag(number, VARINT) + varint(content)
    return tag(number, LENGTH) + varint(len(content)) + content


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a number and give it with the place behind it."""
    number = shift = 0
    while True:
        number |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if not data[at - 1] & 128:
            return number, at


def fields(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Take a message apart: number, wire type and raw content of each field; no groups."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == VARINT:
            _, end = read_varint(data, at)
        elif wire_type == LENGTH:
            size, at = read_varint(data, at)
            end = at + size
        else:
            end = at + (8 if wire_type == FIXED64 else 4)
        yield number, wire_type, data[at:end]
        at = end


def rearranged(message: Descriptor, data: bytes, rng: random.Random) -> bytes:
    """Write a message anew in ways the format allows: order, splits, repeats, long numbers.

    What it then means is for protobuf to say: it may differ from what it meant before.
    """
    parts = []
    for number, wire_type, content in fields(data):
        known = message.fields_by_number.get(number)
        if known is not None and known.type == FieldDescriptor.TYPE_MESSAGE:
            parts += _submessage(known, content, rng)
        elif wire_type == VARINT:
            value, _ = read_varint(content, 0)
            padding = rng.choice((0, 0, 0, 1)) if value < 2**56 else 0
            parts.append(tag(number, VARINT) + varint(value, padding))
        elif wire_type == LENGTH:
            parts.append(field(number, content))
        else:
            parts.append(tag(number, wire_type) + content)
        if rng.random() < 0.05:
            parts.append(parts[-1])
    if message.name == "AnyValue" and rng.random() < 0.2:
        others = (field(1, b"other"), field(2, 1), field(3, 7), field(5, b""), field(7, b"\x00"))
        parts.append(rng.choice(others))
    if rng.random() < 0.1:
        group = tag(60, GROUP) + field(1, 5) + tag(60, GROUP_END)
        unknown = (field(2000, b"?"), field(77, 3), tag(78, FIXED32) + b"abcd", group)
        parts.append(rng.choice(unknown))
    if rng.random() < 0.3:
        rng.shuffle(parts)
    return b"".join(parts)


def _submessage(known: FieldDescriptor, content: bytes, rng: random.Random) -> list[bytes]:
    """Write a submessage; one that is not repeated may come in two pieces, which add up."""
    assert known.message_type is not None
    if known.is_repeated or rng.random() < 0.7:
        return [field(known.number, rearranged(known.message_type, content, rng))]
    inner = [
        tag(number, wire_type) + (varint(len(part)) if wire_type == LENGTH else b"") + part
        for number, wire_type, part in fields(content)
    ]
    cut = rng.randint(0, len(inner))
    pieces = (b"".join(inner[:cut]), b"".join(inner[cut:]))
    return [field(known.number, rearranged(known.message_type, piece, rng)) for piece in pieces]
