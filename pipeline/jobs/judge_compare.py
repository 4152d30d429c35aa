"""Comparing what was read at the same time: operations, small ones together, services."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from pipeline.jobs.judge_answer import OTHER, Comparison, Counts, Mix
from pipeline.jobs.judge_cells import Part, counts_of, floats, has_bucket, side_of
from pipeline.jobs.judge_pool import added_up, most_strata, requests_of, strata_of
from pipeline.jobs.judge_request import JudgeRequest
from pipeline.stats.cells import Floats, Range
from pipeline.stats.mix import Weights, mix_weights
from pipeline.stats.share_shift import ShareShift, share_shift
from pipeline.stats.shift import Pair, Shift

# Requests beyond a quantile that each side needs.
LEAST_BEYOND = 10
# Quantiles beyond this one are judged where there is the traffic for it, and else only told.
SETTLING = 0.95

# With more of a side's requests in strata that cannot be compared, the rest says too little.
MOST_DROPPED = 0.10

_FAILED = ("errors", "errors_5xx", "errors_4xx")
_FEWEST_POOLED = 2

Halves = tuple[Part, Part]
Clock = tuple[int, int]


def service_comparisons(
    parts: Sequence[tuple[str, str, Halves]], request: JudgeRequest, clock: Clock
) -> Iterator[Comparison]:
    """Compare one service: each operation, then small ones together, then all of it.

    Args:
        parts: service, operation, and rows of both sides of each operation, in order.
        request: the question.
        clock: the window, in minutes since the epoch.
    """
    found = [
        _together((service, operation), [halves], request, clock, 0)
        if _is_mixed(halves)
        else _as_they_come((service, operation), halves, request, clock)
        for service, operation, halves in parts
    ]
    small = [place for place, each in enumerate(found) if _is_small(each, request)]
    pooled = len(small) >= _FEWEST_POOLED
    for place, each in enumerate(found):
        inside = pooled and place in small
        yield replace(each, in_other=True) if inside else each
    service = parts[0][0]
    if pooled:
        others = [parts[place][2] for place in small]
        yield _together((service, OTHER), others, request, clock, len(others))
    if request.services and len(parts) >= _FEWEST_POOLED:
        every = [halves for _, _, halves in parts]
        yield _together((service, ""), every, request, clock, len(every))


def _as_they_come(
    named: tuple[str, str], halves: Halves, request: JudgeRequest, clock: Clock, pooled: int = 0
) -> Comparison:
    """Compare rows of two sides, whatever their mix.

    Args:
        named: service and operation.
        halves: baseline's and canary's rows.
        request: the question.
        clock: the window, in minutes since the epoch.
        pooled: how many operations the rows are of, where they are several.
    """
    counts = (counts_of(halves[0]), counts_of(halves[1]))
    minutes = clock[1] - clock[0]
    if not all(count.requests for count in counts):
        return Comparison(*named, *counts, minutes, {}, None, None, pooled=pooled)
    shifts, errors = _measured(halves, request, clock)
    return Comparison(*named, *counts, minutes, shifts, *errors, pooled=pooled)


def _measured(
    halves: Halves, request: JudgeRequest, clock: Clock
) -> tuple[dict[float, Shift], tuple[ShareShift, ShareShift, ShareShift]]:
    """Measure every quantile and share of two sides, each with requests."""
    every = [side_of(half, *clock, timed=False) for half in halves]
    timed = every
    if any(has_bucket(half) is not None for half in halves):
        timed = [side_of(half, *clock, timed=True) for half in halves]
    errors = list[ShareShift]()
    counted = list[list[Floats]]()
    for name in _FAILED:
        sums = [
            side.add_up(floats(half[name]) if name in half else np.zeros(len(side.count)))
            for side, half in zip(every, halves, strict=True)
        ]
        # Often all errors are of one kind: then they are compared once.
        alike = [
            found
            for found, seen in zip(errors, counted, strict=True)
            if all(map(np.array_equal, seen, sums))
        ]
        errors.append(alike[0] if alike else share_shift(every[0], every[1], sums))
        counted.append(sums)
    shifts: dict[float, Shift] = {}
    if all(side.total for side in timed):
        pair = Pair(timed[0], timed[1])
        shifts = {p: pair.shift(p) for p in request.quantiles}
    return shifts, (errors[0], errors[1], errors[2])


def _mix(
    baseline: Part,
    shifts: dict[float, Shift],
    errors: ShareShift,
    weights: Weights,
    clock: Clock,
    strata: int,
) -> Mix:
    """Tell what the mix alone makes: the reweighted baseline against the one that there was."""
    logs = {}
    side = side_of(baseline, *clock, timed=True)
    if side.total:
        whole = Range.of(side).histograms(side, None, 1)
        logs = {
            p: shift.log_quantiles[0] - float(whole.log_quantile(p)[0])
            for p, shift in shifts.items()
        }
    share = float(floats(baseline["errors"]).sum() / floats(baseline["requests"]).sum())
    return Mix(logs, errors.shares[0] - share, weights.dropped, weights.capped, strata)


def _is_mixed(halves: Halves) -> bool:
    """Tell whether one operation's rows are of several strata."""
    if "stratum_code" not in halves[0]:
        return False
    codes = np.concatenate([half["stratum_code"] for half in halves])
    return bool(len(codes)) and not bool((codes == codes[0]).all())


