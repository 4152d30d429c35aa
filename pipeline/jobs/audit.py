"""Replay a release's own history as a judgement of it against itself, with and without harm."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.errors import BadWindow, NotEnoughData, UsageError
from pipeline.jobs.audit_harm import ERRORS, SLOWER, TAIL, Split
from pipeline.jobs.audit_splits import (
    BY_INSTANCE,
    BY_REQUEST,
    LEAST_IN_A_HALF,
    Series,
    dealt,
    halves_of,
    seeded,
    series_of,
)
from pipeline.jobs.job import Job
from pipeline.jobs.judge_answer import Comparison, Judged
from pipeline.jobs.judge_cells import cells
from pipeline.jobs.judge_request import QUANTILES, JudgeRequest, Pairs, cell_values
from pipeline.lake import Lake
from pipeline.stats.cells import Ints

# A window whose first and last request are closer than this share of it is left out.
_LEAST_SPAN = 0.8
_LEAST_WINDOW_MINUTES = 6


@dataclass(frozen=True)
class AuditRequest:
    """An audit's question.

    Attributes:
        where: column and value pairs of one release's requests.
        since_unix_nano, until_unix_nano: the history; None for open.
        kind: which spans count, as for a baseline.
        window_minutes: how long the judgement would have watched.
        runs: replays at most; fewer where history has no more different ones.
        harmed_runs: of them, those into which harm is put as well.
        share: of the traffic that the canary has, above 0, at most 0.5.
        slowdowns, tail_slowdowns: shares of the duration, rising.
        added_errors: shares of the requests, rising.
        quantiles: those judged, between 0 and 1.

    Raises:
        UsageError: a number is out of its range.
        BadWindow: a window too short to be judged.
    """

    where: Pairs
    since_unix_nano: int | None = None
    until_unix_nano: int | None = None
    kind: str = "requests"
    window_minutes: int = 60
    runs: int = 200
    harmed_runs: int = 100
    share: float = 0.5
    slowdowns: tuple[float, ...] = (0.05, 0.1, 0.2, 0.5)
    tail_slowdowns: tuple[float, ...] = ()
    added_errors: tuple[float, ...] = (0.005, 0.01, 0.02)
    quantiles: tuple[float, ...] = QUANTILES

    def __post_init__(self) -> None:
        if self.window_minutes < _LEAST_WINDOW_MINUTES:
            raise BadWindow(
                f"window of {self.window_minutes} minutes: a judgement needs "
                f"{_LEAST_WINDOW_MINUTES} at least"
            )
        if not 0 < self.share <= 0.5:
            raise UsageError(f"share {self.share:g}: the canary has more than 0, at most half")
        if self.runs < 1 or self.harmed_runs < 0:
            raise UsageError(f"runs {self.runs}: replay once at least")
        for size in (*self.slowdowns, *self.tail_slowdowns, *self.added_errors):
            if not (math.isfinite(size) and size > 0):
                raise UsageError(f"harm of {size:g}: give sizes above 0")
        if any(size >= 1 for size in self.added_errors):
            raise UsageError("added errors: give less than 100 % of the requests")

    @property
    def harms(self) -> tuple[tuple[str, float], ...]:
        """Give every kind of harm with its size."""
        by_kind = (
            (SLOWER, self.slowdowns), (TAIL, self.tail_slowdowns), (ERRORS, self.added_errors)
        )  # fmt: skip
        return tuple((kind, size) for kind, sizes in by_kind for size in sizes)


@dataclass(frozen=True)
class Replay:
    """One judgement of a release against itself.

    Attributes:
        run: its number.
        window: which window of the history.
        first_minute, end_minute: when, in minutes since the epoch.
        splits: one an operation, by service and name.
    """

    run: int
    window: int
    first_minute: int
    end_minute: int
    splits: tuple[Split, ...]

    @property
    def clock(self) -> tuple[int, int]:
        """Give the window."""
        return self.first_minute, self.end_minute


@dataclass(frozen=True)
class History:
    """What a release served, cut for replays.

    Attributes:
        request: the audit.
        series: one an operation, by service and name.
        windows: first and end minute of each window that is replayed, by number; the last is 0.
        ways: BY_INSTANCE or BY_REQUEST, by service.
        present: numbers of the instances there are, by service and window.
        minutes: from the first request to the last.
        minutes_version: of latency_minutes in the lake.
    """

    request: AuditRequest
    series: tuple[Series, ...]
    windows: dict[int, tuple[int, int]]
    ways: dict[str, str]
    present: dict[tuple[str, int], Ints]
    minutes: int
    minutes_version: int

    def judge_request(self, services: bool = False) -> JudgeRequest:
        """Give the question that every replay answers, for the judge.

        Args:
            services: whether services as a whole are compared as well.
        """
        request = self.request
        sides = [
            tuple({**dict(request.where), "service_instance_id": name}.items())
            for name in ("one half", "the other half")
        ]
        return JudgeRequest(
            baseline=sides[0],
            canary=sides[1],
            kind=request.kind,
            quantiles=request.quantiles,
            services=services,
        )

    def judged(
        self, replay: Replay, asked: JudgeRequest, comparisons: Iterable[Comparison]
    ) -> Judged:
        """Give comparisons of a replay as the judge would have."""
        return Judged(
            request=asked,
            comparisons=tuple(comparisons),
            first_minute=replay.first_minute,
            end_minute=replay.end_minute,
            shared=1.0,
            minutes_version=self.minutes_version,
        )

    def replays(self) -> Iterator[Replay]:
        """Give the replays: windows in turn, in an order of chance, and no split twice."""
        numbers = sorted(self.windows)
        order = seeded("windows", *sorted(self.request.where)).permutation(len(numbers))
        run = 0
        for turn in range(self.request.runs):
            before = run
            for place in order:
                found = self._replay(run, numbers[int(place)], turn)
                if found.splits:
                    yield found
                    run += 1
                if run == self.request.runs:
                    return
            if run == before:
                return

    def _replay(self, run: int, window: int, turn: int) -> Replay:
        """Split one window once."""
        first, end = self.windows[window]
        splits = []
        chosen: dict[str, tuple[Ints, float] | None] = {}
        for series in self.series:
            rows = series.rows.get(window)
            if rows is None:
                continue
            service = series.service_name
            if service not in chosen:
                chosen[service] = self._chosen(service, window, turn)
            dealing = chosen[service]
            if dealing is None:
                continue
            rng = seeded(service, series.operation, run)
            baseline, canary = halves_of(rows, *dealing, rng)
            splits.append(Split(service, series.operation, baseline, canary))
        return Replay(run, window, first, end, tuple(splits))

    def _chosen(self, service: str, window: int, turn: int) -> tuple[Ints, float] | None:
        """Give a service's instances on the canary, and the chance of their requests to stay.

        Returns:
            No instances, and the share itself, where requests are dealt out; None for no replay.
        """
        share = self.request.share
        if self.ways[service] == BY_REQUEST:
            return np.zeros(0, dtype=np.int64), share
        there = self.present[service, window]
        if len(there) < 2 * LEAST_IN_A_HALF:
            return None
        canary = dealt(there, share, turn, (service, window))
        if canary is None:
            return None
        if share >= 0.5:
            return canary, 1.0
        # Two instances have more than a small canary's share: it takes part of their requests.
        rest = len(there) - len(canary)
        return canary, min(1.0, share / (1 - share) * rest / len(canary))


def run(lake: Lake, request: AuditRequest) -> History:
    """Read history and cut it for replays.

    Args:
        lake: the lake; its rollups are brought up to date first.
        request: whose history, how long, how it is split.

    Raises:
        NotEnoughData: no window has the length asked for; says how much there is.
        LakeError: a file cannot be read.
        CommitConflict, LakeUnavailable: the rollups cannot be brought up to date.
    """
    values = cell_values(request.kind, request.where)
    rows, version = cells(lake, values, request.since_unix_nano, request.until_unix_nano)
    return history_of(rows, version, request)


def history_of(rows: pa.Table, version: int, request: AuditRequest) -> History:
    """Cut what was read for replays.

    Args:
        rows: cells of one side, as the judge reads them.
        version: of latency_minutes that they are of.
        request: how.

    Raises:
        NotEnoughData: as for ``run``.
    """
    if not rows.num_rows:
        raise NotEnoughData("audit: no requests; see `tailgate tables` for what the lake holds")
    minute = rows["minute"].to_numpy().astype(np.int64)
    first, end = int(minute.min()), int(minute.max()) + 1
    length = request.window_minutes
    series = series_of(rows, length)
    windows = {}
    for number in range((end - first) // length):
        inside = minute[(end - 1 - minute) // length == number]
        if len(inside) and np.ptp(inside) + 1 >= _LEAST_SPAN * length:
            windows[number] = (int(inside.min()), int(inside.max()) + 1)
    if not windows:
        raise NotEnoughData(
            f"audit: {end - first} minutes of history hold no window of {length} minutes with "
            "requests from its start to its end; give a longer --since or a shorter --window"
        )
    present: dict[tuple[str, int], Ints] = {}
    for each in series:
        for number, part in each.rows.items():
            key = (each.service_name, number)
            there = present.get(key, np.zeros(0, dtype=np.int64))
            present[key] = np.union1d(there, part["instance_code"])
    ways = {each.service_name: _way(each.service_name, present, windows) for each in series}
    return History(request, tuple(series), windows, ways, present, end - first, version)


def _way(
    service: str,
    present: dict[tuple[str, int], Ints],
    windows: dict[int, tuple[int, int]],
) -> str:
    """Say how a service is split: by instances where half its windows or more have enough."""
    enough = [
        len(there) >= 2 * LEAST_IN_A_HALF
        for (name, window), there in present.items()
        if name == service and window in windows
    ]
    return BY_INSTANCE if enough and 2 * sum(enough) >= len(enough) else BY_REQUEST


AUDIT = Job("audit", "how often the judge errs on a release's own history, and what it finds", run)
