"""Profiles put into a lake: stacks written by hand, or a pprof file."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from collectors.collector import Reading
from collectors.frames_and_stacks import Frame, Frames
from collectors.imported_rows import complete
from collectors.origin import Origin
from collectors.pprof_message import read_pprof
from collectors.pprof_samples import read_pprof_rows
from collectors.profile_file import Facts, ProfileFile, Samples, Stacks
from pipeline.lake import Lake, append
from pipeline.schema import PROFILE_SAMPLES, TABLES

# 2026-11-25T12:00:00Z
NOON = 1_795_608_000_000_000_000
SECOND = 1_000_000_000

Sample = tuple[str | Sequence[Frame], int]


def reading(content: bytes, attributes: Mapping[str, str]) -> Reading:
    """Give how a file of that content is read."""
    digest = hashlib.sha256(content).hexdigest()
    return Reading(lambda _: 0, Origin(attributes), NOON + SECOND, NOON, sha256=digest)


def frames_of(stack: str | Sequence[Frame]) -> list[Frame]:
    """Give the frames of a stack, leaf first; text is ``root;caller;leaf``."""
    if not isinstance(stack, str):
        return list(stack)
    return [Frame(name, kind="native") for name in reversed(stack.split(";"))]


def land(
    lake: Lake,
    *samples: Sample,
    kind: str = "cpu",
    unit: str = "nanoseconds",
    name: str = "",
    version: str = "1",
    instance: str = "",
    seconds: int = 0,
    own: Mapping[str, Any] | None = None,
    **facts: Any,
) -> None:
    """Land one profile of a service called shop: stacks with their values.

    Args:
        lake: where.
        samples: each a stack and its value.
        kind, unit: of the values; ``name`` is what the profiler calls them.
        version, instance: of the service.
        seconds: when, after noon.
        own: more columns of profile_samples.
        facts: more of ``Facts``.
    """
    attributes = {"service.name": "shop", "service.version": version}
    attributes |= {"service.instance.id": instance} if instance else {}
    content = repr((samples, kind, name, version, instance, seconds)).encode()
    file = ProfileFile(reading(content, attributes), "test")
    frames = Frames()
    stacks = [[frames.add(frame) for frame in frames_of(stack)] for stack, _ in samples]
    counts = np.array([len(stack) for stack in stacks], dtype=np.int64)
    places = np.array([place for stack in stacks for place in stack], dtype=np.int64)
    values = [value for _, value in samples]
    number = len(samples)
    columns = {
        "profile_type": pa.array([kind] * number),
        "sample_type": pa.array([name or kind] * number),
        "sample_unit": pa.array([unit] * number),
        "value": pa.array(values, pa.int64()),
    }
    columns |= {
        key: pa.array(each, PROFILE_SAMPLES.arrow_schema.field(key).type)
        for key, each in (own or {}).items()
    }
    all_stacks = Stacks(frames, places, counts, np.zeros(number, dtype=bool))
    time = NOON + seconds * SECOND
    tables = file.samples(0, Samples(all_stacks, np.arange(number), columns), time_unix_nano=time)
    types = [(name or kind, unit, sum(values))]
    tables["profiles"] = file.profiles([Facts(types, time_unix_nano=time, **facts)])
    append_all(lake, tables)


def land_pprof(lake: Lake, data: bytes, attributes: Mapping[str, str] | None = None) -> None:
    """Land a pprof file, read by the project's own reader."""
    append_all(lake, pprof_tables(data, attributes))


def pprof_tables(data: bytes, attributes: Mapping[str, str] | None = None) -> dict[str, pa.Table]:
    """Give the rows of a pprof file by table."""
    profile = read_pprof(data)
    made = read_pprof_rows(profile, 1024, Counter())
    how = reading(data, attributes or {"service.name": "shop"})
    file = ProfileFile(how, "pprof")
    count = len(made.columns["value"])
    columns = dict(made.columns)
    columns["profile_id"] = pa.array([file.profile_id(0)] * count, pa.int64())
    columns["time_unix_nano"] = pa.array([file.time(profile.time_unix_nano)] * count, pa.int64())
    facts = Facts(
        sample_types=[(each.name, each.canonical, total) for each, total in made.types],
        time_unix_nano=profile.time_unix_nano,
        duration_nano=profile.duration_nano,
        period=profile.period,
        period_type=profile.period_name,
        default_sample_type=profile.default_sample_type,
        drop_frames=profile.drop_frames,
        keep_frames=profile.keep_frames,
        comments=profile.comments,
    )
    resource = how.origin.resource()
    return {
        "profile_samples": complete(PROFILE_SAMPLES, columns, how, resource, file.warnings),
        "profile_stacks": made.stacks.stacks,
        "profile_frames": made.stacks.frames,
        "profiles": file.profiles([facts]),
    }


def append_all(lake: Lake, tables: Mapping[str, pa.Table]) -> None:
    """Append rows to the tables of these names."""
    for table in TABLES:
        if table.name in tables:
            append(lake, table, tables[table.name])
