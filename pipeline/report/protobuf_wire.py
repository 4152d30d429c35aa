"""Protobuf's wire format, as far as it is written by hand: integers, text and messages.

Source: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterable

_BITS_64 = (1 << 64) - 1
_VARINT, _LENGTH = 0, 2


def varint(number: int) -> bytes:
    """Write an integer of 64 bits, negative ones as their two's complement.

    >>> varint(300).hex(), len(varint(-1))
    ('ac02', 10)
    """
    number &= _BITS_64
    if number < 0x80:
        return bytes((number,))
    digits = bytearray()
    while number >= 0x80:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


def integer(field: int, number: int) -> bytes:
    """Write a field of an integer; nothing for 0, which is what an absent field means.

    >>> integer(1, 5).hex(), integer(1, 0)
    ('0805', b'')
    """
    return varint(field << 3 | _VARINT) + varint(number) if number else b""


def content(field: int, data: bytes) -> bytes:
    """Write a field of bytes: a message or a text.

    >>> content(6, b"ab").hex()
    '32026162'
    """
    return varint(field << 3 | _LENGTH) + varint(len(data)) + data


def packed(field: int, numbers: Iterable[int]) -> bytes:
    """Write a field of integers that repeats; nothing where there are none.

    >>> packed(2, [1, 2]).hex(), packed(2, [])
    ('12020102', b'')
    """
    data = b"".join(map(varint, numbers))
    return content(field, data) if data else b""
