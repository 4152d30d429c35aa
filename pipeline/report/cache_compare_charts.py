"""Charts of a cache's two sides: intervals, the course of the hit ratio, how long reads take."""

import math
from datetime import UTC, datetime

import numpy as np

from pipeline.jobs.cache_compare import CacheComparison
from pipeline.jobs.cache_pictures import CachePicture
from pipeline.report.cache_moved import signed
from pipeline.report.capacity_lines import figure, interval
from pipeline.report.page_axes import (
    LEFT,
    RIGHT,
    SIDE_CLASSES,
    SIDES,
    WIDTH,
    Axis,
    Frame,
    chart,
    line,
    number,
)
from pipeline.report.visible import escaped
from pipeline.stats.bootstrap import Floats, Interval
from pipeline.stats.cache_change import Moved

Pictures = tuple[CachePicture, CachePicture]

_TOP, _PLOT, _BOTTOM = 20, 210, 36
_NAMES_WIDTH, _ROW, _AXIS, _GAP = 64, 26, 30, 12
_NANO_A_MS = 1e6
_PER_CENT, _MS = 100.0, 1e-6
_MOST_MINUTES = 400
_ROOM = 0.06


def hit_ratio_chart(found: CacheComparison) -> str:
    """Draw the hit ratio of each side with its interval, and the difference below."""
    sides = tuple(each.hit_ratio for each in found.pictures)
    units = ("% of lookups that hit", "canary less baseline, points")
    return _beside("Hit ratio", sides, found.change.hit_ratio, _PER_CENT, units)


def penalty_chart(found: CacheComparison) -> str:
    """Draw what a miss costs on each side, and the difference below; nothing where unknown."""
    sides = tuple(each.penalty for each in found.pictures)
    units = ("a miss over a hit like it, ms", "canary less baseline, ms")
    return _beside("Miss penalty", sides, found.change.penalty, _MS, units)


def _beside(
    title: str,
    sides: tuple[Interval, ...],
    moved: Moved,
    factor: float,
    units: tuple[str, str],
) -> str:
    """Draw two intervals on one axis, and their difference on another with its zero."""
    known = [each for each in sides if math.isfinite(each.estimate)]
    if not known:
        return ""
    bottom = _TOP + 2 * _ROW
    x = _across([value * factor for each in known for value in _values(each)])
    parts = [Frame(x, Axis(0, 1, bottom, _TOP), units[0], y_ticks=()).drawn()]
    for place, (name, kind, each) in enumerate(zip(SIDES, SIDE_CLASSES, sides, strict=True)):
        parts += _row(name, each, factor, x, _TOP + _ROW * (place + 0.5), kind)
    about = "; ".join(
        f"{name} {interval(each, factor)}" for name, each in zip(SIDES, sides, strict=True)
    )
    height = bottom + _AXIS + _GAP
    change = moved.change
    if math.isfinite(change.estimate):
        top, height = height + _GAP, height + _GAP + _ROW
        x = _across([0.0, *(value * factor for value in _values(change))])
        parts.append(Frame(x, Axis(0, 1, height, top), units[1], y_ticks=()).drawn())
        zero = number(x.at(0))
        parts.append(
            f'<path class="z" d="M{zero} {number(top)}V{number(height)}">'
            "<title>no change</title></path>"
        )
        parts += _row("change", change, factor, x, top + _ROW / 2, "")
        about += f"; change {signed(change, factor)}"
        height += _AXIS
    return chart(title, about, height + 6, parts)


def _values(found: Interval) -> list[float]:
    """Give the bounds and the estimate, those that are known."""
    return [each for each in (found.low, found.estimate, found.high) if math.isfinite(each)]


def _across(values: list[float]) -> Axis:
    """Give an axis that holds values with some room."""
    low, high = min(values), max(values)
    room = _ROOM * (high - low) or max(abs(high), 1.0) * _ROOM
    return Axis(low - room, high + room, _NAMES_WIDTH, WIDTH - RIGHT, most_ticks=4)


