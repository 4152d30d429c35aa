"""Bodies of HTTP requests: read, decompressed on the way in, and bounded in size, time and sum."""

import asyncio
import contextlib
import io
import sys
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Protocol

from google.rpc import code_pb2
from starlette.datastructures import Headers
from starlette.types import Receive

from collectors.otlp.http_responses import Refusal, Refused, too_large
from pipeline.errors import BadRequest, Overloaded
from pipeline.settings import Receiver

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Decompression goes in steps of this, so that a bomb is never larger in memory than its limit.
_STEP_BYTES = 1 << 18

# What RFC 9659 lets a sender use over HTTP: a window of 8 MiB.
_ZSTD_WINDOW_LOG = 23

# RFC 1952 headers and trailers around the data.
_GZIP_BITS = 31

_RETRY_SECONDS = 2.0


class Disconnected(Exception):
    """The sender hung up before its body was whole; nobody is left to answer."""


class Bodies:
    """Reads bodies for all connections.

    Attributes:
        held_bytes: bytes of bodies in memory now.
    """

    def __init__(self, settings: Receiver) -> None:
        """Begin with nothing held."""
        self._settings = settings
        self.held_bytes = 0

    @contextlib.asynccontextmanager
    async def read(self, headers: Headers, receive: Receive) -> AsyncIterator[bytes]:
        """Give a request's body, decompressed; its bytes count as held while the block runs.

        Raises:
            BadRequest: an encoding that is not known, or bytes that are not in it.
            Overloaded: other bodies hold all the memory there is for them.
            Refused: too large, or too slow.
            Disconnected: the sender hung up.
        """
        reading = _Reading(self, self._settings)
        try:
            yield await reading.read(headers, receive)
        finally:
            self.held_bytes -= reading.size


class _Reading:
    """One body on its way in; ``size`` is what it holds."""

    def __init__(self, bodies: Bodies, settings: Receiver) -> None:
        self._bodies = bodies
        self._limit = settings.max_message_bytes
        self._most_held = settings.max_waiting_bytes
        self._seconds = settings.http_body_seconds
        self.size = 0

    async def read(self, headers: Headers, receive: Receive) -> bytes:
        """Read it all, or say why not."""
        decoder = _decoder(headers.get("content-encoding", ""))
        # h11 has checked that it is a number, and closes a connection that sends more than that.
        if int(headers.get("content-length", "0")) > self._limit:
            raise Refused(too_large(self._limit))
        try:
            async with asyncio.timeout(self._seconds):
                return await self._read(decoder, receive)
        except TimeoutError:
            why = f"the body did not arrive within {self._seconds:g} seconds"
            raise Refused(Refusal(408, code_pb2.DEADLINE_EXCEEDED, why)) from None

    async def _read(self, decoder: "_Decoder", receive: Receive) -> bytes:
        """Read until the end, however long that takes."""
        arrived, content = 0, io.BytesIO()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            body = message.get("body", b"")
            arrived += len(body)
            for piece in decoder.feed(body):
                self._hold(len(piece))
                content.write(piece)
                if len(piece) == _STEP_BYTES:
                    # Other requests get their turn between two steps.
                    await asyncio.sleep(0)
            if max(arrived, self.size) > self._limit:
                raise Refused(too_large(self._limit))
            if not message.get("more_body", False):
                decoder.finish()
                return content.getvalue()

    def _hold(self, size: int) -> None:
        """Count bytes as held, within the limits of this body and of all."""
        self.size += size
        self._bodies.held_bytes += size
        if self.size > self._limit:
            raise Refused(too_large(self._limit))
        # A body is let in when it is the only one, whatever its size.
        if self._bodies.held_bytes > max(self._most_held, self.size):
            raise Overloaded(
                f"requests being read hold {self._most_held} bytes, which is the limit; "
                f"send again later",
                _RETRY_SECONDS,
            )


class _Decoder(Protocol):
    """Takes a body apart as it arrives."""

    def feed(self, arrived: bytes) -> Iterator[bytes]:
        """Give what the bytes hold, in pieces of at most a step.

        Raises:
            BadRequest: they are not in the encoding.
        """

    def finish(self) -> None:
        """Raise BadRequest where something is missing at the end."""


def _decoder(content_encoding: str) -> _Decoder:
    """Choose by the header."""
    name = content_encoding.strip().lower()
    if name in ("", "identity"):
        return _Plain()
    if name in ("gzip", "x-gzip"):
        return _Gzip()
    if name == "zstd":
        return _Zstd()
    raise BadRequest(f"Content-Encoding {name[:40]!r} is not known; use gzip, zstd or none")


class _Plain:
    """No encoding."""

    def feed(self, arrived: bytes) -> Iterator[bytes]:
        yield arrived

    def finish(self) -> None:
        """Nothing can be missing: h11 counts."""


class _Gzip:
    """One or several gzip members, with zeros between or after them."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_BITS)

    def feed(self, arrived: bytes) -> Iterator[bytes]:
        left = arrived
        while True:
            if self._member.eof:
                left = left.lstrip(b"\0")
                if not left:
                    return
                self._member = zlib.decompressobj(_GZIP_BITS)
            try:
                piece = self._member.decompress(left, _STEP_BYTES)
            except zlib.error as error:
                raise BadRequest(f"the body is not gzip: {error}") from None
            yield piece
            if self._member.eof:
                left = self._member.unused_data
                continue
            left = self._member.unconsumed_tail
            # A full step may have left more to give inside zlib.
            if not left and len(piece) < _STEP_BYTES:
                return

    def finish(self) -> None:
        if not self._member.eof:
            raise BadRequest("the body is gzip that is cut short")


class _Zstd:
    """One or several zstd frames."""

    def __init__(self) -> None:
        self._frame = self._new()

    def _new(self) -> zstd.ZstdDecompressor:
        return zstd.ZstdDecompressor(
            options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        )

    def feed(self, arrived: bytes) -> Iterator[bytes]:
        left = arrived
        while True:
            if self._frame.eof:
                if not left:
                    return
                self._frame = self._new()
            try:
                piece = self._frame.decompress(left, _STEP_BYTES)
            except zstd.ZstdError as error:
                raise BadRequest(f"the body is not zstd: {error}") from None
            yield piece
            left = self._frame.unused_data if self._frame.eof else b""
            if not self._frame.eof and self._frame.needs_input:
                return

    def finish(self) -> None:
        if not self._frame.eof:
            raise BadRequest("the body is zstd that is cut short")
