"""How requests stand in a file: a line each, behind their lengths, or one alone."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from collectors.collector import MESSAGE_BYTES_MOST
from collectors.expand import Content
from collectors.otlp_file_sniff import varint

_BOM = b"\xef\xbb\xbf"

# A message above the limit is passed over by its own length, unless that is no length at all.
_SKIPPED_BYTES_MOST = 1 << 30

_VARINT_BYTES_MOST = 10


@dataclass(frozen=True)
class Message:
    """One request of a file, not yet looked at.

    Attributes:
        offset: where it begins, in expanded bytes.
        place: the same for people.
        payload: its bytes; empty where it cannot be had.
        fault: why it cannot be had; empty where it can.
    """

    offset: int
    place: str
    payload: bytes
    fault: str = ""


class Window:
    """What of a file is in memory: read forward, in whatever portions are asked for.

    Attributes:
        offset: where the window begins, in expanded bytes.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        """Begin at the beginning."""
        self._chunks = chunks
        self._held = bytearray()
        self.offset = 0

    def peek(self, size: int) -> bytes:
        """Give the next bytes without passing them; fewer at the end."""
        while len(self._held) < size and self._more():
            pass
        return bytes(self._held[:size])

    def take(self, size: int) -> bytes:
        """Give the next bytes and pass them; fewer at the end."""
        taken = self.peek(size)
        self._drop(len(taken))
        return taken

    def skip(self, size: int) -> int:
        """Pass bytes without holding them; give how many there were."""
        left = size
        while left and (self._held or self._more()):
            step = min(left, len(self._held))
            self._drop(step)
            left -= step
        return size - left

    def line(self, most_bytes: int) -> bytes | None:
        """Give the next line with its end, or None for one that is too long, which is passed.

        Empty at the end of the content.
        """
        searched = 0
        while (end := self._held.find(b"\n", searched)) < 0:
            searched = len(self._held)
            if searched > most_bytes:
                self._skip_line()
                return None
            if not self._more():
                return self.take(searched)
        return self.take(end + 1)

    def _skip_line(self) -> None:
        """Pass the rest of a line without holding it."""
        while (end := self._held.find(b"\n")) < 0:
            self._drop(len(self._held))
            if not self._more():
                return
        self._drop(end + 1)

    def _drop(self, size: int) -> None:
        del self._held[:size]
        self.offset += size

    def _more(self) -> bool:
        """Take in another chunk; False at the end."""
        chunk = next(self._chunks, b"")
        self._held += chunk
        return bool(chunk)


def messages(framing: str, content: Content) -> Iterator[Message]:
    """Give the requests of a file, in order, and what stands between them that is none.

    Args:
        framing: lines, document, length_prefixed, delimited or message.
        content: the file.

    Raises:
        BadFile: the content cannot be expanded or read.
    """
    return _FRAMINGS[framing](Window(content.chunks()))


def _lines(window: Window) -> Iterator[Message]:
    """Give a message a line; empty lines are none."""
    if window.peek(len(_BOM)) == _BOM:
        window.skip(len(_BOM))
    number = 0
    while True:
        number += 1
        offset = window.offset
        line = window.line(MESSAGE_BYTES_MOST)
        place = f"line {number}"
        if line is None:
            yield Message(offset, place, b"", _too_long(window.offset - offset))
            continue
        if not line:
            return
        if line := line.strip():
            yield Message(offset, place, line)


def _alone(window: Window) -> Iterator[Message]:
    """Give the whole content as one message."""
    payload = window.take(MESSAGE_BYTES_MOST + 1)
    if len(payload) > MESSAGE_BYTES_MOST:
        yield Message(0, "byte 0", b"", _too_long(len(payload)))
    else:
        yield Message(0, "byte 0", payload.removeprefix(_BOM))


def _prefixed(
    window: Window, length_of: Callable[[bytes], tuple[int, int] | None], head_bytes: int
) -> Iterator[Message]:
    """Give what stands behind each length.

    Args:
        window: the content.
        length_of: reads a length and how many bytes it takes; None where it is none.
        head_bytes: the most that a length takes.
    """
    while begin := window.peek(head_bytes):
        offset = window.offset
        place = f"byte {offset}"
        read = length_of(begin)
        if read is None:
            yield Message(offset, place, b"", "no length stands here; what follows is lost")
            return
        length, taken = read
        if length > _SKIPPED_BYTES_MOST:
            fault = f"no message has {length} bytes; what follows is lost"
            yield Message(offset, place, b"", fault)
            return
        window.skip(taken)
        if length > MESSAGE_BYTES_MOST:
            passed, payload, fault = window.skip(length), b"", _too_long(length)
        else:
            payload = window.take(length)
            passed, fault = len(payload), ""
        if passed < length:
            fault = f"the file ends {length - passed} bytes before this message does"
            yield Message(offset, place, b"", fault)
            return
        if length:
            yield Message(offset, place, payload, fault)


def _length_prefixed(window: Window) -> Iterator[Message]:
    """Give what stands behind lengths of 4 bytes, big endian."""
    size = struct.Struct(">I")

    def length_of(begin: bytes) -> tuple[int, int] | None:
        return (size.unpack(begin)[0], size.size) if len(begin) == size.size else None

    return _prefixed(window, length_of, size.size)


def _delimited(window: Window) -> Iterator[Message]:
    """Give what stands behind lengths as varints."""
    return _prefixed(window, lambda begin: varint(begin, 0), _VARINT_BYTES_MOST)


def _too_long(size: int) -> str:
    return f"{size} bytes, above the limit of {MESSAGE_BYTES_MOST} for one request"


_FRAMINGS: dict[str, Callable[[Window], Iterator[Message]]] = {
    "lines": _lines,
    "document": _alone,
    "message": _alone,
    "length_prefixed": _length_prefixed,
    "delimited": _delimited,
}