def _row(name: str, found: Interval, factor: float, x: Axis, middle: float, kind: str) -> list[str]:
    """Draw one interval with its name; a dot alone where it has no bounds."""
    label = f'<text x="{_NAMES_WIDTH - 8}" y="{number(middle + 3.5)}" class="e">{name}</text>'
    if not math.isfinite(found.estimate):
        unknown = f'<text x="{_NAMES_WIDTH + 8}" y="{number(middle + 3.5)}">not identified</text>'
        return [label, unknown]
    parts = [f"<g><title>{escaped(f'{name}: {interval(found, factor)}')}</title>", label]
    if math.isfinite(found.low) and math.isfinite(found.high):
        low, high = (number(x.at(factor * bound)) for bound in (found.low, found.high))
        up, down = number(middle - 5), number(middle + 5)
        ends = f"M{low} {up}V{down}M{high} {up}V{down}"
        parts.append(f'<path class="s {kind}" d="M{low} {number(middle)}H{high}{ends}"/>')
    dot = number(x.at(factor * found.estimate))
    parts.append(f'<circle class="d {kind}" cx="{dot}" cy="{number(middle)}" r="4"/></g>')
    return parts


def latency_charts(pictures: Pictures) -> str:
    """Draw how long hits and misses take on each side, on one scale."""
    known = np.concatenate(
        [part.nanos / _NANO_A_MS for each in pictures for part in (each.hits, each.misses)]
    )
    known = known[known > 0]
    if not len(known):
        return ""
    low = float(known.min())
    x = Axis(low, max(float(known.max()), low * 2), LEFT, WIDTH - RIGHT, logarithmic=True)
    return "".join(_distributions(name, pictures, x) for name in ("hits", "misses"))


def _distributions(name: str, pictures: Pictures, x: Axis) -> str:
    """Draw the cumulative distributions of hits, or of misses."""
    y = Axis(0, _PER_CENT, _TOP + _PLOT, _TOP)
    parts = [Frame(x, y, "read through, ms (log scale)", "% at most so long").drawn()]
    told = []
    for side, kind, picture in zip(SIDES, SIDE_CLASSES, pictures, strict=True):
        found = picture.hits if name == "hits" else picture.misses
        if not found.lookups:
            told.append(f"{side}: none")
            continue
        millis = found.nanos / _NANO_A_MS
        path = line(x.place(millis), y.place(_PER_CENT * found.shares))
        parts.append(f'<path class="l {kind}" d="{path}"/>')
        median = figure(float(np.interp(0.5, found.shares, millis)))
        told.append(f"{side}: {found.lookups} {name}, p50 {median} ms")
    title = "How long hits take" if name == "hits" else "How long misses take"
    return chart(title, "; ".join(told), _TOP + _PLOT + _BOTTOM, parts)


def course_chart(pictures: Pictures) -> str:
    """Draw the hit ratio of each side minute by minute; of sides of two times, since each began."""
    together = max(each.minutes[0] for each in pictures) <= min(
        each.minutes[-1] for each in pictures
    )
    first = [float(each.minutes[0]) for each in pictures]
    starts = [min(first)] * 2 if together else first
    longest = max(
        float(each.minutes[-1]) - start for each, start in zip(pictures, starts, strict=True)
    )
    if longest < 1:
        return ""
    x = Axis(0, longest, LEFT, WIDTH - RIGHT)
    y = Axis(0, _PER_CENT, _TOP + _PLOT, _TOP)
    labels, title = _clock(starts[0], longest) if together else (None, "minutes since it began")
    parts = [Frame(x, y, title, "% of lookups that hit", labels).drawn()]
    about = []
    for name, kind, each, start in zip(SIDES, SIDE_CLASSES, pictures, starts, strict=True):
        step = -(-len(each.minutes) // _MOST_MINUTES)
        ratios: Floats = _PER_CENT * each.ratios[::step]
        path = line(x.place(each.minutes[::step] - start), y.place(ratios))
        parts.append(f'<path class="l {kind}" d="{path}"/>')
        about.append(f"{name}: {figure(float(ratios.min()))} to {figure(float(ratios.max()))} %")
    told = f"hit ratio a minute, {'; '.join(about)}"
    return chart("Hit ratio over time", told, _TOP + _PLOT + _BOTTOM, parts)


def _clock(first: float, longest: float) -> tuple[list[tuple[float, str]], str]:
    """Give times of day along an axis of minutes since one; the last would stand half outside."""
    places = np.unique(np.linspace(0, longest, 5)[:-1].round())
    labels = [
        (float(place), f"{datetime.fromtimestamp(60 * (first + place), UTC):%H:%M}")
        for place in places
    ]
    return labels, f"time (UTC) from {datetime.fromtimestamp(60 * first, UTC):%F}"
