"""What holds of any of bpftrace's outputs."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.bpftrace import BPFTRACE_JSON, BPFTRACE_TEXT
from collectors.bpftrace_keys import join_surplus, key_parts
from pipeline.errors import BadFile
from tests.ebpf.bpftrace_files import NOON, Told, head, lines, tell

# Each reads a file or two.
EXAMPLES = 25

# So that no sum of them is beyond 63 bits, in nanoseconds neither.
COUNTS = st.integers(0, 2**45)
WORDS = st.text("ab7_\u00e9", min_size=1, max_size=6)
FRAMES = st.lists(WORDS.map(lambda name: f"    f{name}+1\n"), min_size=1, max_size=4)
STACKS = FRAMES.map(lambda frames: "\n" + "".join(frames))
KEYS = st.one_of(WORDS, st.tuples(WORDS, WORDS).map(",".join), STACKS)
BUCKETS = st.lists(
    st.fixed_dictionaries(
        {"count": COUNTS}, optional={"min": st.integers(-9, 2**62), "max": st.integers(-9, 2**62)}
    ),
    max_size=5,
)
NAMES = st.sampled_from(["@", "@us", "@n"])
OBJECTS = st.one_of(
    st.builds(lambda text: {"type": "printf", "data": text}, st.text(max_size=20)),
    st.builds(lambda n, v: {"type": "map", "data": {n: v}}, NAMES, COUNTS),
    st.builds(
        lambda n, v: {"type": "map", "data": {n: v}},
        NAMES,
        st.dictionaries(KEYS, COUNTS, max_size=4),
    ),
    st.builds(lambda v: {"type": "hist", "data": {"@h": v}}, BUCKETS),
    st.builds(
        lambda v: {"type": "hist", "data": {"@k": v}}, st.dictionaries(WORDS, BUCKETS, max_size=3)
    ),
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Give a folder for all examples."""
    with TemporaryDirectory() as name:
        yield Path(name)


def outcome(folder: Path, content: bytes, form: str, block_bytes: int = 8 << 20) -> Any:
    """Give the rows of a content, in an order of their own; or that it was refused."""
    try:
        told = tell(folder, content, form, block_bytes, time_unix_nano=NOON)
    except BadFile as error:
        return f"refused: {str(error).partition(':')[2][:30]}"
    return {name: sorted(map(repr, rows)) for name, rows in told.tables.items()}, told.rejects


def total(told: Told, objects: list[dict[str, Any]]) -> bool:
    """Tell whether every bucket and every line of objects is there."""
    buckets = []
    for each in objects:
        if each["type"] == "hist":
            for values in each["data"].values():
                for found in values.values() if isinstance(values, dict) else [values]:
                    buckets += [(b.get("min"), b.get("max"), b["count"]) for b in found]
    printed = [each["data"].removesuffix("\n") for each in objects if each["type"] == "printf"]
    return (
        told.rows("ebpf_histograms", "bucket_low", "bucket_high", "count") == buckets
        and told.rows("ebpf_events", "line") == printed
        and told.messages == len(objects)
        and not told.rejects
    )


@settings(max_examples=EXAMPLES)
@given(st.lists(OBJECTS, min_size=1, max_size=6), st.booleans())
def test_what_is_written_is_read(
    folder: Path, objects: list[dict[str, Any]], is_pretty: bool
) -> None:
    pretty = "\n".join(json.dumps(each, indent=1) for each in objects).encode()
    assert total(tell(folder, pretty if is_pretty else lines(*objects)), objects)


@settings(max_examples=EXAMPLES)
@given(st.lists(OBJECTS, min_size=1, max_size=6), st.integers(1, 200))
def test_json_is_read_alike_in_blocks_of_any_size(
    folder: Path, objects: list[dict[str, Any]], block_bytes: int
) -> None:
    content = lines(*objects)
    assert outcome(folder, content, "json", block_bytes) == outcome(folder, content, "json")


TEXTS = st.lists(
    st.sampled_from(
        [
            "@[a, b]: 1",
            "@[c, d]: 7",
            "@n: 3",
            "@us:",
            "@us[a]:",
            "[0]     3 |@@ |",
            "[1K, 2K)     3 |@@ |",
            "@[\n    f+1\n    main+2\n, bash]: 4",
            "@[, \n    g+1\n, a, b]: 4",
            "printed",
            "12:00:01",
            "12:00:07",
            "",
            "Lost 3 events",
        ]
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=EXAMPLES)
@given(TEXTS, st.integers(1, 60))
def test_text_is_read_alike_in_blocks_of_any_size(
    folder: Path, parts: list[str], block_bytes: int
) -> None:
    content = ("\n".join(parts) + "\n").encode()
    assert outcome(folder, content, "text", block_bytes) == outcome(folder, content, "text")


@settings(max_examples=EXAMPLES)
@given(
    st.lists(OBJECTS, min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    st.integers(0, 400),
)
def test_damage_of_any_kind_is_told_and_never_more(
    folder: Path, objects: list[dict[str, Any]], flips: list[tuple[int, int]], length: int
) -> None:
    content = bytearray(lines(*objects))
    for place, byte in flips:
        content[place % len(content)] = byte
    for form, collector in (("json", BPFTRACE_JSON), ("text", BPFTRACE_TEXT)):
        for cut in (bytes(content), bytes(content[:length])):
            assert collector.sniff(head(cut)) in (True, False)
            outcome(folder, cut, form)


@settings(max_examples=EXAMPLES)
@given(st.binary(max_size=300))
def test_no_bytes_at_all_raise_anything_else(folder: Path, content: bytes) -> None:
    for form, begin in (("json", b'{"type": "map", "data": {"@'), ("text", b"@us[")):
        outcome(folder, content, form)
        outcome(folder, begin + content, form)


@settings(max_examples=EXAMPLES)
@given(st.lists(st.one_of(STACKS, WORDS), min_size=1, max_size=5), st.integers(1, 6))
def test_keys_that_are_cut_and_joined_are_what_they_were(parts: list[str], keys: int) -> None:
    key = ",".join(parts)
    assert key_parts(key, ",") == parts
    assert ",".join(join_surplus(parts, keys, ",")) == key
