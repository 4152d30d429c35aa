"""Stacks of a pprof profile as stacks and frames by content: each different one looked at once."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from collectors.frames_and_stacks import (
    NO_STACK,
    Bools,
    Frame,
    Frames,
    Ints,
    concat_rows,
    stack_ids,
    stack_rows,
    take_lists,
)
from collectors.otlp.columns import lengths
from collectors.pprof_frames import read_pprof_frames
from collectors.pprof_message import Pprof
from collectors.pprof_tables import distinct_lists, ids_of, places_of
from pipeline.errors import BadRequest
from pipeline.schema import PROFILE_STACKS

# How deep Go's runtime looks, in its older and newer releases: a stack of that very depth that
# does not reach the first function of a goroutine was cut.
_GO_DEPTHS = (64, 128)
_GO_ROOT = "runtime.goexit"

# Frames expanded at once: some 25 bytes each as rows, and several times that on the way.
_PART_FRAMES = 1 << 17

# Inlining makes a stack deeper than it was sent, but not by this much over a whole profile.
_FRAMES_ALWAYS = 8_000_000
_FRAMES_A_LOCATION_MOST = 16


@dataclass(frozen=True)
class PprofStacks:
    """The stacks of a profile's samples.

    Attributes:
        of_sample: for each sample the id of its stack.
        identities: of the d different lists of locations; two of them may be of one stack.
        expanded: these as frames.
    """

    of_sample: Ints
    identities: Ints
    expanded: "Expanded"

    @cached_property
    def stacks(self) -> pa.Table:
        """Give all rows of profile_stacks, each id once."""
        return concat_rows(list(self.parts()), "stack_id", PROFILE_STACKS.arrow_schema)

    @cached_property
    def frames(self) -> pa.Table:
        """Give the rows of profile_frames, each id once."""
        return self.expanded.frames.rows()

    def parts(self) -> Iterator[pa.Table]:
        """Give rows of profile_stacks part after part; an id stands once in each."""
        start = 0
        for places, counts, cut in self.expanded.parts():
            identities = self.identities[start : start + len(counts)]
            yield stack_rows(identities, self.expanded.frames, places, counts, cut)
            start += len(counts)


@dataclass(frozen=True)
class Expanded:
    """Different lists of locations, and the frames of the locations.

    Attributes:
        frames: the frames.
        counts, locations: d lengths, and all lists end to end, leaf first; none is empty.
        frame_counts, frame_places: for l locations how many frames each has, and their places in
            ``frames`` end to end, innermost first.
    """

    frames: Frames
    counts: Ints
    locations: Ints
    frame_counts: Ints
    frame_places: Ints

    def ids(self) -> Ints:
        """Give the d ids of the stacks."""
        found = [np.zeros(0, dtype=np.int64)]
        hashes = self.frames.ids()
        for places, counts, cut in self.parts():
            found.append(stack_ids(hashes[places], counts, cut))
        return np.concatenate(found)

    def parts(self) -> Iterator[tuple[Ints, Ints, Bools]]:
        """Give the stacks as places of frames, their depths, and whether Go cut them; in parts."""
        ends = np.cumsum(self.counts)
        depths = self.depths
        bounds = np.cumsum(depths)
        start = first = 0
        while start < len(depths):
            before = int(bounds[start - 1]) if start else 0
            stop = int(np.searchsorted(bounds, before + _PART_FRAMES, side="right"))
            stop = max(stop, start + 1)
            last = int(ends[stop - 1])
            _, places = take_lists(self.frame_counts, self.frame_places, self.locations[first:last])
            counts = depths[start:stop]
            cut = np.isin(counts, _GO_DEPTHS) | np.isin(self.counts[start:stop], _GO_DEPTHS)
            if cut.any():
                cut &= ~self._roots[places[np.cumsum(counts) - 1]]
            yield places, counts, cut
            start, first = stop, last

    @cached_property
    def _roots(self) -> Bools:
        """Tell which frames are the first function of a goroutine."""
        found: Bools = self.frames.labels().to_numpy(zero_copy_only=False) == _GO_ROOT
        return found

    @cached_property
    def depths(self) -> Ints:
        """Give the d depths, inlined frames counted."""
        if not len(self.counts):
            return self.counts
        starts = np.cumsum(self.counts) - self.counts
        found: Ints = np.add.reduceat(self.frame_counts[self.locations], starts)
        return found


def read_pprof_stacks(profile: Pprof, warnings: Counter[str]) -> PprofStacks:
    """Read the stacks of a profile.

    Args:
        profile: the profile.
        warnings: gains samples_without_stack.

    Raises:
        BadRequest: a number of a location, function, mapping or string is not in the profile, or
            the stacks have far more frames than locations.
    """
    lists = profile.samples.field("location_id")
    sent = lengths(lists)
    sent_ids = np.asarray(lists.flatten().to_numpy(zero_copy_only=False), dtype=np.uint64)
    first, which = distinct_lists(sent, sent_ids.view(np.int64))
    counts, ids = sent, sent_ids.view(np.int64)
    if len(first) < len(sent):
        counts, ids = take_lists(sent, ids, first)
    locations = places_of(ids_of(profile.locations, "id"), ids.view(np.uint64), "location")
    uses = np.bincount(locations, minlength=len(profile.locations))
    used = np.flatnonzero(uses)
    frames = Frames()
    frame_counts = np.zeros(len(uses), dtype=np.int64)
    frame_counts[used], frame_places = read_pprof_frames(profile, used, frames)
    # As floats, because what inlining multiplies may be beyond 63 bits.
    depth = float(uses.astype(np.float64) @ frame_counts.astype(np.float64))
    most = _FRAMES_ALWAYS + _FRAMES_A_LOCATION_MOST * len(locations)
    if depth > most:
        raise BadRequest(f"more than {most} frames in the stacks of {len(locations)} locations")
    empty = counts == 0
    if empty.any():
        warnings["samples_without_stack"] += int((sent == 0).sum())
        begins = np.cumsum(counts) - counts
        locations = np.insert(locations, begins[empty], len(uses))
        counts = np.where(empty, 1, counts)
        frame_counts = np.append(frame_counts, 1)
        frame_places = np.append(frame_places, frames.add(Frame(NO_STACK)))
    expanded = Expanded(frames, counts, locations, frame_counts, frame_places)
    identities = expanded.ids()
    return PprofStacks(identities[which], identities, expanded)
