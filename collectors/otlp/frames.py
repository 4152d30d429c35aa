"""Frames: how one request stands in a journal segment, and how a damaged segment is read.

A frame is a header and the request's bytes. The checksum covers all that follows it, so a torn or
flipped frame is known; the magic lets a reader find the next good one behind it.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"\xf5TGJ"

# magic, payload bytes, checksum | signal, received time (ns), batch id
_HEAD = struct.Struct("<4sII")
_BODY = struct.Struct("<BQ16s")
HEADER_BYTES = _HEAD.size + _BODY.size


@dataclass(frozen=True)
class Frame:
    """One journaled request.

    Attributes:
        signal: which service it came to (see SIGNALS in collectors/otlp/signals.py).
        time_unix_nano: when it was received.
        batch_id: content hash of the payload, 16 bytes.
        payload: the request's bytes.
    """

    signal: int
    time_unix_nano: int
    batch_id: bytes
    payload: bytes


@dataclass(frozen=True)
class Damage:
    """Bytes of a segment that are no frame.

    Attributes:
        offset: where they begin.
        content: the bytes.
        torn: they run to the end. A write that a crash cut short looks so, and such a request
            was never acknowledged; so does damage to the last frame.
    """

    offset: int
    content: bytes
    torn: bool


def pack(frame: Frame) -> tuple[bytes, bytes]:
    """Give the header and the payload, apart so that a large payload is not copied.

    >>> head, payload = pack(Frame(1, 5, bytes(16), b"abc"))
    >>> list(unpack(head + payload)) == [Frame(1, 5, bytes(16), b"abc")]
    True
    """
    body = _BODY.pack(frame.signal, frame.time_unix_nano, frame.batch_id)
    checksum = zlib.crc32(frame.payload, zlib.crc32(body))
    return _HEAD.pack(MAGIC, len(frame.payload), checksum) + body, frame.payload


def unpack(segment: bytes) -> Iterator[Frame | Damage]:
    """Read a segment: its frames in order, and what lies between them that is none.

    Args:
        segment: the whole segment.

    Yields:
        Each good frame; for bytes that are no frame, one Damage up to the next good one.
    """
    offset = 0
    while offset < len(segment):
        frame = _frame_at(segment, offset)
        if frame is not None:
            yield frame
            offset += HEADER_BYTES + len(frame.payload)
            continue
        found = segment.find(MAGIC, offset + 1)
        while found >= 0 and _frame_at(segment, found) is None:
            found = segment.find(MAGIC, found + 1)
        end = found if found >= 0 else len(segment)
        yield Damage(offset, segment[offset:end], torn=found < 0)
        offset = end


def _frame_at(segment: bytes, offset: int) -> Frame | None:
    """Read the frame that begins here; None if none does."""
    start = offset + HEADER_BYTES
    if start > len(segment):
        return None
    magic, length, checksum = _HEAD.unpack_from(segment, offset)
    if magic != MAGIC or start + length > len(segment):
        return None
    body = segment[offset + _HEAD.size : start]
    payload = segment[start : start + length]
    if zlib.crc32(payload, zlib.crc32(body)) != checksum:
        return None
    signal, time_unix_nano, batch_id = _BODY.unpack(body)
    return Frame(signal, time_unix_nano, batch_id, payload)
