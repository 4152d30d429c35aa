"""Whether a file begins as a file of OTLP requests: by its bytes, before anything is decoded."""

import json
import re
import struct
from collections.abc import Callable

from collectors.collector import MESSAGE_BYTES_MOST, Head
from collectors.expand import ZSTD

KEYS = ("resourceSpans", "resourceMetrics", "resourceLogs", "resourceProfiles")

_ANY_KEY = re.compile(rb'"(?:' + "|".join(KEYS).encode() + rb')"\s*:')
# Reads a length: from bytes and a place to its value and its end; None where it is cut off.
LengthAt = Callable[[bytes, int], tuple[int, int] | None]

_BOM = b"\xef\xbb\xbf"
_LINES_LOOKED_AT = 32

# A request's fields: its resources, and for profiles the dictionary. A resource entry's fields:
# the resource, the scopes, a URL. All are behind their length.
_REQUEST_TAGS = b"\x0a\x12"
_ENTRY_TAGS = b"\x0a\x12\x1a"
_DICTIONARY_TAGS = b"\x0a\x12\x1a\x22\x2a\x32\x3a"


def is_lines(head: Head) -> bool:
    """Tell JSON lines: one of the first lines is an OTLP request by itself."""
    text = head.content.removeprefix(_BOM)
    lines = text.split(b"\n")
    last_is_cut = not head.whole
    for number, line in enumerate(lines[:_LINES_LOOKED_AT]):
        if not line.lstrip().startswith(b"{") or not _ANY_KEY.search(line):
            continue
        if last_is_cut and number == len(lines) - 1:
            # A line longer than the head; a document over many lines has short ones.
            return number == 0 or any(_is_object(each) for each in lines[:number])
        if _is_object(line):
            return True
    return False


def is_document(head: Head) -> bool:
    """Tell one JSON document over several lines."""
    text = head.content.removeprefix(_BOM).lstrip()
    return text.startswith(b"{") and bool(_ANY_KEY.search(text))


def is_length_prefixed(head: Head) -> bool:
    """Tell messages behind 4 bytes of length; a message may be JSON or zstd by itself."""
    return _framed(head, _big_endian, bad_share=0.5)


def is_delimited(head: Head) -> bool:
    """Tell messages behind a varint of length."""
    # A lone message looks a little like this too, so less may be amiss.
    return _framed(head, varint, bad_share=0.2)


def is_message(head: Head) -> bool:
    """Tell a lone message."""
    return bool(head.content) and _like_request(head.content, len(head.content), head.whole)


def varint(content: bytes, at: int) -> tuple[int, int] | None:
    """Read a varint.

    Returns:
        Its value and where it ends; None where it is cut off or longer than ten bytes.

    >>> varint(b"\\x96\\x01", 0)
    (150, 2)
    """
    value = 0
    for index in range(at, min(at + 10, len(content))):
        value |= (content[index] & 0x7F) << 7 * (index - at)
        if content[index] < 0x80:
            return value, index + 1
    return None


def _big_endian(content: bytes, at: int) -> tuple[int, int] | None:
    """Read a length of 4 bytes; None where it is cut off."""
    if at + 4 > len(content):
        return None
    return struct.unpack_from(">I", content, at)[0], at + 4


def _framed(head: Head, length_at: LengthAt, bad_share: float) -> bool:
    """Tell whether there are messages behind the lengths, as far as the head shows."""
    content, at, good, bad = head.content, 0, 0, 0
    while at < len(content):
        read = length_at(content, at)
        if read is None:
            break
        length, start = read
        if length > MESSAGE_BYTES_MOST:
            bad += 1
            break
        if length and start < len(content):
            like = _like_payload(content[start : start + length], length)
            good, bad = good + like, bad + (not like)
        at = start + length
    return good > 0 and bad <= bad_share * (good + bad)


def _like_payload(begin: bytes, length: int) -> bool:
    """Tell whether what stands behind a length can be a request."""
    if begin.startswith(ZSTD):
        return True
    if begin.lstrip().startswith(b"{"):
        return bool(_ANY_KEY.search(begin))
    return _like_request(begin, length, whole=length <= len(begin))


def _like_request(begin: bytes, length: int, whole: bool) -> bool:
    """Walk a request's own fields, and look at the first of what is in each."""
    at = 0
    while at < len(begin):
        tag = begin[at]
        read = varint(begin, at + 1)
        if tag not in _REQUEST_TAGS:
            return False
        if read is None:
            return not whole and len(begin) - at < 11
        size, start = read
        if (whole and start + size > length) or size > MESSAGE_BYTES_MOST:
            return False
        inner = _ENTRY_TAGS if tag == _REQUEST_TAGS[0] else _DICTIONARY_TAGS
        if size and start < len(begin) and begin[start] not in inner:
            return False
        at = start + size
    return True


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
