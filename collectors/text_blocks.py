"""Text of a file in blocks of whole lines: UTF-8 whatever it was, CRLF as LF, within limits."""

import codecs
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collectors.expand import Content
from pipeline.errors import BadFile

BLOCK_BYTES = 8 << 20

# bpftrace prints a whole map of stacks as one line; a longer one is no text that we know.
MOST_LINE_BYTES = 64 << 20

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NEWLINE = 10


@dataclass(frozen=True)
class Block:
    """Some lines of a file.

    Attributes:
        offset: where it begins in the expanded content, for ``Reading.piece``.
        line: the number of its first line; the first of a file is 1.
        data: whole lines as UTF-8, each ended by LF, the file's last one too.
    """

    offset: int
    line: int
    data: bytes

    def lines(self) -> pa.StringArray:
        """Give its lines without their ends.

        >>> Block(0, 1, b"a\\n\\nbc\\n").lines().to_pylist()
        ['a', '', 'bc']
        """
        buffer = np.frombuffer(self.data, dtype=np.uint8)
        ends: npt.NDArray[np.int32] = np.flatnonzero(buffer == _NEWLINE).astype(np.int32)
        # A string ends where the next begins, so the LF belongs to the line here and is cut below.
        offsets = np.concatenate([np.zeros(1, dtype=np.int32), ends + 1]).astype(np.int32)
        whole = pa.StringArray.from_buffers(
            len(ends), pa.py_buffer(offsets), pa.py_buffer(self.data)
        )
        return pc.utf8_rtrim(whole, characters="\n")


def text_blocks(
    content: Content, warnings: Counter[str], block_bytes: int = BLOCK_BYTES
) -> Iterator[Block]:
    """Give a file's text.

    Args:
        content: the file.
        warnings: gains invalid_utf8, the blocks in which bytes that are no UTF-8 were replaced.
        block_bytes: about how large a block is.

    Yields:
        Blocks in order.

    Raises:
        BadFile: a line is longer than MOST_LINE_BYTES, or the content cannot be expanded or read.
    """
    line = 1
    for offset, raw in _pieces(content, block_bytes):
        data = raw
        if not data.isascii():
            try:
                data.decode("utf-8")
            except UnicodeDecodeError:
                warnings["invalid_utf8"] += 1
                data = data.decode("utf-8", "replace").encode("utf-8")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        yield Block(offset, line, data)
        # Eight times as fast as bytes.count, which looks for one after the other.
        line += int(np.count_nonzero(np.frombuffer(data, dtype=np.uint8) == _NEWLINE))


def _pieces(content: Content, block_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Cut the content at line ends, in UTF-8 if it told another encoding."""
    parts: list[bytes] = []
    size = start = offset = 0
    decoder: codecs.IncrementalDecoder | None = None
    for number, chunk in enumerate(content.chunks()):
        offset += len(chunk)
        if number == 0:
            bom, encoding = next((b for b in _BOMS if chunk.startswith(b[0])), (b"", "utf-8"))
            chunk = chunk[len(bom) :]
            if encoding != "utf-8":
                decoder = codecs.getincrementaldecoder(encoding)("replace")
        data = decoder.decode(chunk).encode("utf-8", "replace") if decoder else chunk
        parts.append(data)
        size += len(data)
        if size < block_bytes:
            continue
        cut = data.rfind(b"\n") + 1
        if cut:
            yield start, b"".join([*parts[:-1], data[:cut]])
            parts, start = [data[cut:]], offset
            size = len(parts[0])
        elif size > MOST_LINE_BYTES + block_bytes:
            raise BadFile(
                f"{content.path}: a line of more than {MOST_LINE_BYTES} bytes; it is no text file"
            )
    if decoder:
        parts.append(decoder.decode(b"", final=True).encode("utf-8", "replace"))
    rest = b"".join(parts)
    if rest:
        yield start, rest if rest.endswith(b"\n") else rest + b"\n"
