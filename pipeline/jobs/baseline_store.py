"""Baselines kept under a name: saved with their history, loaded as last saved."""

import pyarrow as pa

from pipeline.errors import UsageError
from pipeline.jobs.baseline import BaselineResult
from pipeline.jobs.saved_rows import last_saved
from pipeline.lake import Lake, append
from pipeline.schema import BASELINES

_DAY_NANO = 86_400_000_000_000


def save(lake: Lake, result: BaselineResult, name: str, now_unix_nano: int) -> int:
    """Keep a baseline under a name; what was saved under it before stays as history.

    Args:
        lake: the lake.
        result: the baseline; has at least one group.
        name: any text but none.
        now_unix_nano: when it is saved.

    Returns:
        The number of groups saved.

    Raises:
        UsageError: no name, or nothing to save.
        CommitConflict, LakeUnavailable: as for ``append``.
    """
    if not name:
        raise UsageError("baseline: its name is empty; give one, such as 'main'")
    if result.table.num_rows == 0:
        raise UsageError(f"baseline {name}: no groups to save; widen the window or the filters")
    groups = int(result.table.num_rows)
    saved = {
        "baseline": pa.array([name] * groups),
        "saved_time_unix_nano": pa.array([now_unix_nano] * groups, pa.int64()),
        "date": pa.array([now_unix_nano // _DAY_NANO] * groups, pa.int32()).cast(pa.date32()),
    }
    columns = [
        saved[column] if column in saved else result.table[column]
        for column in BASELINES.arrow_schema.names
    ]
    append(lake, BASELINES, pa.table(columns, schema=BASELINES.arrow_schema))
    return groups


def load(lake: Lake, name: str) -> pa.Table:
    """Read the baseline last saved under a name.

    Args:
        lake: the lake.
        name: the name.

    Returns:
        Its groups, in the columns and order of ``BaselineResult.table``, and the columns that say
        under which name and when it was saved.

    Raises:
        NotSaved: nothing was saved under this name.
    """
    return last_saved(lake, BASELINES, name, "baseline")
