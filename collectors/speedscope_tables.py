"""Tables of profiles whose stacks are known as numbers of frames, each stack once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from collectors.collector import Reading
from collectors.frames_and_stacks import NO_STACK, Frame, Frames, Ints, concat_rows
from collectors.profile_file import Facts, ProfileFile, Samples, Stacks
from pipeline.schema import PROFILE_FRAMES, PROFILE_SAMPLES, PROFILE_STACKS, PROFILES


@dataclass(frozen=True)
class Weights:
    """The samples of one profile.

    Attributes:
        stacks: n, as numbers of frames, leaf first; an empty one is no stack.
        values: n, in the canonical unit.
        samples: n, how often each was seen; None for unknown.
        kind, name, unit: profile type, name and canonical unit.
        pid, thread_id: None for unknown.
        thread_name: empty for unknown.
        facts: of the profile.
    """

    stacks: Sequence[tuple[int, ...]]
    values: Sequence[int]
    samples: Sequence[int] | None
    kind: str
    name: str
    unit: str
    pid: int | None
    thread_id: int | None
    thread_name: str
    facts: Facts


def profile_tables(
    reading: Reading,
    source_format: str,
    frames: Sequence[Frame],
    profiles: Sequence[Weights],
    warnings: Counter[str],
) -> dict[str, pa.Table]:
    """Give the rows of a file's profiles.

    Args:
        reading: how the file is read.
        source_format: the collector's format.
        frames: what the numbers of the stacks mean.
        profiles: the profiles, in order.
        warnings: gains what the rows' times lack.
    """
    file = ProfileFile(reading, source_format)
    known = Frames()
    empty = any(not stack for profile in profiles for stack in profile.stacks)
    # What stands for no stack comes last.
    every = [*frames, Frame(NO_STACK)] if empty else frames
    places = np.array([known.add(frame) for frame in every], dtype=np.int64)
    samples = [PROFILE_SAMPLES.arrow_schema.empty_table()]
    stacks = []
    for number, profile in enumerate(profiles):
        held = [place for place, value in enumerate(profile.values) if value]
        if not held:
            continue
        tables = file.samples(number, _samples(profile, held, known, places), 0)
        samples.append(tables[PROFILE_SAMPLES.name])
        stacks.append(tables[PROFILE_STACKS.name])
    told = file.profiles([profile.facts for profile in profiles])
    warnings.update(file.warnings)
    return {
        PROFILES.name: told,
        PROFILE_SAMPLES.name: pa.concat_tables(samples),
        PROFILE_STACKS.name: concat_rows(stacks, "stack_id", PROFILE_STACKS.arrow_schema),
        PROFILE_FRAMES.name: known.rows(),
    }


def _samples(profile: Weights, held: list[int], frames: Frames, places: Ints) -> Samples:
    """Give the samples of a profile that are not zero, each with a stack of its own."""
    # The last place is that of the frame for no stack.
    chosen = [profile.stacks[place] or (len(places) - 1,) for place in held]
    counts = np.array([len(stack) for stack in chosen], dtype=np.int64)
    flat = np.concatenate([np.array(stack, dtype=np.int64) for stack in chosen])
    cut = np.zeros(len(chosen), dtype=np.bool_)
    count = len(held)

    def repeated(value: object, kind: pa.DataType) -> pa.Array:
        return pa.repeat(pa.scalar(value, kind), count)

    columns = {
        "profile_type": repeated(profile.kind, pa.string()),
        "sample_type": repeated(profile.name, pa.string()),
        "sample_unit": repeated(profile.unit, pa.string()),
        "value": pa.array([profile.values[place] for place in held], pa.int64()),
        "pid": repeated(profile.pid, pa.int64()),
        "thread_id": repeated(profile.thread_id, pa.int64()),
        "thread_name": repeated(profile.thread_name or None, pa.string()),
    }
    if profile.samples is not None:
        columns["samples"] = pa.array([profile.samples[place] for place in held], pa.int64())
    of_sample = np.arange(count, dtype=np.int64)
    return Samples(Stacks(frames, places[flat], counts, cut), of_sample, columns)