def _together(
    named: tuple[str, str],
    parts: Sequence[Halves],
    request: JudgeRequest,
    clock: Clock,
    pooled: int,
) -> Comparison:
    """Compare operations as one, each a stratum or several: the baseline has the canary's mix.

    Args:
        named: service and operation.
        parts: rows of both sides of each operation.
        request: the question.
        clock: the window, in minutes since the epoch.
        pooled: how many operations it is of, where they are several.
    """
    sides = ([part[0] for part in parts], [part[1] for part in parts])
    whole = added_up(sides[0]), added_up(sides[1])
    counts = counts_of(whole[0]), counts_of(whole[1])
    if not all(count.requests for count in counts):
        return _as_they_come(named, whole, request, clock, pooled)
    most = most_strata(sides)
    strata = strata_of(sides[0], most), strata_of(sides[1], most)
    requests = [requests_of(*each, most * len(parts)) for each in zip(sides, strata, strict=True)]
    weights = mix_weights(requests[0], requests[1])
    nothing = Mix({}, 0.0, weights.dropped, 0, int(((requests[0] > 0) | (requests[1] > 0)).sum()))
    if named[1] == OTHER and weights.dropped > MOST_DROPPED:
        # Most of its operations are too small to be weighed: as they come, and the mix says so.
        return replace(_as_they_come(named, whole, request, clock, pooled), mix=nothing)
    minutes = clock[1] - clock[0]
    if not weights.kept.any():
        return Comparison(*named, *counts, minutes, {}, None, None, mix=nothing, pooled=pooled)
    baseline = added_up(sides[0], [weights.factors[each] for each in strata[0]])
    canary = whole[1]
    if not weights.kept[requests[1] > 0].all():
        canary = added_up(sides[1], [weights.kept[each].astype(float) for each in strata[1]])
    shifts, errors = _measured((baseline, canary), request, clock)
    mix = _mix(whole[0], shifts, errors[0], weights, clock, nothing.strata)
    return Comparison(*named, *counts, minutes, shifts, *errors, mix=mix, pooled=pooled)


def settling_quantile(quantiles: Sequence[float]) -> float:
    """Give the quantile that an operation must have the requests for: p95, or the nearest."""
    return max((p for p in quantiles if p <= SETTLING), default=min(quantiles))


def _is_small(comparison: Comparison, request: JudgeRequest) -> bool:
    """Tell whether an operation of both sides has too few requests to be judged by itself."""
    counts: tuple[Counts, Counts] = (comparison.baseline, comparison.canary)
    least = min(count.effective for count in counts)
    return 0 < least * (1 - settling_quantile(request.quantiles)) < LEAST_BEYOND - 1e-9
