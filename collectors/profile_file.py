"""Rows of the profiles of one file: samples part after part, then the profiles themselves."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from collectors.collector import Reading
from collectors.frames_and_stacks import Bools, Frames, Ints, content_id, stack_ids, stack_rows
from collectors.imported_rows import complete
from collectors.profile_types import canonical_unit
from pipeline.errors import BadFile
from pipeline.schema import ATTRIBUTES, PROFILE_FRAMES, PROFILE_SAMPLES, PROFILE_STACKS, PROFILES
from pipeline.schema.profiles import SAMPLE_TYPES

_TOTAL_MOST = 2**63 - 1


@dataclass(frozen=True)
class Stacks:
    """Stacks of a part of a file.

    Attributes:
        frames: the frames.
        places: those in ``frames`` of all stacks end to end, leaf first, inlined ones expanded. A
            stack without frames is the frame NO_STACK.
        counts: n depths, none of them 0.
        truncated: n, whether the profiler cut it.
    """

    frames: Frames
    places: Ints
    counts: Ints
    truncated: Bools

    def ids(self) -> Ints:
        """Give the n ids."""
        return stack_ids(self.frames.ids()[self.places], self.counts, self.truncated)


@dataclass(frozen=True)
class Samples:
    """Samples of one profile, or of a part of it.

    Attributes:
        stacks: the stacks they point at; best each once.
        stack_of_sample: m numbers of stacks.
        columns: own columns of profile_samples, m long each: profile_type, sample_type,
            sample_unit (canonical) and value must be there; samples, is_cumulative, thread_id, pid,
            thread_name, comm, trace_id, span_id, local_root_span_id, labels, num_labels,
            time_unix_nano and duration_nano may be.
    """

    stacks: Stacks
    stack_of_sample: Ints
    columns: Mapping[str, pa.Array]


@dataclass(frozen=True)
class Facts:
    """What is known of one profile as a whole.

    Attributes:
        sample_types: name, unit and total of each, name and unit as sent.
        time_unix_nano, duration_nano: 0 for unknown.
        period, period_type: what was counted between two samples; 0 and empty for unknown.
        default_sample_type, drop_frames, keep_frames: as sent; empty for none.
        comments: as sent.
        attributes: of the profile: its event, its name, ….
        warnings: what was repaired or dropped, for people.
        lost: samples that the profiler lost; None for unknown.
    """

    sample_types: Sequence[tuple[str, str, int]]
    time_unix_nano: int = 0
    duration_nano: int = 0
    period: int = 0
    period_type: str = ""
    default_sample_type: str = ""
    drop_frames: str = ""
    keep_frames: str = ""
    comments: Sequence[str] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    lost: int | None = None


class ProfileFile:
    """Makes the rows of a file's profiles. A profile is known by its file's hash and its number."""

    def __init__(
        self, reading: Reading, source_format: str, own: Mapping[str, str] | None = None
    ) -> None:
        """Begin.

        Args:
            reading: how the file is read.
            source_format: the collector's format.
            own: resource attributes that the file itself says.
        """
        self._reading = reading
        self._format = source_format
        self._resource = reading.origin.resource(own)
        self.warnings: Counter[str] = Counter()

    def profile_id(self, number: int) -> int:
        """Give the id of a profile by its number in the file."""
        return content_id(bytes.fromhex(self._reading.sha256), number.to_bytes(8, "little"))

    def time(self, own_unix_nano: int) -> int:
        """Give when a profile was recorded: what was said, its own time, else the file's."""
        origin = self._reading.origin
        return origin.time_unix_nano or own_unix_nano or self._reading.modified_unix_nano

    def samples(
        self, number: int, samples: Samples, time_unix_nano: int = 0, duration_nano: int = 0
    ) -> dict[str, pa.Table]:
        """Give the rows of some samples and of the stacks and frames they point at.

        Args:
            number: of the profile in the file.
            samples: the samples.
            time_unix_nano: the profile's own time, for samples without one; 0 for unknown.
            duration_nano: the profile's; 0 for unknown.

        Returns:
            Tables by name: profile_samples, profile_stacks, profile_frames.
        """
        stacks = samples.stacks
        ids = stacks.ids()
        count = len(samples.stack_of_sample)
        columns = dict(samples.columns)
        columns["stack_id"] = pa.array(ids[samples.stack_of_sample])
        columns["profile_id"] = pa.array(np.full(count, self.profile_id(number), dtype=np.int64))
        when = pa.repeat(pa.scalar(self.time(time_unix_nano), pa.int64()), count)
        columns.setdefault("time_unix_nano", when)
        lasted = duration_nano or self._reading.origin.duration_nano
        if lasted:
            columns.setdefault("duration_nano", pa.repeat(pa.scalar(lasted, pa.int64()), count))
        rows = complete(PROFILE_SAMPLES, columns, self._reading, self._resource, self.warnings)
        return {
            PROFILE_SAMPLES.name: rows,
            PROFILE_STACKS.name: stack_rows(
                ids, stacks.frames, stacks.places, stacks.counts, stacks.truncated
            ),
            PROFILE_FRAMES.name: stacks.frames.rows(),
        }

    def profiles(self, facts: Sequence[Facts]) -> pa.Table:
        """Give the rows of the profiles table, in the order of their numbers from 0.

        Raises:
            BadFile: values add up to more than 63 bits hold.
        """
        for name, unit, total in (each for one in facts for each in one.sample_types):
            if not -_TOTAL_MOST <= total <= _TOTAL_MOST:
                file = self._reading.file
                raise BadFile(f"{file}: values of {name} ({unit}) add up to more than 2^63-1")
        columns: dict[str, pa.Array] = {
            "profile_id": pa.array(map(self.profile_id, range(len(facts))), pa.int64()),
            "time_unix_nano": pa.array([self.time(f.time_unix_nano) for f in facts], pa.int64()),
            "duration_nano": pa.array(
                [f.duration_nano or self._reading.origin.duration_nano or None for f in facts],
                pa.int64(),
            ),
            "sample_types": pa.array(
                [[{"type": t, "unit": u, "total": n} for t, u, n in f.sample_types] for f in facts],
                SAMPLE_TYPES,
            ),
            "comments": pa.array([list(f.comments) for f in facts], pa.list_(pa.string())),
            "warnings": pa.array([list(f.warnings) for f in facts], pa.list_(pa.string())),
            "attributes": pa.array([list(f.attributes.items()) for f in facts], ATTRIBUTES),
            "source_format": pa.array([self._format] * len(facts), pa.string()),
            "source_sha256": pa.array([self._reading.sha256] * len(facts), pa.string()),
            "lost": pa.array([f.lost for f in facts], pa.int64()),
            "period": pa.array([f.period or None for f in facts], pa.int64()),
        }
        for name in ("period_type", "default_sample_type", "drop_frames", "keep_frames"):
            columns[name] = pa.array([getattr(f, name) or None for f in facts], pa.string())
        return complete(PROFILES, columns, self._reading, self._resource, self.warnings)


def in_canonical_unit(values: Ints, unit: str) -> tuple[Ints, str]:
    """Give values in the schema's unit, and that unit.

    >>> in_canonical_unit(np.array([2]), "ms")
    (array([2000000]), 'nanoseconds')
    """
    canonical, factor = canonical_unit(unit)
    return values * factor, canonical
