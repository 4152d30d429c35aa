"""Ids of frames and stacks: pinned, because rows of years and of other machines have them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.frames_and_stacks import Frame, content_id, frame_id, stack_ids
from collectors.profile_types import PROFILE_TYPE_NAMES, canonical_unit, profile_type
from pipeline.schema.profiles import PROFILE_TYPES

LEAF = Frame("main.work", "main.work", "/src/work.go", 42, mapping="app", build_id="abc")
PIN_LEAF = -1010125562630910589
PIN_ADDRESS = 3060713669016451474
PIN_STACK = -5185084865041735310


def test_three_ids_are_pinned() -> None:
    assert frame_id(LEAF) == PIN_LEAF
    assert frame_id(Frame(mapping="libc.so", address=0xFFFF_FFFF_8100_0000)) == PIN_ADDRESS
    both = np.array([PIN_LEAF, PIN_ADDRESS])
    assert stack_ids(both, np.array([2]), np.array([False])).tolist() == [PIN_STACK]


STACKS = st.lists(
    st.tuples(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1), st.booleans()), max_size=5
)


@given(stacks=STACKS)
def test_a_stacks_id_is_that_of_its_frames_and_whether_it_was_cut(
    stacks: list[tuple[list[int], bool]],
) -> None:
    frames = np.array([each for stack, _ in stacks for each in stack], dtype=np.int64)
    counts = np.array([len(stack) for stack, _ in stacks], dtype=np.int64)
    cut = np.array([flag for _, flag in stacks], dtype=np.bool_)
    expected = [
        content_id(np.array(stack, dtype="<i8").tobytes(), bytes([flag])) for stack, flag in stacks
    ]
    assert stack_ids(frames, counts, cut).tolist() == expected


@pytest.mark.parametrize(
    "other",
    [
        LEAF._replace(function="main.rest"),
        LEAF._replace(system_name="_main.work"),
        LEAF._replace(file="/src/work.go4", line=2),
        LEAF._replace(line=43),
        LEAF._replace(mapping="ap", build_id="pabc"),
        LEAF._replace(inlined=True),
    ],
)
def test_what_tells_frames_apart(other: Frame) -> None:
    assert frame_id(other) != frame_id(LEAF)


def test_what_does_not_tell_frames_apart() -> None:
    assert frame_id(LEAF._replace(address=99, column=3, start_line=40, kind="native")) == frame_id(
        LEAF
    )
    unnamed = Frame(mapping="app", address=1)
    assert frame_id(unnamed) != frame_id(unnamed._replace(address=2))


def test_a_truncated_stack_is_another_and_so_is_one_cut_elsewhere() -> None:
    flat = np.array([1, 2, 3, 1, 2, 3])
    whole = stack_ids(flat, np.array([3, 3]), np.array([False, True]))
    parts = stack_ids(flat, np.array([2, 1, 3]), np.array([False] * 3))
    assert len({*whole.tolist(), *parts.tolist()}) == 4


def test_every_name_stands_for_a_type_of_the_schema() -> None:
    assert set(PROFILE_TYPE_NAMES) | {"other"} == set(PROFILE_TYPES)


@pytest.mark.parametrize(
    ("name", "unit", "period", "expected"),
    [
        ("CPU", "nanoseconds", "", "cpu"),
        ("cpu-time", "nanoseconds", "", "cpu"),
        ("samples", "count", "cpu", "cpu"),
        ("samples", "count", "wall", "wall"),
        ("samples", "count", "", "events"),
        ("events", "nanoseconds", "", "off_cpu"),
        ("alloc-samples", "count", "", "alloc_objects"),
        ("inuse_space", "bytes", "space", "inuse_space"),
        ("contentions", "count", "contentions", "lock_count"),
        ("delay", "nanoseconds", "contentions", "lock_wait"),
        ("goroutine", "count", "", "goroutine"),
        ("exception-samples", "count", "", "other"),
    ],
)
def test_types_by_their_many_names(name: str, unit: str, period: str, expected: str) -> None:
    assert profile_type(name, unit, period) == expected


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("nanoseconds", ("nanoseconds", 1)),
        ("Milliseconds", ("nanoseconds", 1_000_000)),
        ("us", ("nanoseconds", 1_000)),
        ("second", ("nanoseconds", 1_000_000_000)),
        ("By", ("bytes", 1)),
        ("MiB", ("bytes", 1 << 20)),
        ("{samples}", ("count", 1)),
        ("cycles", ("cycles", 1)),
        ("", ("count", 1)),
    ],
)
def test_units_by_their_many_names(unit: str, expected: tuple[str, int]) -> None:
    assert canonical_unit(unit) == expected
