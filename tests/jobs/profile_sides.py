"""Profiles of many counts, landed in one commit a table, for the tests of jobs over them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from collectors.frames_and_stacks import Frame, Frames
from collectors.profile_file import Facts, ProfileFile, Samples, Stacks
from pipeline.lake import Lake
from pipeline.schema import PROFILE_SAMPLES
from tests.report.profile_lake import NOON, SECOND, append_all, reading

# Of a hundred samples a second.
PERIOD_NANO = 10_000_000


def land_side(
    lake: Lake,
    stacks: Sequence[str],
    counts: Sequence[Sequence[int]],
    version: str = "1",
    instance: str = "",
    kind: str = "cpu",
    unit: str = "nanoseconds",
    worth: int = PERIOD_NANO,
    every_seconds: int = 60,
    duration_nano: int = 0,
    module_of: str = "",
    own: dict[str, Any] | None = None,
) -> None:
    """Land profiles of one release of a service called shop.

    Args:
        lake: where.
        stacks: each ``root;caller;leaf``.
        counts: a row a profile, of as many samples as there are stacks; 0 is no row.
        version, instance: of the service.
        kind, unit: of the values, each ``worth`` times the samples.
        every_seconds: between two profiles, from noon on.
        duration_nano: of each.
        module_of: the mapping of every frame.
        own: more columns of profile_samples, one value for all.
    """
    attributes = {"service.name": "shop", "service.version": version}
    attributes |= {"service.instance.id": instance} if instance else {}
    content = repr((stacks, counts, version, instance, kind)).encode()
    file = ProfileFile(reading(content, attributes), "test")
    parts: dict[str, list[pa.Table]] = {}
    facts = []
    for number, row in enumerate(counts):
        held = [place for place, count in enumerate(row) if count]
        time = NOON + number * every_seconds * SECOND
        samples = _samples([stacks[place] for place in held], module_of)
        values = pa.array([row[place] for place in held], pa.int64())
        columns = {
            "profile_type": pa.array([kind] * len(held), pa.string()),
            "sample_type": pa.array([kind] * len(held), pa.string()),
            "sample_unit": pa.array([unit] * len(held), pa.string()),
            "value": pa.array([row[place] * worth for place in held], pa.int64()),
            "samples": values,
        }
        for name, value in (own or {}).items():
            data_type = PROFILE_SAMPLES.arrow_schema.field(name).type
            columns[name] = pa.array([value] * len(held), data_type)
        made = Samples(samples, np.arange(len(held)), columns)
        for name, table in file.samples(number, made, time, duration_nano).items():
            parts.setdefault(name, []).append(table)
        total = sum(row) * worth
        facts.append(Facts([(kind, unit, total)], time, duration_nano))
    tables = {name: pa.concat_tables(each) for name, each in parts.items()}
    tables["profiles"] = file.profiles(facts)
    append_all(lake, tables)


def _samples(stacks: Sequence[str], module: str) -> Stacks:
    """Give stacks, each once."""
    frames = Frames()
    names = [list(reversed(stack.split(";"))) for stack in stacks]
    places = [
        frames.add(Frame(name, mapping=module, kind="native")) for stack in names for name in stack
    ]
    counts = np.array([len(stack) for stack in names], dtype=np.int64)
    return Stacks(frames, np.array(places, np.int64), counts, np.zeros(len(names), dtype=bool))
