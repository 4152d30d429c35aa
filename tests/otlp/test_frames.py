"""Frames: what damage a segment has, and that nothing around it is lost or made up."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from collectors.otlp.frames import HEADER_BYTES, MAGIC, Damage, Frame, pack, unpack

FRAMES = [
    Frame(1, 10, b"a" * 16, b"first"),
    Frame(2, 20, b"b" * 16, b""),
    Frame(255, 2**64 - 1, b"c" * 16, MAGIC + b"looks like a frame"),
    Frame(1, 40, b"d" * 16, b"last"),
]
SEGMENT = b"".join(itertools.chain.from_iterable(map(pack, FRAMES)))
STARTS = [0, *itertools.accumulate(HEADER_BYTES + len(frame.payload) for frame in FRAMES)]


def frame_at(offset: int) -> int:
    """Give which frame a byte belongs to."""
    return sum(offset >= start for start in STARTS[1:])


def read(segment: bytes) -> tuple[list[Frame], list[Damage]]:
    items = list(unpack(segment))
    frames = [item for item in items if isinstance(item, Frame)]
    return frames, [item for item in items if isinstance(item, Damage)]


def test_frames_come_back_as_they_were_packed() -> None:
    assert list(unpack(SEGMENT)) == FRAMES


def test_an_empty_segment_holds_nothing() -> None:
    assert list(unpack(b"")) == []


def test_cut_anywhere_every_whole_frame_is_read_and_the_torn_tail_is_told() -> None:
    for size in range(len(SEGMENT)):
        whole = frame_at(size)
        tail = SEGMENT[STARTS[whole] : size]
        frames, damages = read(SEGMENT[:size])
        assert frames == FRAMES[:whole]
        assert damages == ([Damage(STARTS[whole], tail, torn=True)] if tail else [])


def test_flipped_anywhere_every_other_frame_is_read_and_nothing_false() -> None:
    for offset, bit in itertools.product(range(len(SEGMENT)), range(8)):
        flipped = bytearray(SEGMENT)
        flipped[offset] ^= 1 << bit
        hit = frame_at(offset)
        frames, damages = read(bytes(flipped))
        assert frames == FRAMES[:hit] + FRAMES[hit + 1 :], f"bit {bit} of byte {offset}"
        assert b"".join(damage.content for damage in damages) == bytes(
            flipped[STARTS[hit] : STARTS[hit + 1]]
        )


def test_damage_in_the_middle_is_not_taken_for_a_torn_tail() -> None:
    flipped = b"\x00" + SEGMENT[1:]
    _, damages = read(flipped)
    assert [damage.torn for damage in damages] == [False]


def test_a_lost_block_costs_only_the_frames_in_it() -> None:
    # As a disk leaves a page that was never written.
    lost = SEGMENT[: STARTS[1]] + bytes(STARTS[2] - STARTS[1]) + SEGMENT[STARTS[2] :]
    frames, damages = read(lost)
    assert frames == [FRAMES[0], *FRAMES[2:]]
    assert len(damages) == 1


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_random_bytes_around_frames_make_no_frames(before: bytes, after: bytes) -> None:
    frames, damages = read(before + SEGMENT + after)
    assert frames == FRAMES
    assert sum(len(damage.content) for damage in damages) == len(before) + len(after)
