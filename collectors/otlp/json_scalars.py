"""JSON scalars to protobuf's wire format: a checking writer for each type of field.

Source: the protobuf encoding and ProtoJSON specifications, with what OTLP/JSON changes: ids are
hexadecimal and enumerations are integers.
"""

import base64
import binascii
import json
import re
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

# Writes a value that stands so many messages deep, its tag before it.
Write = Callable[[Any, int], bytes]

# A float above this may have lost digits on its way through JSON.
_MOST_EXACT = 2**53

_MOST_SHOWN = 40
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NOT_NUMBERS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_URL_SAFE = str.maketrans("-_", "+/")


class Wrong(Exception):
    """A value that its field cannot hold; never leaves otlp_json.

    Attributes:
        path: keys and indexes from the value outwards, added as the writers return.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.path: list[str | int] = []


def wanted(what: str, given: object) -> Wrong:
    """Say what was wanted and what came.

    >>> str(wanted("text", [1]))
    'text is wanted, not a list'
    """
    if isinstance(given, dict):
        return Wrong(f"{what} is wanted, not an object")
    if isinstance(given, list):
        return Wrong(f"{what} is wanted, not a list")
    shown = json.dumps(given)
    if len(shown) > _MOST_SHOWN:
        shown = shown[:_MOST_SHOWN] + "…"
    return Wrong(f"{what} is wanted, not {shown}")


def varint(number: int) -> bytes:
    """Write a whole number from 0 to 2^64 - 1 in groups of 7 bits.

    >>> varint(300).hex()
    'ac02'
    """
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    groups.append(number)
    return bytes(groups)


# Nearly every length and many numbers are below this: one look-up instead of a loop.
SHORT = 1 << 14
SHORT_VARINTS = tuple(varint(number) for number in range(SHORT))


def with_size(tag: bytes, content: bytes) -> bytes:
    """Write what is delimited by its length."""
    size = len(content)
    return tag + (SHORT_VARINTS[size] if size < SHORT else varint(size)) + content


def whole(given: Any) -> int:
    """Read a whole number, from a number or a text, without losing a digit.

    >>> whole("9007199254740993"), whole(5.0), whole("-1e3")
    (9007199254740993, 5, -1000)
    """
    if type(given) is int:
        return given
    if type(given) is str and given.isdigit() and given.isascii() and len(given) <= _MOST_SHOWN:
        return int(given)
    if type(given) is float and given.is_integer():
        if abs(given) <= _MOST_EXACT:
            return int(given)
        raise Wrong(f"{given!r} may have lost digits: write it without exponent, or as text")
    if type(given) is str and len(given) <= _MOST_SHOWN and _NUMBER.fullmatch(given):
        exact = Decimal(given)
        # The exponent first: a short text can be a number of a billion digits.
        if exact.adjusted() < _MOST_SHOWN and exact == exact.to_integral_value():
            return int(exact)
    raise wanted("a whole number", given)


def real(given: Any) -> float:
    """Read a double, from a number or a text.

    >>> real("-Infinity"), real(1), real("2.5")
    (-inf, 1.0, 2.5)
    """
    if type(given) is str:
        if given in _NOT_NUMBERS:
            return _NOT_NUMBERS[given]
        if not _NUMBER.fullmatch(given):
            raise wanted("a number", given)
    elif type(given) is not float and type(given) is not int:
        raise wanted("a number", given)
    try:
        number = float(given)
    except OverflowError:
        number = float("inf")
    if number - number != 0:
        raise Wrong("the number is beyond what a double holds")
    return number


def _text(tag: bytes) -> Write:
    def write(given: Any, _depth: int) -> bytes:
        if type(given) is not str:
            raise wanted("text", given)
        try:
            content = given.encode()
        except UnicodeEncodeError:
            raise Wrong("half a surrogate pair is not text") from None
        size = len(content)
        return tag + (SHORT_VARINTS[size] if size < SHORT else varint(size)) + content

    return write


def _hexadecimal(tag: bytes) -> Write:
    def write(given: Any, _depth: int) -> bytes:
        if type(given) is not str:
            raise wanted("an id in hexadecimal", given)
        try:
            return with_size(tag, binascii.unhexlify(given))
        except ValueError:
            raise wanted("an id as an even number of hexadecimal digits", given) from None

    return write


def _base64(tag: bytes) -> Write:
    def write(given: Any, _depth: int) -> bytes:
        if type(given) is not str:
            raise wanted("base64", given)
        padded = given.translate(_URL_SAFE).rstrip("=")
        padded += "=" * (-len(padded) % 4)
        try:
            return with_size(tag, base64.b64decode(padded, validate=True))
        except ValueError:
            raise wanted("base64", given) from None

    return write


def _boolean(tag: bytes) -> Write:
    def write(given: Any, _depth: int) -> bytes:
        if type(given) is not bool:
            raise wanted("true or false", given)
        return tag + (b"\x01" if given else b"\x00")

    return write


def _out_of(number: int, low: int, high: int) -> Wrong:
    shown = str(number) if abs(number) < 10**_MOST_SHOWN else "the number"
    return Wrong(f"{shown} is not from {low} to {high}")


def _varint(low: int, high: int, zigzag: bool = False, enum: bool = False) -> Callable[..., Write]:
    def make(tag: bytes) -> Write:
        def write(given: Any, _depth: int) -> bytes:
            if enum and type(given) is not int:
                raise wanted("an enumeration's integer", given)
            number = whole(given)
            if not low <= number <= high:
                raise _out_of(number, low, high)
            if zigzag:
                number = number << 1 if number >= 0 else (-number << 1) - 1
            if 0 <= number < SHORT:
                return tag + SHORT_VARINTS[number]
            return tag + varint(number & 0xFFFF_FFFF_FFFF_FFFF)

        return write

    return make


def _fixed(size: int, signed: bool) -> Callable[..., Write]:
    bits = 8 * size
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)

    def make(tag: bytes) -> Write:
        def write(given: Any, _depth: int) -> bytes:
            number = whole(given)
            if not low <= number <= high:
                raise _out_of(number, low, high)
            return tag + number.to_bytes(size, "little", signed=signed)

        return write

    return make


def _real(form: str) -> Callable[..., Write]:
    pack = struct.Struct(form).pack

    def make(tag: bytes) -> Write:
        def write(given: Any, _depth: int) -> bytes:
            try:
                return tag + pack(real(given))
            except OverflowError:
                raise Wrong("the number is beyond what a float holds") from None

        return write

    return make


_INT32 = (-(1 << 31), (1 << 31) - 1)
_INT64 = (-(1 << 63), (1 << 63) - 1)

# Wire type and maker of a writer, by type of field.
_MAKERS: dict[int, tuple[int, Callable[..., Write]]] = {
    FieldDescriptor.TYPE_STRING: (2, _text),
    FieldDescriptor.TYPE_BYTES: (2, _base64),
    FieldDescriptor.TYPE_BOOL: (0, _boolean),
    FieldDescriptor.TYPE_ENUM: (0, _varint(*_INT32, enum=True)),
    FieldDescriptor.TYPE_INT32: (0, _varint(*_INT32)),
    FieldDescriptor.TYPE_INT64: (0, _varint(*_INT64)),
    FieldDescriptor.TYPE_SINT32: (0, _varint(*_INT32, zigzag=True)),
    FieldDescriptor.TYPE_SINT64: (0, _varint(*_INT64, zigzag=True)),
    FieldDescriptor.TYPE_UINT32: (0, _varint(0, (1 << 32) - 1)),
    FieldDescriptor.TYPE_UINT64: (0, _varint(0, (1 << 64) - 1)),
    FieldDescriptor.TYPE_FIXED32: (5, _fixed(4, signed=False)),
    FieldDescriptor.TYPE_FIXED64: (1, _fixed(8, signed=False)),
    FieldDescriptor.TYPE_SFIXED32: (5, _fixed(4, signed=True)),
    FieldDescriptor.TYPE_SFIXED64: (1, _fixed(8, signed=True)),
    FieldDescriptor.TYPE_FLOAT: (5, _real("<f")),
    FieldDescriptor.TYPE_DOUBLE: (1, _real("<d")),
}


def is_id(field: FieldDescriptor) -> bool:
    """Tell whether a field holds an id, which OTLP/JSON has in hexadecimal instead of base64."""
    return field.type == FieldDescriptor.TYPE_BYTES and field.name.endswith("_id")


def scalar(field: FieldDescriptor, tagged: bool) -> Write:
    """Give the writer of a scalar field; without its tag for what is packed."""
    wire_type, make = _MAKERS[field.type]
    tag = varint(field.number << 3 | wire_type) if tagged else b""
    return _hexadecimal(tag) if is_id(field) else make(tag)
