"""Looks at a canary while it runs: what is in the lake, cut to the first minutes of both sides."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from pipeline.errors import UsageError
from pipeline.jobs.judge import compare, read
from pipeline.jobs.judge_answer import CELLS, Inputs, Judged
from pipeline.jobs.judge_request import JudgeRequest
from pipeline.lake import Lake


@dataclass(frozen=True)
class Reading:
    """What the lake had, once.

    Attributes:
        inputs: all rows since the watch began, also of minutes that were not over.
        request: what they were read for.
        first_minute: the first by which both sides had requests, in minutes since the epoch; None
            while one side had none.
        last_minute: the newest that any side had requests in; None for no requests.
    """

    inputs: Inputs
    request: JudgeRequest
    first_minute: int | None
    last_minute: int | None

    def cut(self, minutes: int) -> Judged:
        """Compare the first so many minutes of both sides, and nothing after them.

        The same minutes give the same answer, whatever has come since. Before both sides have
        requests there is no clock to cut by: all is compared, which says what is missing.
        """
        if self.first_minute is None:
            return compare(self.inputs, self.request)
        rows = self.inputs.tables[CELLS]
        minute = rows["minute"].to_numpy()
        kept = (minute >= self.first_minute) & (minute < self.first_minute + minutes)
        tables = {**self.inputs.tables, CELLS: rows.filter(pa.array(kept))}
        return compare(replace(self.inputs, tables=tables), self.request)


def read_looks(lake: Lake, request: JudgeRequest) -> Reading:
    """Read what the lake has of both sides.

    Args:
        lake: the lake; its rollups are brought up to date first.
        request: both sides, since when, and until when; which minutes are over is up to whoever
            cuts.

    Raises:
        UsageError: the baseline is of another time, or a key that no resource has.
        LakeError, CommitConflict, LakeUnavailable: as for the judge's ``run``.
    """
    if request.saved or request.historic:
        raise UsageError(
            "watch: the baseline must run beside the canary; give it as a selector, without a shift"
        )
    inputs = read(lake, replace(request, now_unix_nano=None))
    rows = inputs.tables[CELLS]
    side = rows["side"].to_numpy()
    minute = np.asarray(rows["minute"].to_numpy(), dtype=np.int64)
    firsts = [int(minute[side == each].min()) for each in (0, 1) if (side == each).any()]
    return Reading(
        inputs,
        replace(request, now_unix_nano=None),
        max(firsts) if len(firsts) == len((0, 1)) else None,
        int(minute.max()) if len(minute) else None,
    )
