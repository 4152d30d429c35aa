"""Caches in words: sentences and tables that every form of the report shows."""

import math

from pipeline.jobs.cache import CacheAnswer
from pipeline.jobs.cache_invalidation import INVALIDATED, VERSIONED
from pipeline.jobs.cache_ratio import Ratio
from pipeline.jobs.cache_request import CacheRequest
from pipeline.jobs.cache_staleness import Staleness
from pipeline.jobs.cache_worth import Worth
from pipeline.report.capacity_lines import Table, figure, interval

_PER_CENT = 100.0
_NANO_A_MS = 1e6
# Parts in a table, those with most lookups; and names in a sentence.
_PARTS_MOST = 20
_NAMES_MOST = 5


def heading(answer: CacheAnswer) -> str:
    """Say what was seen of a cache."""
    keys = f" of {answer.keys} keys" if answer.keys else ""
    inferred = answer.told_by.get("inferred", 0.0)
    told = f" (inferred: {figure(inferred)})" if inferred else ""
    return f"{answer.rows.name}: {figure(answer.all.lookups)} lookups{keys}{told}"


def told_lines(answer: CacheAnswer, request: CacheRequest) -> list[str]:
    """Say the answer: hits, what a miss costs, what it does to requests, sizes, stampedes."""
    lines = [f"hit ratio: {interval(answer.all.hit_ratio, _PER_CENT)} %", _penalty_line(answer)]
    lines += _worth_lines(answer, request)
    if answer.stampedes is not None and answer.stampedes.groups:
        found = answer.stampedes
        lines.append(
            f"stampedes: {found.groups} times of {found.keys} keys, {found.extra} loads that one "
            f"would have served: let one load a key at a time"
        )
    if answer.advice is not None and answer.curve is not None:
        unit = " bytes" if answer.curve.in_bytes else " entries"
        ratios = ", ".join(
            f"{times:g} x: {_PER_CENT * ratio:.3g} %"
            for times, ratio in answer.advice.ratios.items()
        )
        whose = "one instance's LRU cache" if answer.instances > 1 else "an LRU cache"
        lines.append(
            f"misses of {whose} by size, {figure(answer.advice.today)}{unit} being 1 x: "
            f"{ratios}; the knee is at {figure(answer.advice.knee)}{unit}"
        )
    if answer.policies:
        best = sorted(answer.policies.items(), key=lambda each: (each[1], each[0]))
        told = ", ".join(f"{name} {_PER_CENT * ratio:.3g} %" for name, ratio in best)
        lines.append(f"misses by policy at that size: {told}")
    return lines + _stale_lines(answer)


def _penalty_line(answer: CacheAnswer) -> str:
    """Say what a miss costs."""
    found = answer.penalty
    if found.reason:
        naive = "" if math.isnan(found.naive) else f" (naive: {found.naive / _NANO_A_MS:+.3g} ms)"
        return f"miss penalty: not identified: {found.reason}{naive}"
    dropped = f"; {_PER_CENT * found.dropped:.2g} % of the misses have none like them"
    return (
        f"miss penalty: {interval(found.mean, 1 / _NANO_A_MS)} ms over a hit like it, "
        f"median {figure(found.median / _NANO_A_MS)} ms "
        f"(naive: {figure(found.naive / _NANO_A_MS)} ms{dropped if found.dropped else ''})"
    )


def _worth_lines(answer: CacheAnswer, request: CacheRequest) -> list[str]:
    """Say what misses do to requests."""
    worth = answer.worth
    if worth is None:
        return []
    told = ", ".join(
        f"p{_PER_CENT * q:g} {figure(worth.quantiles_ms[q])} → {figure(worth.without_ms[q])} ms"
        for q in worth.quantiles_ms
    )
    lines = [
        f"of {worth.requests} requests {_PER_CENT * worth.missed:.3g} % waited for a miss; "
        f"without any: {told}; misses take {figure(worth.per_hour_s)} s an hour"
        f"{_per_gb(worth, request)}"
    ]
    if request.objective_s:
        goal = f"p{_PER_CENT * request.objective_quantile:g} of {1000 * request.objective_s:g} ms"
        if worth.held:
            lines.append(f"{goal} is held at today's hit ratio")
        elif math.isnan(worth.needed):
            lines.append(f"{goal}: no hit ratio holds it")
        else:
            lines.append(f"{goal} needs a hit ratio of {_PER_CENT * worth.needed:.3g} %")
    return lines


def _per_gb(worth: Worth, request: CacheRequest) -> str:
    """Say what misses take by the size of the cache; empty where that is not in bytes."""
    if not (request.size and request.size_in_bytes):
        return ""
    return f", {figure(worth.per_hour_s / (request.size / 1e9))} s an hour and GB"


def ratio_table(title: str, parts: tuple[Ratio, ...]) -> Table:
    """Give hit ratios by a part of the lookups."""
    rows = [
        [part.name or "–", figure(part.lookups), interval(part.hit_ratio, _PER_CENT)]
        for part in parts[:_PARTS_MOST]
    ]
    rows += _more(len(parts) - len(rows), 2)
    return (title, "lookups", "hits % [90 %]"), (False, True, True), rows


def _more(left: int, cells: int) -> list[list[str]]:
    """Give a row that counts the parts that a table leaves out; none where it has all."""
    return [[f"{left} more, in the JSON", *["–"] * cells]] if left > 0 else []


def stale_table(answer: CacheAnswer) -> Table:
    """Give what is known of staleness by class of keys."""
    names = ("keys", "number", "kept s", "writes/key/h", "stale hits %", "measured %")
    by_name = {each.key_class: each for each in answer.staleness}
    # As many as of hit ratios, and the same.
    shown = [part.name for part in answer.by_class[:_PARTS_MOST] if part.name in by_name]
    rows = [_stale_cells(by_name[name]) for name in sorted(shown)]
    rows += _more(len(by_name) - len(rows), 5)
    return names, (False, True, True, True, True, True), rows


def _stale_lines(answer: CacheAnswer) -> list[str]:
    """Say once what is to be known of the staleness of some classes of keys, or of all."""
    said = [_stale_word(each) for each in answer.staleness]
    lines = []
    for word in filter(None, dict.fromkeys(said)):
        classes = [
            each.key_class or "–"
            for each, own in zip(answer.staleness, said, strict=True)
            if own == word
        ]
        names = ", ".join(classes[:_NAMES_MOST])
        names += f" and {len(classes) - _NAMES_MOST} more" if len(classes) > _NAMES_MOST else ""
        of = "" if len(classes) == len(said) else f" of {names}"
        lines.append(f"staleness{of}: {word}")
    return lines


def _stale_word(found: Staleness) -> str:
    """Say what is missing, or what ends stale entries beside their time; empty for nothing."""
    if found.reason:
        return f"not identified: {found.reason}"
    if found.kind == INVALIDATED:
        return f"keys are invalidated {figure(found.lag_s)} s after their writes, on average"
    return "no key was written after it was read" if found.kind == VERSIONED else ""


def _stale_cells(found: Staleness) -> list[str]:
    return [
        found.key_class or "–",
        str(found.keys),
        figure(found.ttl_s),
        figure(3600 * found.writes_per_key_s),
        figure(_PER_CENT * found.estimated),
        interval(found.measured, _PER_CENT),
    ]


def tables(answer: CacheAnswer) -> list[Table]:
    """Give the tables of a cache; those without rows are left out."""
    found = [
        ratio_table("operation", answer.by_operation),
        ratio_table("key class", answer.by_class if answer.rows.has_keys else ()),
        stale_table(answer),
    ]
    return [table for table in found if table[2]]
