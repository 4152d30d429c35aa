"""A file's bytes, expanded as they are read: plain, gzip or zstd, by content, within limits."""

import hashlib
import io
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from collectors.collector import Head
from pipeline.errors import BadFile

_CHUNK_BYTES = 1 << 20

# Where a zstd stream is cut off, what was expanded for this read is lost with it.
_ZSTD_CHUNK_BYTES = 1 << 17

_GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"

# zlib: 15 bits of window, and a gzip header in front.
_GZIP_WINDOW = 31

# Telemetry packs 10 to 100 times, and deflate ends at 1,032 times, which only a bomb comes near.
_RATIO_MOST = 500
_RATIO_FROM_BYTES = 64 << 20


class TornError(Exception):
    """Compressed bytes end early or are damaged."""


class Content:
    """An open file, read from the beginning as often as asked.

    Attributes:
        path: the file.
        size_bytes: its size when it was opened; bytes that are appended later are not read.
        compression: none, gzip or zstd.
    """

    def __init__(self, path: Path) -> None:
        """Open a regular file.

        Raises:
            BadFile: it cannot be read.
        """
        self.path = path
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise BadFile(f"{path}: cannot be read ({error.strerror})") from error
        self._stamp = self._now()
        self.size_bytes = self._stamp[0]
        self._source = self._begin()
        magic = self._source.at(0, len(ZSTD))
        self.compression = (
            "gzip" if magic.startswith(_GZIP) else "zstd" if magic == ZSTD else "none"
        )

    def __enter__(self) -> "Content":
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    def _begin(self) -> "_Counted":
        return _Counted(self.path, self._file.fileno(), self.size_bytes)

    @property
    def taken_bytes(self) -> int:
        """Give how much of the file ``chunks`` has read, before it is expanded."""
        return self._source.taken

    @property
    def modified_unix_nano(self) -> int:
        """Give when the file had last been written to as it was opened."""
        return self._stamp[1]

    @property
    def changed(self) -> bool:
        """Tell whether somebody wrote to the file since it was opened."""
        return self._now() != self._stamp

    def verify(self, on_chunk: Callable[[], None]) -> None:
        """Expand all of it and keep nothing, as checksums stand behind what they are of.

        Args:
            on_chunk: called now and then.

        Raises:
            BadFile: as for ``chunks``.
        """
        if self.compression != "none":
            for _ in self.chunks():
                on_chunk()

    def sha256(self) -> str:
        """Give the hash of the file's bytes as they are, compressed or not."""
        digest = hashlib.sha256()
        offset = 0
        while data := self._source.at(offset, _CHUNK_BYTES):
            digest.update(data)
            offset += len(data)
        return digest.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """Give the expanded bytes from the beginning, at most about a MiB at a time.

        Raises:
            BadFile: the compressed stream ends early or is damaged, it expands beyond all
                measure, or it cannot be read.
        """
        self._source = self._begin()
        expand = {"none": _plain, "gzip": _gunzip, "zstd": _unzstd}[self.compression]
        total = 0
        try:
            for chunk in expand(self._source):
                total += len(chunk)
                if total > max(_RATIO_FROM_BYTES, _RATIO_MOST * self.taken_bytes):
                    raise BadFile(
                        f"{self.path}: expands more than {_RATIO_MOST} times; if that is right, "
                        f"expand it yourself and import what comes out"
                    )
                yield chunk
        except TornError as error:
            # The bytes before the fault may be wrong too: only the end of a stream proves them.
            raise BadFile(
                f"{self.path}: {error}; copy it again, or expand what can be and import that"
            ) from error

    def _now(self) -> tuple[int, int]:
        """Give what changes when the file does."""
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns


class _Counted(io.RawIOBase):
    """The first so many bytes of a file, counted as they are read."""

    def __init__(self, path: Path, handle: int, limit: int) -> None:
        self._path = path
        self._handle = handle
        self._limit = limit
        self.taken = 0

    def readable(self) -> bool:
        """Say yes, as PyArrow wants to hear."""
        return True

    def at(self, offset: int, size: int) -> bytes:
        """Give bytes from a place, uncounted; empty at the end."""
        try:
            return os.pread(self._handle, min(size, self._limit - offset), offset)
        except OSError as error:
            raise BadFile(f"{self._path}: cannot be read ({error.strerror})") from error

    def read(self, size: int = -1) -> bytes:
        """Give the next bytes; empty at the end."""
        data = self.at(self.taken, self._limit if size < 0 else size)
        self.taken += len(data)
        return data


def head(path: Path, size: int) -> Head:
    """Give the first expanded bytes of a file, as far as they can be read.

    Raises:
        BadFile: its beginning cannot be expanded or read.
    """
    with Content(path) as content:
        begin = b""
        for chunk in content.chunks():
            begin += chunk
            if len(begin) >= size:
                return Head(begin[:size], whole=False)
        return Head(begin, whole=True)


def expand_message(packed: bytes, most_bytes: int) -> bytes:
    """Expand one message that was compressed by itself with zstd.

    Raises:
        TornError: it is cut off or damaged, or expands beyond the limit.
    """
    chunks: list[bytes] = []
    size = 0
    for chunk in _unzstd(io.BytesIO(packed)):
        chunks.append(chunk)
        size += len(chunk)
        if size > most_bytes:
            raise TornError(f"expands to more than {most_bytes} bytes")
    return b"".join(chunks)


def _plain(source: _Counted) -> Iterator[bytes]:
    """Give bytes as they are."""
    while chunk := source.read(_CHUNK_BYTES):
        yield chunk


def _gunzip(source: _Counted) -> Iterator[bytes]:
    """Expand gzip: any number of members, zeros between and behind them as tar leaves them."""
    rest = b""
    while rest := (rest or source.read(_CHUNK_BYTES)):
        rest = rest.lstrip(b"\0")
        if not rest:
            continue
        expander = zlib.decompressobj(_GZIP_WINDOW)
        while not expander.eof:
            try:
                chunk = expander.decompress(rest, _CHUNK_BYTES)
            except zlib.error as error:
                raise TornError(f"the gzip stream is damaged ({error})") from error
            rest = expander.unconsumed_tail
            if not chunk and not rest and not expander.eof:
                rest = source.read(_CHUNK_BYTES)
                if not rest:
                    raise TornError("the gzip stream is cut off")
            if chunk:
                yield chunk
        rest = expander.unused_data


def _unzstd(source: io.IOBase) -> Iterator[bytes]:
    """Expand zstd: any number of frames."""
    # PyArrow closes what it is given.
    stream = pa.CompressedInputStream(pa.PythonFile(source, mode="r"), "zstd")
    try:
        while chunk := stream.read(_ZSTD_CHUNK_BYTES):
            yield chunk
    except OSError as error:
        if "Truncated" in str(error):
            raise TornError("the zstd stream is cut off") from error
        raise TornError(f"the zstd stream is damaged ({error})") from error
