"""What changes are looked for: which series of the lake, how surely, checked once."""

import re
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadWindow, UsageError
from pipeline.jobs.baseline_request import DIMENSIONS, KINDS
from pipeline.jobs.judge_request import Pairs
from pipeline.schema.rollups import MINUTE_NANO

# The unit of each metric, and what its values are divided by to be in it.
METRICS = MappingProxyType(
    {
        "p50": ("ms", 1e6),
        "p95": ("ms", 1e6),
        "p99": ("ms", 1e6),
        "error_ratio": ("ratio", 1.0),
        "requests_per_second": ("1/s", 1.0),
    }
)
DEFAULT_METRICS = ("p50", "p95", "p99", "error_ratio")

# Requests that a point needs: about two beyond its quantile.
LEAST_REQUESTS = MappingProxyType({"p50": 4, "p95": 40, "p99": 200})

# More of these is better; of all others less is.
_MORE_IS_BETTER = ("requests_per_second",)

# Dimensions that choose requests; the rollups by the hour know no instances.
_FILTERS = ("service_name", "service_version", "deployment_environment", "operation")

BY_VERSION = "version"
_STEP = re.compile(r"(\d{1,4})([mhd])", re.ASCII)
_MINUTES = {"m": 1, "h": 60, "d": 1440}


def better_of(metric: str, better: str | None) -> str:
    """Say whether ``up`` or ``down`` is better for a metric; what was asked for wins.

    >>> better_of("p99", None), better_of("requests_per_second", None), better_of("score", "up")
    ('down', 'up', 'up')
    """
    return better or ("up" if metric in _MORE_IS_BETTER else "down")


@dataclass(frozen=True)
class Series:
    """One value a run or window, in the order of time.

    Attributes:
        name: what tells it from the others, such as service, operation and metric, in pairs.
        metric, unit: of the values.
        better: ``up`` or ``down``.
        values: NaN where there is none.
        times: what each point is called: a time, a version or a number.
        attributes: what else is known of each point, by name, such as service.version.
        thin: points left out because their requests were too few.
    """

    name: Pairs
    metric: str
    unit: str
    better: str
    values: NDArray[np.float64]
    times: tuple[str, ...]
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    thin: int = 0

    @property
    def key(self) -> str:
        """Name it in one text, the same in every run."""
        return " ".join([*(value for _, value in self.name), self.metric])

    def label(self, place: int) -> str:
        """Name a point in one text: its time and its attributes."""
        told = (values[place] for _, values in self.attributes)
        return " ".join([self.times[place], *(text for text in told if text)])


@dataclass(frozen=True)
class ChangesRequest:
    """Which series of the lake are looked at.

    Attributes:
        saved: the name of saved baselines; None for windows of the rollups.
        every: length of a window, such as 1h, or ``version``; counts where ``saved`` is None.
        where: column and value pairs that all requests have.
        since_unix_nano, until_unix_nano: the window; None takes all.
        kind: which spans count, where windows are counted.
        metrics: of METRICS.
        better: ``up`` or ``down`` for every metric; None for each metric's own.
        attributes: dimensions of saved baselines that name a point instead of a series.

    Raises:
        UsageError: a step, metric, filter or kind that is none.
        BadWindow: an empty window.
    """

    saved: str | None = None
    every: str = "1h"
    where: Pairs = ()
    since_unix_nano: int | None = None
    until_unix_nano: int | None = None
    kind: str = "requests"
    metrics: tuple[str, ...] = DEFAULT_METRICS
    better: str | None = None
    attributes: tuple[str, ...] = ("service_version",)

    def __post_init__(self) -> None:
        self.step_minutes  # noqa: B018 - a step that is none is an error now
        for metric in self.metrics:
            if metric not in METRICS:
                raise UsageError(f"metric {metric}: not known; known: {', '.join(METRICS)}")
        if self.kind not in KINDS:
            raise UsageError(f"kind {self.kind}: not a kind of span; known: {', '.join(KINDS)}")
        for column, _ in self.where:
            if column not in _FILTERS:
                known = ", ".join(DIMENSIONS[each] for each in _FILTERS)
                raise UsageError(f"where {DIMENSIONS[column]}: cannot be chosen by; known: {known}")
        since, until = self.since_unix_nano, self.until_unix_nano
        if since is not None and until is not None and since >= until:
            raise BadWindow(f"since {since} until {until}: an empty window; since comes first")

    @property
    def by_version(self) -> bool:
        """Tell whether a point is a version instead of a window."""
        return self.every == BY_VERSION

    @property
    def step_minutes(self) -> int:
        """Give the length of a window in minutes; 1 where a point is a version."""
        if self.by_version:
            return 1
        found = _STEP.fullmatch(self.every)
        if not found or int(found[1]) == 0:
            raise UsageError(f"every {self.every}: write 15m, 1h, 1d or {BY_VERSION}")
        return int(found[1]) * _MINUTES[found[2]]

    def values(self) -> dict[str, object]:
        """Give what the statements' names of dimensions stand for."""
        chosen = dict(self.where)
        values: dict[str, object] = {}
        for column in _FILTERS:
            values[f"has_{column}"] = column in chosen
            values[column] = chosen.get(column, "")
        return values

    def minutes(self) -> dict[str, object]:
        """Give the window in minutes since the epoch."""
        since, until = self.since_unix_nano, self.until_unix_nano
        return {
            "first_minute": 0 if since is None else since // MINUTE_NANO,
            "end_minute": 1 << 40 if until is None else -(-until // MINUTE_NANO),
        }
