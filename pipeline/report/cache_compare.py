"""Caches of a baseline and a canary in every form: text, Markdown, JSON."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, BinaryIO

from pipeline.jobs.cache_compare import CacheComparison, CompareResult
from pipeline.report.cache_json import plain_values
from pipeline.report.capacity import markdown_table, plain
from pipeline.report.capacity_lines import Table, figure
from pipeline.report.tables import print_table
from pipeline.report.visible import visible
from pipeline.stats.bootstrap import Interval
from pipeline.stats.cache_change import Moved

# The number rises when a key changes its meaning or goes; new keys leave it as it is.
COMPARE_SCHEMA = "tailgate.cache-compare/1"

NOTHING = "no cache that both sides have: see what each has with tailgate cache --where SELECTOR"
_PER_CENT, _MS = 100.0, 1e-6


def heading(found: CacheComparison) -> str:
    """Say what was compared."""
    (before, after), (first, second) = found.lookups, found.instances
    return (
        f"{found.service_name}: {found.cache}: {figure(before)} lookups of {first} instances, "
        f"canary {figure(after)} of {second}"
    )


def told_lines(found: CacheComparison) -> list[str]:
    """Say what changed, and how much of it the misses explain."""
    change = found.change
    lines = [f"hit ratio: {_moved(change.hit_ratio, _PER_CENT, ' %', ' points')}"]
    if change.penalty.change.estimate == change.penalty.change.estimate:
        lines.append(f"miss penalty: {_moved(change.penalty, _MS, ' ms', ' ms')}")
    if min(found.requests):
        lines.append(f"requests, mean: {_moved(change.mean, _MS, ' ms', ' ms')}")
        lines += _explained(found)
        lines.append(f"requests, p95: {_moved(change.p95, _MS, ' ms', ' ms')}")
        if change.p95_by_misses.estimate == change.p95_by_misses.estimate:
            by = f"{signed(change.p95_by_misses, _MS)} ms by misses"
            lines.append(f"of the change of p95: {by}{_share(change.p95_by_misses, change.p95)}")
    return lines


def _explained(found: CacheComparison) -> list[str]:
    """Say which parts of the change of the mean misses explain."""
    change = found.change
    rate, cost = change.mean_by_rate, change.mean_by_cost
    if rate.estimate + cost.estimate != rate.estimate + cost.estimate:
        return []
    both = Interval(rate.estimate + cost.estimate, rate.low, rate.high)
    return [
        f"of the change of the mean: {signed(rate, _MS)} ms by how often they miss, "
        f"{signed(cost, _MS)} ms by what a miss costs{_share(both, change.mean)}"
    ]


def _share(part: Interval, whole: Moved) -> str:
    """Say how much of a change a part is, where the change is none by chance."""
    change = whole.change
    if not (change.low > 0 or change.high < 0):
        return ""
    return f" ({_PER_CENT * part.estimate / change.estimate:.0f} % of it)"


def _moved(found: Moved, factor: float, unit: str, apart: str) -> str:
    before, after = figure(factor * found.baseline), figure(factor * found.canary)
    return f"{before}{unit} → {after}{unit}: {signed(found.change, factor)}{apart}"


def signed(found: Interval, factor: float) -> str:
    """Write a difference with its bounds, each with its sign.

    >>> signed(Interval(0.02, -0.01, 0.05), 100)
    '+2.00 [-1.00, +5.00]'
    """
    values = [factor * each for each in (found.estimate, found.low, found.high)]
    estimate, low, high = (f"+{figure(each)}" if each > 0 else figure(each) for each in values)
    return f"{estimate} [{low}, {high}]"


def _counter_table(result: CompareResult) -> Table:
    names = ("service", "counter", "cache", "baseline %", "canary %", "points [90 %]")
    rows = [
        [
            each.service_name or "–",
            each.source,
            each.cache or "–",
            figure(_PER_CENT * each.hit_ratio.baseline),
            figure(_PER_CENT * each.hit_ratio.canary),
            signed(each.hit_ratio.change, _PER_CENT),
        ]
        for each in result.counters
    ]
    return names, (False, False, False, True, True, True), rows


def write_text(result: CompareResult, out: BinaryIO) -> None:
    """Write sentences a cache, then counters."""
    if result.exit_status:
        out.write(f"{NOTHING}\n".encode())
    for place, found in enumerate(result.caches):
        out.write((b"\n" if place else b"") + f"{visible(heading(found))}\n".encode())
        out.write("".join(f"  {visible(line)}\n" for line in told_lines(found)).encode())
        out.write("".join(f"note: {visible(note)}\n" for note in found.notes).encode())
    names, numbers, rows = _counter_table(result)
    if rows:
        out.write((b"\n" if result.caches else b"") + b"Hit ratios by counters\n")
        print_table(names, [[visible(cell) for cell in row] for row in rows], numbers, out)
    out.write("".join(f"note: {visible(note)}\n" for note in result.alone).encode())
    out.flush()


def write_markdown(result: CompareResult, out: BinaryIO) -> None:
    """Write the same as Markdown, for a comment on a change."""
    parts = ["# Caches, canary beside baseline\n"]
    parts += [f"\n{NOTHING}\n"] if result.exit_status else []
    for found in result.caches:
        parts.append(f"\n## {plain(heading(found))}\n\n")
        parts += [f"- {plain(line)}\n" for line in told_lines(found)]
        parts += [f"\n> {plain(note)}\n" for note in found.notes]
    table = _counter_table(result)
    parts += ["\n## Hit ratios by counters\n", markdown_table(table)] if table[2] else []
    parts += [f"\n> {plain(note)}\n" for note in result.alone]
    out.write("".join(parts).encode())


def write_json(result: CompareResult, out: BinaryIO) -> None:
    """Write one JSON document; durations in ns, null for what is not known."""
    asked = result.request
    document = {
        "schema": COMPARE_SCHEMA,
        "since_unix_nano": asked.since_unix_nano,
        "until_unix_nano": asked.until_unix_nano,
        "baseline": dict(result.sides[0]),
        "canary": dict(result.sides[1]),
        "exit_status": result.exit_status,
        "caches": [_cache(each) for each in result.caches],
        "counters": [vars(each) | {"hit_ratio": vars(each.hit_ratio)} for each in result.counters],
        "alone": list(result.alone),
    }
    text = json.dumps(plain_values(document), indent=2, allow_nan=False)
    out.write(text.encode("ascii") + b"\n")


def _cache(found: CacheComparison) -> dict[str, Any]:
    change = found.change
    return {
        "service_name": found.service_name,
        "cache": found.cache,
        "lookups": found.lookups,
        "requests": found.requests,
        "instances": found.instances,
        "hit_ratio": vars(change.hit_ratio),
        "miss_penalty_ns": vars(change.penalty),
        "mean_ns": vars(change.mean),
        "mean_by_miss_rate_ns": change.mean_by_rate,
        "mean_by_miss_cost_ns": change.mean_by_cost,
        "p95_ns": vars(change.p95),
        "p95_by_misses_ns": change.p95_by_misses,
        "notes": found.notes,
    }


WRITERS: Mapping[str, Callable[[CompareResult, BinaryIO], None]] = MappingProxyType(
    {"text": write_text, "json": write_json, "markdown": write_markdown}
)
