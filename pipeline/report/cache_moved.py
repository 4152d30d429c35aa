"""What a cache's comparison says, as lines and a table: for terminals, pages and pull requests."""

from pipeline.jobs.cache_compare import CacheComparison, CompareResult
from pipeline.report.capacity_lines import Table, figure
from pipeline.stats.bootstrap import Interval
from pipeline.stats.cache_change import Moved

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


def counter_table(result: CompareResult) -> Table:
    """Give a row a counter of both sides."""
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
