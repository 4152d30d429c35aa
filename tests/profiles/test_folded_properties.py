"""Folded stacks by their laws: round trip, totals, block sizes, and no bytes that break it."""

import gzip
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.collector import Head
from collectors.folded import FOLDED
from collectors.folded_rows import read
from pipeline.errors import BadFile
from tests.profiles.folded_reading import Read, read_file

# Names that are nothing else: no suffix, no mark, no thread, no bracket, not empty.
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters=";()<>[]#-^"),
    min_size=1,
    max_size=8,
)
STACKS = st.lists(NAMES, min_size=1, max_size=6).map(tuple)
COUNTS = st.integers(1, 2**40)
PROFILES = st.lists(st.tuples(STACKS, COUNTS), min_size=1, max_size=30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a place for files."""
    return tmp_path_factory.mktemp("folded")


def written(lines: list[str]) -> bytes:
    """Write lines."""
    return "".join(f"{line}\n" for line in lines).encode()


@settings(max_examples=50)
@given(profile=PROFILES)
def test_what_is_folded_is_read_back(folder: Path, profile) -> None:
    path = folder / "one.txt"
    path.write_bytes(written([f"{';'.join(stack)} {count}" for stack, count in profile]))
    expected: Counter[tuple[str, ...]] = Counter()
    for stack, count in profile:
        expected[stack] += count
    found = read_file(read, path)
    assert found.stacks() == dict(expected)
    (kind,) = found.tables["profiles"][0]["sample_types"]
    assert kind["total"] == sum(expected.values())
    assert found.messages == len(profile)


def comparable(found: Read) -> dict[str, list[str]]:
    """Give all rows, whatever their order."""
    return {name: sorted(map(str, rows)) for name, rows in found.tables.items()}


FRAMES = st.sampled_from(
    [
        "main",
        "f (a.py:3)",
        "copy_[k]",
        "",
        "-",
        "map<int;",
        "char>",
        "thread (7): x",
        "é",
        "--",
        "g(",
    ]
)
TEXTS = st.lists(
    st.tuples(st.lists(FRAMES, min_size=1, max_size=6), st.decimals(0, 1000, places=3)),
    min_size=1,
    max_size=20,
)


@settings(max_examples=30)
@given(lines=TEXTS, cuts=st.integers(0, 2**32))
def test_the_size_of_a_block_makes_no_difference(folder: Path, lines, cuts: int) -> None:
    content = written([f"{';'.join(frames)} {count:f}" for frames, count in lines])
    whole, parts = folder / "whole.txt", folder / "parts.txt"
    whole.write_bytes(content)
    chunk = random.Random(cuts).randrange(1, 60)
    parts.write_bytes(
        b"".join(
            gzip.compress(content[at : at + chunk], 1, mtime=0)
            for at in range(0, len(content), chunk)
        )
    )
    try:
        expected = read_file(read, whole)
    except BadFile:
        return
    found = read_file(lambda c, r: read(c, r, block_bytes=1), parts)
    for each in (expected, found):
        for rows in each.tables.values():
            for row in rows:
                row.pop("source_file", None)
                # Counted once a block for each stack that differs in it.
                row.pop("warnings", None)
    assert comparable(found) == comparable(expected)
    assert found.rejects == expected.rejects


@settings(max_examples=40)
@given(lines=TEXTS)
def test_no_part_of_a_total_is_lost(folder: Path, lines) -> None:
    path = folder / "total.txt"
    path.write_bytes(written([f"main;{';'.join(frames)} {count:f}" for frames, count in lines]))
    found = read_file(read, path, unit="s")
    assert sum(row["value"] for row in found.tables["profile_samples"]) == sum(
        int(count * 10**9) for _, count in lines
    )


@settings(max_examples=50)
@given(
    content=st.one_of(
        st.binary(max_size=300),
        st.text(max_size=200).map(str.encode),
        st.from_regex(rb"([a-c;(<>\-\[\]_k \t\r\n#.0-9\xff\0]{1,12} [0-9.]{1,25}\n){1,8}"),
    ),
    origin=st.sampled_from([{}, {"comm": True}, {"unit": "s"}, {"tool": "offcputime"}]),
)
def test_any_bytes_are_rows_or_are_refused(folder: Path, content: bytes, origin) -> None:
    FOLDED.sniff(Head(content, whole=True))
    path = folder / "any.txt"
    path.write_bytes(content)
    try:
        found = read_file(read, path, **origin)
    except BadFile:
        return
    known = {row["stack_id"] for row in found.tables["profile_stacks"]}
    frames = {row["frame_id"] for row in found.tables["profile_frames"]}
    assert {row["stack_id"] for row in found.tables["profile_samples"]} <= known
    assert {each for row in found.tables["profile_stacks"] for each in row["frame_ids"]} <= frames
