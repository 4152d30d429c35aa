"""Harm put into recorded requests: slower by a share, slower in the tail, more of them failing.

A slowdown moves counts along the log buckets. What is no whole number of buckets divides each
count between two neighbours, which is exact for values spread evenly within their bucket, as
quantiles take them to be.
"""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.stats.buckets import ZERO_BUCKET
from pipeline.stats.cells import WIDTH, Floats, Ints
from pipeline.stats.distributions import normal_isf

# A part of a bucket smaller than this is rounding: +2^(1/64) less one is one bucket exactly.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Moved:
    """Where counts went.

    Attributes:
        row: m numbers of the rows that they come from.
        part: m shares of that row's count; those of a row add up to 1.
        bucket: m buckets where they are now; NaN for no duration.
    """

    row: Ints
    part: Floats
    bucket: Floats


def slowed(bucket: Floats, ratio: float, share: Floats | None = None) -> Moved:
    """Make requests take longer.

    Args:
        bucket: r buckets at scale 6, whole numbers; NaN for no duration.
        ratio: by which share of their duration, 0 or more.
        share: r shares of the counts that are slower, as ``share_above`` gives them for a tail;
            None for all.

    Returns:
        Where each count is then; zero durations stay zero.

    >>> moved = slowed(np.array([100.0]), math.expm1(2.25 * WIDTH))
    >>> moved.bucket.tolist(), moved.part.round(6).tolist()
    ([102.0], [1.0])
    >>> moved = slowed(np.array([100.0, 200.0]), math.expm1(2.25 * WIDTH))
    >>> moved.bucket.tolist(), moved.part.round(6).tolist()
    ([102.0, 202.0, 103.0, 203.0], [0.75, 0.75, 0.25, 0.25])
    """
    timed = np.isfinite(bucket) & (bucket != ZERO_BUCKET)
    buckets = math.log1p(ratio) / WIDTH
    if len(np.unique(bucket[timed])) == 1:
        # Requests that are all alike stay alike; halves of them would be a spread of our making.
        buckets = float(round(buckets))
    whole = math.floor(buckets + _ROUNDING)
    part = max(buckets - whole, 0.0)
    moving = np.where(timed, 1.0 if share is None else share, 0.0)
    steps = ((0, 1.0 - moving), (whole, moving * (1.0 - part)), (whole + 1, moving * part))
    kept = [(np.flatnonzero(parts > _ROUNDING), step, parts) for step, parts in steps]
    row = np.concatenate([rows for rows, _, _ in kept])
    further = np.concatenate([np.full(len(rows), float(step)) for rows, step, _ in kept])
    return Moved(
        row,
        np.concatenate([parts[rows] for rows, _, parts in kept]),
        bucket[row] + further,
    )


def added_errors(
    requests: Floats,
    errors: Floats,
    weight: Floats,
    difference: float,
    rng: np.random.Generator,
) -> Floats:
    """Turn successes into errors by chance, each as likely.

    Args:
        requests: r counts.
        errors: r counts of those that failed.
        weight: r counts of what one sampled request stands for; those fail together.
        difference: by how much the error ratio of all grows on average, 0 to 1.
        rng: where chance comes from.

    Returns:
        r counts of new errors; where no more can fail, all that are left.
    """
    successes = np.maximum(requests - errors, 0.0)
    total = float(successes.sum())
    if total <= 0:
        return np.zeros_like(successes)
    chance = min(difference * float(requests.sum()) / total, 1.0)
    whole = np.rint(successes / weight).astype(np.int64)
    failed: Floats = np.minimum(rng.binomial(whole, chance) * weight, successes)
    return failed


def share_to_exceed(
    limit: float, share: float, low: float, effective: float, confidence: float
) -> float:
    """Give the least share whose Wilson interval lies wholly above a limit.

    Args:
        limit: a share, 0 or more.
        share, low: what was seen, and the lower bound of its interval.
        effective: requests it is of, as if independent; used where no share was seen, and so no
            clustering either.
        confidence: of the interval, between 0 and 1.

    Source: Wilson (1927), JASA 22(158): the interval holds the limits that a score test accepts.
    """
    z = normal_isf((1 - confidence) / 2)
    size = effective
    if 0.0 < low < share:
        # What the interval's width tells of how many independent requests there were.
        size = min(effective, z * z * low * (1 - low) / (share - low) ** 2)
    inside = min(max(limit, 0.0), 1.0)
    return limit + z * math.sqrt(inside * (1 - inside) / size)
