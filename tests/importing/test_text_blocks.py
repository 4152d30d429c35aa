"""Text in blocks: the same lines whatever the encoding, the line ends and the block size."""

import codecs
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.expand import Content
from collectors.text_blocks import text_blocks
from pipeline.errors import BadFile

CHARACTERS = st.characters(codec="utf-8", exclude_characters="\r\n")
LINES = st.lists(st.text(CHARACTERS))


def read(path: Path, block_bytes: int = 1 << 20) -> tuple[list[str], list[int], Counter[str]]:
    """Give a file's lines, the number of each block's first line, and the warnings."""
    warnings: Counter[str] = Counter()
    lines: list[str] = []
    firsts = []
    with Content(path) as content:
        for block in text_blocks(content, warnings, block_bytes):
            firsts.append(block.line)
            assert block.line == len(lines) + 1
            lines += block.lines().to_pylist()
    return lines, firsts, warnings


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a place for a file."""
    return tmp_path_factory.mktemp("text") / "file.txt"


@given(lines=LINES, end=st.sampled_from(["\n", "\r\n"]))
def test_the_lines_are_those_that_were_written(file: Path, lines: list[str], end: str) -> None:
    file.write_bytes("".join(line + end for line in lines).encode())
    found, _, warnings = read(file)
    # A mark at the very beginning says how the file is encoded and is no text.
    expected = [lines[0].removeprefix("\ufeff"), *lines[1:]] if lines else []
    assert found == expected
    assert not warnings


@pytest.mark.parametrize(
    ("bom", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
def test_a_byte_order_mark_tells_the_encoding(file: Path, bom: bytes, encoding: str) -> None:
    file.write_bytes(bom + "größe;a 1\r\nb 2".encode(encoding))
    assert read(file)[0] == ["größe;a 1", "b 2"]


def test_blocks_are_whole_lines_and_know_their_number(file: Path) -> None:
    file.write_bytes(b"".join(b"%07d\n" % number for number in range(1 << 19)))
    lines, firsts, _ = read(file, block_bytes=1 << 20)
    assert len(firsts) == 4
    assert lines == [f"{number:07d}" for number in range(1 << 19)]


def test_bytes_that_are_no_utf8_are_replaced_and_counted(file: Path) -> None:
    file.write_bytes(b"a\xff 1\n")
    assert read(file) == (["a\ufffd 1"], [1], Counter(invalid_utf8=1))


def test_an_empty_file_has_no_block(file: Path) -> None:
    file.write_bytes(b"")
    assert read(file) == ([], [], Counter())


def test_a_line_without_an_end_is_refused_in_bounded_memory(file: Path) -> None:
    file.write_bytes(b"x" * (68 << 20))
    with pytest.raises(BadFile, match="a line of more than 67108864 bytes; it is no text file"):
        read(file)
