"""How many requests a service answered while it was profiled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.jobs.job import ask, asking
from pipeline.jobs.profile_counts import Counted, ProfileCounts
from pipeline.lake import Lake, take_snapshot
from pipeline.lake.catalog import define_table
from pipeline.rollup import update
from pipeline.schema import LATENCY_MINUTES
from pipeline.schema.rollups import MINUTE_NANO


@dataclass(frozen=True)
class Requests:
    """Requests beside profiles.

    Attributes:
        requests: of the minutes from the first profile to the last.
        per_profiled_unit: what one measured unit is worth a request: 1 / requests where profiles
            cover those minutes, more where they are only taken now and then.
    """

    requests: float
    per_profiled_unit: float


def requests_beside(lake: Lake, counted: Counted, side: ProfileCounts) -> Requests | None:
    """Count the requests beside a selection of CPU time; None for any other, or for none.

    Args:
        lake: the lake; its rollups are brought up to date.
        counted: what was counted.
        side: one of its selections.

    Raises:
        LakeError: the lake cannot be read, or its rollups not be brought up to date.
    """
    if counted.profile_type != "cpu" or counted.sample_unit != "nanoseconds":
        return None
    return count_requests(lake, side.clusters)


def count_requests(lake: Lake, profiles: pa.Table) -> Requests | None:
    """Count the requests of the services, versions and instances of some profiles.

    Profiles that tell how long they took count by that time: what was measured in a second of an
    instance is divided by the requests in a second of an instance. Spans without instances are
    taken to be of as many instances as the profiles.

    Args:
        lake: the lake; its rollups are brought up to date.
        profiles: a row a profile: service_name, service_version, service_instance_id,
            time_unix_nano, duration_nano.

    Returns:
        The requests; None where spans tell of none.
    """
    rows = profiles.to_pylist()
    starts = [row["time_unix_nano"] for row in rows]
    ends = [row["time_unix_nano"] + (row["duration_nano"] or 0) for row in rows]
    first = min(starts) // MINUTE_NANO
    end = max(max(ends) - 1, max(starts)) // MINUTE_NANO + 1
    update(lake)
    minutes = take_snapshot(lake, LATENCY_MINUTES)
    with asking() as connection:
        files = [file.path for file in minutes.between(first * MINUTE_NANO, end * MINUTE_NANO)]
        define_table(connection, LATENCY_MINUTES, files)
        values = {"first_minute": first, "end_minute": end}
        found = ask(connection, "profile_requests", values).to_pylist()
    releases = {_release(row) for row in rows}
    counts = [row for row in found if _release(row) in releases and row["requests"]]
    profiled = {_instance(row) for row in rows}
    same = [row for row in counts if _instance(row) in profiled]
    counts = same or counts
    if not counts:
        return None
    requests = float(sum(row["requests"] for row in counts))
    instances = len(counts) if counts[0]["service_instance_id"] else len(profiled)
    recorded = [row["duration_nano"] for row in rows if row["duration_nano"]]
    if len(recorded) < len(rows):
        return Requests(requests, 1 / requests)
    passed = (end - first) * MINUTE_NANO * instances
    return Requests(requests, passed / sum(recorded) / requests)


def _release(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["service_name"], row["service_version"] or ""


def _instance(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return *_release(row), row["service_instance_id"] or ""
