"""Levels of the runtime kept under a name: saved with their history, loaded as last saved."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

from pipeline.errors import UsageError
from pipeline.jobs.metric_rows import Window
from pipeline.jobs.saved_rows import last_saved
from pipeline.lake import Lake, append
from pipeline.schema import RUNTIME_LEVELS

_DAY_NANO = 86_400_000_000_000
_OF_NAMES = ", "


@dataclass(frozen=True)
class SavedLevel:
    """A signal of a service, a version and a queue, as it was saved.

    Attributes:
        service_name, service_version, thing: of what; empty for not told.
        metric: as budgets call it.
        unit: of the values.
        value, value_low, value_high: the level and its bounds.
        error, degrees_of_freedom: its standard error.
        confidence: of the bounds.
        effective: observations of equal weight.
        instances, minutes: that were watched.
        told_by: OTLP metrics that told it.
        saved_time_unix_nano: when; 0 before it is saved.
    """

    service_name: str
    service_version: str
    thing: str
    metric: str
    unit: str
    value: float
    value_low: float
    value_high: float
    error: float
    degrees_of_freedom: float
    confidence: float
    effective: float
    instances: int
    minutes: int
    told_by: tuple[str, ...]
    saved_time_unix_nano: int = 0


def save_levels(
    lake: Lake, levels: Sequence[SavedLevel], name: str, window: Window, now_unix_nano: int
) -> int:
    """Keep levels under a name; what was saved under it before stays as history.

    Args:
        lake: the lake; it has every table of the schema.
        levels: one or more.
        name: any text but none.
        window: since and until that they were measured in, in ns; None for open.
        now_unix_nano: when they are saved.

    Returns:
        The number of levels saved.

    Raises:
        UsageError: no name, or nothing to save.
        CommitConflict, LakeUnavailable: as for ``append``.
    """
    if not name:
        raise UsageError("runtime: its name is empty; give one, such as 'main'")
    if not levels:
        raise UsageError(f"runtime {name}: no levels to save; widen the window or the filters")
    common = {
        "baseline": name,
        "saved_time_unix_nano": now_unix_nano,
        "since_unix_nano": window[0],
        "until_unix_nano": window[1],
    }
    rows = [
        asdict(each) | {"told_by": _OF_NAMES.join(each.told_by)} | common
        for each in sorted(levels, key=_place)
    ]
    schema = RUNTIME_LEVELS.arrow_schema
    day = pa.array([now_unix_nano // _DAY_NANO] * len(rows), pa.int32()).cast(pa.date32())
    columns = [
        day
        if column == "date"
        else pa.array([row[column] for row in rows], schema.field(column).type)
        for column in schema.names
    ]
    append(lake, RUNTIME_LEVELS, pa.table(columns, schema=schema))
    return len(rows)


def _place(level: SavedLevel) -> tuple[str, ...]:
    """Give what levels are ordered by."""
    return level.metric, level.service_name, level.service_version, level.thing


def load_levels(lake: Lake, name: str) -> tuple[SavedLevel, ...]:
    """Read the levels last saved under a name, by metric, service, version and queue.

    Raises:
        NotSaved: nothing was saved under this name.
        LakeError: a file cannot be read.
    """
    advice = f"; tailgate runtime --save {name}"
    last = last_saved(lake, RUNTIME_LEVELS, name, "runtime", advice)
    fields = SavedLevel.__dataclass_fields__
    found = [
        SavedLevel(
            **{key: row[key] for key in fields if key != "told_by"},
            told_by=tuple(row["told_by"].split(_OF_NAMES)) if row["told_by"] else (),
        )
        for row in last.to_pylist()
    ]
    return tuple(sorted(found, key=_place))
