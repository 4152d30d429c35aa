"""One signal of one service and version: its level, how it spreads over time, and if it grows."""

import math
from dataclasses import dataclass, replace

import numpy as np

from pipeline.gate.named_checks import level_of, measured_level
from pipeline.jobs.judge_request import Pairs
from pipeline.jobs.metric_cells import Group, read_groups
from pipeline.jobs.metric_rows import MetricRequest, Window
from pipeline.jobs.named_metrics import GAUGE, NamedMetric
from pipeline.lake import Lake
from pipeline.stats.bootstrap import UNKNOWN, Floats, Interval
from pipeline.stats.level import share_level
from pipeline.stats.series_shift import Series
from pipeline.stats.series_trend import LEAST_POINTS, trend

# A pool, a processor or an event loop that is used more than this makes its callers wait.
SATURATED = 0.8
_QUANTILES = (0.5, 0.95, 1.0)
_MINUTES_AN_HOUR = 60.0
_NO_SPREAD = (math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class SignalLevel:
    """A signal of a service, a version and a queue, where it has queues.

    Attributes:
        service_name, service_version: of what; empty for not told.
        thing: the queue, or the consumer group and topic; empty for the service as a whole.
        unit: of the values.
        value: the level with its bounds; NaN where the reason says why.
        n: effective observations: minutes of instances, or pauses, say.
        instances, minutes: that were watched.
        over_time: the median, 95th percentile and maximum of the minutes of instances; NaN where
            the value is a percentile itself.
        per_hour: how much it grows an hour; NaN for what is no level, or for too few minutes.
        saturated: share of the time above SATURATED; NaN for what is no share.
        names: OTLP metrics that tell it.
        reason: why there is no value, or what to know of it.
        error, df: standard error of the value, and its degrees of freedom; NaN for no value.
    """

    service_name: str
    service_version: str
    thing: str
    unit: str
    value: Interval
    n: float
    instances: int
    minutes: int
    over_time: tuple[float, float, float]
    per_hour: Interval
    saturated: Interval
    names: tuple[str, ...]
    reason: str
    error: float = math.nan
    df: float = math.nan

    @property
    def grows(self) -> bool:
        """Tell whether all of the interval of its growth is above 0."""
        return self.per_hour.low > 0


def read_levels(
    lake: Lake,
    metric: NamedMetric,
    where: Pairs,
    service: str,
    alpha: float,
    window: Window,
    can_saturate: bool,
) -> tuple[SignalLevel, ...]:
    """Measure a metric of every service and version that sends it.

    Args:
        lake: the lake.
        metric: which.
        where: column and value pairs of what counts.
        service: pattern of services.
        alpha: one-sided, of the intervals, between 0 and 1.
        window: since and until, in ns; None for open.
        can_saturate: whether it is a share of what there is.

    Returns:
        By service, version and queue.

    Raises:
        LakeError: a file cannot be read.
    """
    request = MetricRequest(metric, (where,), service, window=window, by_version=True)
    groups, found = read_groups(lake, request)
    return tuple(_level(group, found, alpha, can_saturate) for group in groups)


def _level(group: Group, metric: NamedMetric, alpha: float, can_saturate: bool) -> SignalLevel:
    """Measure one group."""
    value, note = measured_level(group, metric, alpha)
    reason = value if isinstance(value, str) else note
    names = group.names[0] if group.names else ()
    (side,) = group.sides
    found, _ = level_of(group, metric)
    error, df = (math.nan, math.nan) if isinstance(found, str) else (found.error, found.df)
    level = SignalLevel(
        group.service_name,
        group.service_version,
        group.operation,
        group.unit,
        UNKNOWN if isinstance(value, str) else Interval(*value),
        side.effective if side else 0.0,
        group.instances[0],
        group.minutes,
        _NO_SPREAD,
        UNKNOWN,
        UNKNOWN,
        names,
        reason,
        error,
        df,
    )
    if not isinstance(side, Series) or metric.per_operation:
        return level
    per_minute = side.top / np.where(side.below > 0, side.below, np.nan)
    level = replace(level, over_time=_spread(per_minute))
    confidence = 1 - 2 * alpha
    if can_saturate and not isinstance(value, str):
        busy = replace(side, top=(per_minute > SATURATED).astype(np.float64) * side.below)
        share = share_level(busy.side, busy.side.add_up(busy.top), confidence)
        level = replace(level, saturated=Interval(*share))
    if metric.kind == GAUGE and group.minutes >= LEAST_POINTS:
        hours = np.arange(side.minutes) / _MINUTES_AN_HOUR
        level = replace(
            level, per_hour=trend(hours, side.means(side.minute, side.minutes), confidence)
        )
    return level


def _spread(per_minute: Floats) -> tuple[float, float, float]:
    """Give the median, the 95th percentile and the maximum of minutes of instances."""
    known = per_minute[np.isfinite(per_minute)]
    if not len(known):
        return _NO_SPREAD
    median, high, most = np.quantile(known, _QUANTILES, method="inverted_cdf")
    return float(median), float(high), float(most)
