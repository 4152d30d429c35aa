"""Distinct stacks of perf script, found by hashing whole columns of frames."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from collectors.frames_and_stacks import Bools, Ints, stack_ids, take_lists
from collectors.perf_script_frames import FrameTexts
from collectors.profile_file import Stacks

Words = npt.NDArray[np.uint64]

# Odd numbers without pattern: the golden ratio and the constants of splitmix64.
_OF_PLACE = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)

# What the kernel keeps of a stack (kernel.perf_event_max_stack).
_FRAMES_MOST = 127

# Distinct stacks that are remembered; beyond it the memory of a file without end would grow.
_STACKS_MOST = 2_000_000


@dataclass(frozen=True)
class KnownStacks(Stacks):
    """Stacks whose ids are known.

    Attributes:
        identities: n ids.
    """

    identities: Ints

    def ids(self) -> Ints:
        """Give the n ids."""
        return self.identities

    def taken(self, rows: Ints) -> "KnownStacks":
        """Give some of them."""
        counts, places = take_lists(self.counts, self.places, rows)
        cut, identities = self.truncated[rows], self.identities[rows]
        return KnownStacks(self.frames, places, counts, cut, identities)


@dataclass
class FileStacks:
    """The stacks that a file had so far.

    Attributes:
        texts: the frames they are made of, as numbers.
    """

    texts: FrameTexts = field(default_factory=FrameTexts)
    _ids: dict[int, int] = field(default_factory=dict)

    def distinct(self, numbers: Ints, counts: Ints) -> tuple[KnownStacks, Ints]:
        """Find the distinct stacks of n samples.

        Args:
            numbers: frames of all samples end to end, leaf first, as ``texts`` gives them.
            counts: n depths, none of them 0.

        Returns:
            The stacks, and for each sample the number of its stack.

        Source: Steele, Lea and Flood (2014), OOPSLA: splitmix64, the mixing of frame and place.
        """
        hashes, first, stack_of_sample = np.unique(
            _hashes(numbers, counts), return_index=True, return_inverse=True
        )
        depths, own = take_lists(counts, numbers, first)
        widths, places = self.texts.expanded(own)
        ends = np.concatenate([[0], np.cumsum(widths)])[np.concatenate([[0], np.cumsum(depths)])]
        wide = np.diff(ends)
        cut = depths == _FRAMES_MOST
        identities = self._known(hashes, self.texts.frames.ids(), places, wide, cut)
        stacks = KnownStacks(self.texts.frames, places, wide, cut, identities)
        return stacks, stack_of_sample.astype(np.int64)

    def _known(
        self, hashes: Words, frame_ids: Ints, places: Ints, counts: Ints, cut: Bools
    ) -> Ints:
        """Give ids of stacks; each is made once."""
        if len(self._ids) > _STACKS_MOST:
            self._ids.clear()
        keys = hashes.tolist()
        new = np.flatnonzero([key not in self._ids for key in keys])
        if len(new):
            depths, own = take_lists(counts, places, new)
            made = stack_ids(frame_ids[own], depths, cut[new])
            self._ids.update(zip(hashes[new].tolist(), made.tolist(), strict=True))
        return np.array([self._ids[key] for key in keys], dtype=np.int64)


def _hashes(numbers: Ints, counts: Ints) -> Words:
    """Give a hash of each stack: a sum over its frames, each mixed with its place."""
    starts = np.cumsum(counts) - counts
    place = np.arange(len(numbers)) - np.repeat(starts, counts)
    mixed = numbers.astype(np.uint64) + (place + 1).astype(np.uint64) * _OF_PLACE
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    mixed ^= mixed >> np.uint64(31)
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(mixed, dtype=np.uint64)])
    result: Words = sums[starts + counts] - sums[starts]
    return result
