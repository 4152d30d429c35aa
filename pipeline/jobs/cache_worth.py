"""What misses do to requests: who waits for them, and what fewer would change.

Requests wait for the last of what runs at once: of misses that overlap, only what they hold the
request up by counts.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.jobs.cache_request import CacheRequest
from pipeline.jobs.cache_rows import CacheRows, Ints
from pipeline.stats.bootstrap import Floats
from pipeline.stats.miss_penalty import Lookups, Penalty
from pipeline.stats.miss_waits import waits
from pipeline.stats.what_if import quantile_if, weighted_quantile

QUANTILES = (0.95, 0.99)
# Steps of hit ratios between today's and one.
_HIT_RATIOS = 40


@dataclass(frozen=True)
class Worth:
    """What misses do to the requests that they are for, each as many as it stands for.

    Attributes:
        requests: of them any lookup was seen.
        missed: share of those with a miss.
        quantiles_ms: of requests, by quantile.
        without_ms: the same if every miss had been a hit.
        needed: the least hit ratio that holds the objective, no lower than today's; NaN where none
            does or none is asked.
        held: whether today's holds it.
        per_hour_s: what requests wait for misses, seconds an hour.
    """

    requests: int
    missed: float
    quantiles_ms: dict[float, float]
    without_ms: dict[float, float]
    needed: float
    per_hour_s: float
    held: bool = False


def savings(rows: CacheRows, found: Lookups, penalty: Penalty) -> Floats:
    """Give what each of n lookups would have saved its request as a hit, in ns; 0 for hits.

    Args:
        rows: the lookups.
        found: the same, as the statistics take them.
        penalty: what a miss costs; where its stratum tells nothing, the mean does.
    """
    own = penalty.of_stratum[found.stratum]
    told = np.where(np.isfinite(own), own, penalty.mean.estimate)
    alone = np.where(found.hit, 0.0, np.maximum(told, 0.0))
    request = pl.struct("trace_id", "request_id")
    ordered = (
        rows.frame.select("trace_id", "request_id", "block_id", "block_began", "block_nano")
        .with_columns(alone=pl.Series(alone))
        .with_row_index("place")
        .sort("trace_id", "request_id", "block_began", "block_nano", "block_id")
        .with_columns(
            request=request.rle_id().cast(pl.Int64),
            block=pl.struct("trace_id", "request_id", "block_id").rle_id().cast(pl.Int64),
        )
    )
    began = ordered["block_began"].to_numpy()
    saved = np.empty(len(alone))
    saved[ordered["place"].to_numpy()] = waits(
        ordered["request"].to_numpy(),
        ordered["block"].to_numpy(),
        began,
        began + ordered["block_nano"].to_numpy(),
        ordered["alone"].to_numpy(),
    )
    return saved


def worth_of(
    rows: CacheRows, found: Lookups, penalty: Penalty, request: CacheRequest
) -> Worth | None:
    """Say what misses do to requests; a saving is that of the miss's own stratum."""
    ids = rows.frame.select("trace_id", "request_id", "request_nano", "weight")
    known = ids["request_nano"].is_not_null().to_numpy()
    if not known.any() or penalty.reason:
        return None
    places = ids.filter(pl.Series(known)).with_columns(
        place=pl.struct("trace_id", "request_id").rank("dense").cast(pl.Int64) - 1
    )
    place = places["place"].to_numpy()
    duration, weight = np.zeros(int(place.max()) + 1), np.zeros(int(place.max()) + 1)
    duration[place] = places["request_nano"].to_numpy()
    weight[place] = places["weight"].to_numpy()
    missed = ~found.hit[known]
    saved = savings(rows, found, penalty)
    saving = saved[known][missed]
    of_request = place[missed]
    requests = _Requests(duration, weight, of_request, saving, (rows.name, "what if"))
    seconds = rows.frame["start_time_unix_nano"].to_numpy()
    hours = max(float(seconds.max() - seconds.min()) / 3.6e12, 1 / 60)
    objective = weighted_quantile(duration, weight, request.objective_quantile)
    return Worth(
        round(float(weight.sum())),
        float(weight[np.unique(of_request)].sum() / weight.sum()),
        {q: weighted_quantile(duration, weight, q) / 1e6 for q in QUANTILES},
        {q: requests.quantile_if(0.0, q) / 1e6 for q in QUANTILES},
        _needed(requests, float(rows.found.sum() / rows.asked.sum()), request),
        float((found.weight * saved).sum()) / 1e9 / hours,
        bool(objective <= 1e9 * request.objective_s),
    )


@dataclass(frozen=True)
class _Requests:
    """r requests, and m misses by the place of theirs with what each would save, as for draws."""

    duration: Floats
    weight: Floats
    of_miss: Ints
    saving: Floats
    key: tuple[str, ...]

    def quantile_if(self, kept_share: float, quantile: float) -> float:
        """Give a quantile in ns if only a share of the misses were left."""
        return quantile_if(
            self.duration, self.weight, self.of_miss, self.saving, kept_share, quantile, self.key
        )


def _needed(requests: _Requests, ratio: float, request: CacheRequest) -> float:
    """Give the least hit ratio, in steps, with which requests hold the objective.

    Args:
        requests: of the cache.
        ratio: of hits today, by keys.
        request: the question.
    """
    if not request.objective_s:
        return float("nan")
    wanted, p = 1e9 * request.objective_s, request.objective_quantile
    low, high = 0, _HIT_RATIOS

    def holds(step: int) -> bool:
        return requests.quantile_if(1 - step / _HIT_RATIOS, p) <= wanted

    if not holds(high):
        return float("nan")
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return 1 - (1 - ratio) * (1 - high / _HIT_RATIOS)
