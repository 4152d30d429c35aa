"""Charts of a cache: misses by size, how long hits and misses take, and the hit ratio over time."""

from datetime import UTC, datetime

import numpy as np

from pipeline.jobs.cache import CacheAnswer
from pipeline.report.capacity_lines import figure
from pipeline.report.page_axes import LEFT, RIGHT, WIDTH, Axis, Frame, chart, line, number
from pipeline.report.visible import escaped
from pipeline.stats.bootstrap import Floats

_TOP, _PLOT, _BOTTOM = 20, 210, 36
_POINTS = 240
_NANO_A_MS = 1e6
_PER_CENT = 100.0
_MOST_MINUTES = 400


def curve_chart(answer: CacheAnswer) -> str:
    """Draw misses by the size of the cache, with today's marked where it is known."""
    curve, sizes = answer.curve, answer.advice
    if curve is None or sizes is None or len(curve.sizes) <= 1:
        return ""
    unit = "bytes" if curve.in_bytes else "entries"
    most = max(float(curve.sizes[-1]), sizes.today)
    x = Axis(float(curve.sizes[0]), most * 1.05, LEFT, WIDTH - RIGHT, logarithmic=True)
    y = Axis(0, _PER_CENT, _TOP + _PLOT, _TOP)
    parts = [Frame(x, y, f"size, {unit} (log scale)", "% of lookups that miss").drawn()]
    if curve.spread.max() > 0:
        low, high = curve.ratios - curve.spread / 2, curve.ratios + curve.spread / 2
        xs = x.place(curve.sizes)
        edge = line(xs, y.place(_PER_CENT * high))
        edge += "L" + line(xs[::-1], y.place(_PER_CENT * low)[::-1])[1:]
        parts.append(f'<path class="band" d="{edge}Z"/>')
    drawn = line(x.place(curve.sizes), y.place(_PER_CENT * curve.ratios))
    parts.append(f'<path class="fit" d="{drawn}"/>')
    place = number(x.at(sizes.today))
    parts.append(f'<path class="safe" d="M{place} {number(y.start)}V{number(y.end)}"/>')
    told = ", ".join(f"{t:g} x {_PER_CENT * r:.3g} %" for t, r in sizes.ratios.items())
    about = f"misses of an LRU cache by size in {unit}; of {figure(sizes.today)} {unit}: {told}"
    return chart("Misses by size", about, _TOP + _PLOT + _BOTTOM, parts)


def latency_chart(answer: CacheAnswer) -> str:
    """Draw how long hits and misses take, origin and all, as cumulative distributions."""
    found = answer.rows.lookups()
    sides = [found.duration[found.hit] / _NANO_A_MS, found.duration[~found.hit] / _NANO_A_MS]
    known = np.concatenate(sides)
    known = known[known > 0]
    if not len(known):
        return ""
    low, high = float(np.quantile(known, 0.002)), float(known.max())
    x = Axis(low, max(high, low * 2), LEFT, WIDTH - RIGHT, logarithmic=True)
    y = Axis(0, _PER_CENT, _TOP + _PLOT, _TOP)
    parts = [Frame(x, y, "read through, ms (log scale)", "% at most so long").drawn()]
    for values, kind in zip(sides, ("b", "c"), strict=True):
        if len(values):
            share = np.linspace(0, 1, _POINTS)
            path = line(x.place(np.quantile(values, share)), y.place(_PER_CENT * share))
            parts.append(f'<path class="l {kind}" d="{path}"/>')
    names = zip(("hits", "misses"), sides, strict=True)
    about = "; ".join(
        f"{name}: p50 {figure(float(np.median(v)))} ms" for name, v in names if len(v)
    )
    return chart("Hits and misses", about, _TOP + _PLOT + _BOTTOM, parts)


def course_chart(answer: CacheAnswer) -> str:
    """Draw the hit ratio minute by minute; of very many, evenly spread ones."""
    step = -(-len(answer.minutes) // _MOST_MINUTES)
    minutes: Floats = answer.minutes[::step]
    ratios = _PER_CENT * answer.minute_ratios[::step]
    if len(minutes) <= 1:
        return ""
    x = Axis(float(minutes[0]), float(minutes[-1]), LEFT, WIDTH - RIGHT)
    y = Axis(0, _PER_CENT, _TOP + _PLOT, _TOP)
    # The last one would stand half outside.
    places = np.linspace(minutes[0], minutes[-1], 5)[:-1].round()
    labels = [(float(place), _clock(float(place))) for place in np.unique(places)]
    day = datetime.fromtimestamp(60 * float(minutes[0]), UTC)
    parts = [Frame(x, y, f"time (UTC) from {day:%F}", "% of lookups that hit", labels).drawn()]
    parts.append(f'<path class="l b" d="{line(x.place(minutes), y.place(ratios))}"/>')
    low, high = figure(float(ratios.min())), figure(float(ratios.max()))
    about = f"hit ratio a minute: {low} to {high} %"
    return chart("Hit ratio over time", escaped(about), _TOP + _PLOT + _BOTTOM, parts)


def _clock(minute: float) -> str:
    return f"{datetime.fromtimestamp(60 * minute, UTC):%H:%M}"
