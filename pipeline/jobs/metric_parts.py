"""Rows of one group of a named metric: monitors taken for one, and what to know of them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.jobs.metric_choice import Choice, choose
from pipeline.jobs.metric_settling import Settled
from pipeline.jobs.metric_sources import MAX, MOST, POOL_PARTS, USED

Columns = dict[str, NDArray[Any]]

# More pools that are told by half are counted.
_HALVES_MOST = 3
# Minutes: what came just now may be taken in the next.
_LEAST_STUCK = 2
NAMES = ("service_name", "service_version")


def chosen(part: Columns, settled: Settled, sides: int) -> tuple[Columns, Choice]:
    """Choose the rows of a group that count, and take for one those that tell of one thing."""
    if "source" not in part:
        return part, Choice(np.ones(len(part["minute"]), dtype=bool), ((),) * sides)
    places = part["source"].astype(np.int64)
    # Rows without a value are no source: they only say what else to know.
    known = has_value(part)
    columns = (places[known], part["side"][known], part["instance"][known])
    choice = choose(*columns, settled.told, sides)
    kept = ~known
    kept[known] = choice.kept
    part = {name: column[kept] for name, column in part.items()}
    if choice.shared and sides == 1:
        return as_one(part, choice.shared), replace(choice, is_watched=True)
    return (as_one(part) if choice.is_watched else part), choice


def as_one(part: Columns, fold: str = "") -> Columns:
    """Take rows of a side and minute for one.

    Args:
        part: of monitors that tell the same: their mean counts, of those that are known.
        fold: ADD or MOST where each is a part instead: their sum or the largest counts, where all
            of them are known.
    """
    side, minute = part["side"].astype(np.int64), part["minute"].astype(np.int64)
    top, below = (part[name].astype(np.float64) for name in ("top", "below"))
    known = np.isfinite(top) | bool(fold)
    keys, code = np.unique(np.column_stack([side, minute])[known], axis=0, return_inverse=True)
    code = code.reshape(-1)
    count = np.bincount(code, minlength=len(keys))
    rows = len(keys)
    folded = np.bincount(code, weights=top[known], minlength=rows)
    if fold == MOST:
        folded = np.full(rows, -np.inf)
        with np.errstate(invalid="ignore"):
            np.maximum.at(folded, code, top[known])
    one = {name: np.full(rows, part[name][0], dtype=object) for name in NAMES}
    return one | {
        "operation": np.full(rows, part["operation"][0], dtype=object),
        "instance": np.full(rows, "", dtype=object),
        "side": keys[:, 0],
        "minute": keys[:, 1],
        "top": folded if fold else folded / np.maximum(count, 1),
        "below": np.bincount(code, weights=below[known], minlength=rows) / np.maximum(count, 1),
        "spread": np.ones(rows),
        "left_out": np.full(rows, 0.0) if rows == 0 else _first(part["left_out"], rows),
    }


def _first(left_out: NDArray[Any], rows: int) -> NDArray[np.float64]:
    """Give what was left out, all of it in the first row."""
    placed = np.zeros(rows)
    placed[0] = np.nansum(left_out.astype(float))
    return placed


def has_value(part: Columns) -> NDArray[np.bool_]:
    """Tell which rows have a value; those of caches and samples that have none only say why."""
    if "untold" not in part and "unshown" not in part:
        return np.ones(len(part["minute"]), dtype=bool)
    return np.asarray(np.isfinite(part["top"].astype(np.float64)))


def is_stuck(half: Columns) -> bool:
    """Tell whether items of a side wait and none of them was taken."""
    top, below = (half[name].astype(np.float64) for name in ("top", "below"))
    known = np.isfinite(top) & np.isfinite(below)
    waiting = np.unique(half["minute"][known & (top > 0)].astype(np.int64))
    return len(waiting) >= _LEAST_STUCK and not (below[known] > 0).any()


def of_samples(part: Columns) -> Iterator[str]:
    """Name the instances whose profiles do not show what others of their service do."""
    if "unshown" not in part:
        return
    # An instance may be told by another type of profile.
    names, known = part["service_instance_id"], has_value(part)
    told = {str(each) for each in names[known]}
    hidden = sorted({str(each) for each in names[~known]} - told)
    if not hidden:
        return
    shown = ", ".join(each or "without a name" for each in hidden[:_HALVES_MOST])
    more = f" and {len(hidden) - _HALVES_MOST} more" if len(hidden) > _HALVES_MOST else ""
    yield f"left out, their profiles never show it: {shown}{more}"


def of_pools(part: Columns) -> Iterator[str]:
    """Name the fullest pool, of each side where they differ, and those that have no share."""
    if "worst" not in part:
        return
    worst = [_worst(part["worst"][part["side"] == side]) for side in np.unique(part["side"])]
    told = [each for each in worst if each]
    if len({name for name, _ in told}) > 1:
        yield f"worst pool: {' of the baseline, '.join(name for name, _ in told)} of the canary"
    elif told:
        name, share = told[0][0], min(share for _, share in told)
        yield f"worst pool: {name}" + ("" if share == 1 else f", in {share:.0%} of the minutes")
    told_of = [str(each).split("\n") for each in part["unbounded"] if each]
    unbounded = sorted({name for names in told_of for name in names})
    if unbounded:
        yield f"unbounded pools have no share: {', '.join(unbounded)}"
    for column, missing in (("without_use", USED), ("without_size", MAX)):
        halves = {half for each in part[column] if each for half in str(each).split("\n")}
        yield from half_told(sorted(halves), missing)


def half_told(halves: Sequence[str], missing: str) -> Iterator[str]:
    """Say which pools tell only their size, or only their use, and what would tell the rest.

    Args:
        halves: family and name of each, as ``family/name``, in their order.
        missing: the part that they do not tell, USED or MAX.

    >>> next(half_told(["db/orders"], USED))
    'pool orders tells no use: collect db.client.connection.count with state used'
    """
    what = "use" if missing == USED else "size"
    for half in halves[:_HALVES_MOST]:
        family, _, pool = half.partition("/")
        lacking = next(each for each in POOL_PARTS if (each.family, each.part) == (family, missing))
        state = f" with state {lacking.state}" if lacking.state else ""
        yield f"pool {pool} tells no {what}: collect {lacking.name}{state}"
    if len(halves) > _HALVES_MOST:
        yield f"{len(halves) - _HALVES_MOST} more pools tell no {what}"


def _worst(pools: NDArray[Any]) -> tuple[str, float] | None:
    """Give the pool that is the fullest most often, and in which share of the minutes it is."""
    known = [str(each) for each in pools if each]
    if not known:
        return None
    names, counts = np.unique(known, return_counts=True)
    most = int(np.argmax(counts))
    return str(names[most]), float(counts[most] / len(known))


def unknown_units(service: str, settled: Settled) -> str:
    """Say which points of a service are in units that are not known; empty for none."""
    told = [f"{name} in {sent or 'none'!r}" for name, sent in settled.unread.get(service, ())]
    return f"unit_unknown: {', '.join(told)} left out" if told else ""
