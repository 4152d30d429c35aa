"""The course of both sides drawn: quantiles, requests and errors, minute by minute."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from pipeline.jobs.judge_pictures import QUANTILES, Picture
from pipeline.report.page_axes import (
    LEFT,
    RIGHT,
    SIDE_CLASSES,
    WIDTH,
    Axis,
    Frame,
    chart,
    line,
    number,
)
from pipeline.report.text import MISSING, significant
from pipeline.stats.cells import Floats

_NANO_A_MILLI = 1e6
_PER_CENT = 100.0
_PANEL = 74
_GAP = 26
_TOP = 20
_BOTTOM = 38
_DAY_MINUTES = 24 * 60

# Distances between the names of times, in minutes.
_TIMES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, _DAY_MINUTES)
_MOST_TIMES = 6
_MOST_TICKS = 3

# What a panel shows: its title and each side's values, by step.
Panel = tuple[str, tuple[Floats, Floats], bool]


def minutes(picture: Picture) -> str:
    """Draw five panels on one axis of time."""
    steps = len(picture.sides[0].requests)
    x = Axis(0, max(steps - 1, 1), LEFT, WIDTH - RIGHT)
    panels = list(_panels(picture))
    parts = []
    for row, (title, both, logarithmic) in enumerate(panels):
        top = _TOP + row * (_PANEL + _GAP)
        y = _upright(both, top, logarithmic)
        last = row == len(panels) - 1
        parts.append(
            Frame(
                x,
                y,
                _day(picture) if last else "",
                title,
                _times(picture, steps, last),
            ).drawn()
        )
        for values, letter in zip(both, SIDE_CLASSES, strict=True):
            drawn = line(x.place(np.arange(steps)), y.place(values))
            if drawn:
                parts.append(f'<path class="l {letter}" d="{drawn}"/>')
    height = _TOP + len(panels) * (_PANEL + _GAP) - _GAP + _BOTTOM
    parts += _tips(picture, x, height - _BOTTOM, panels)
    every = "every minute" if picture.step_minutes == 1 else f"every {picture.step_minutes} minutes"
    return chart(f"Course, {every}", _about(panels, every), height, parts, tall=True)


def _panels(picture: Picture) -> Iterator[Panel]:
    """Give what is drawn, top down: title, both sides, whether on a log scale."""
    for place, p in enumerate(QUANTILES):
        first, second = (
            np.exp(side.step_log_quantiles[place]) / _NANO_A_MILLI for side in picture.sides
        )
        yield f"p{_PER_CENT * p:g}, ms (log scale)", (first, second), True
    first, second = (side.requests for side in picture.sides)
    yield "requests a minute", (first, second), False
    first, second = (_PER_CENT * side.error_ratios for side in picture.sides)
    yield "failed, % of requests", (first, second), False


def _upright(both: tuple[Floats, Floats], top: float, logarithmic: bool) -> Axis:
    """Give the axis of a panel."""
    values = np.concatenate(both)
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (1.0, 1.0)
    if logarithmic:
        return Axis(low / 1.05, high * 1.05, top + _PANEL, top, True, _MOST_TICKS)
    return Axis(0.0, high * 1.05 or 1.0, top + _PANEL, top, False, _MOST_TICKS)


def _times(picture: Picture, steps: int, named: bool) -> list[tuple[float, str]]:
    """Give round times of day, as steps from the first."""
    first, step = picture.first_minute, picture.step_minutes
    length = max((steps - 1) * step, 1)
    apart = next((each for each in _TIMES if length / each <= _MOST_TIMES), None)
    if apart is None:
        apart = _DAY_MINUTES * math.ceil(length / _DAY_MINUTES / _MOST_TIMES)
    form = "%H:%M" if apart < _DAY_MINUTES else "%m-%d"
    return [
        ((minute - first) / step, _time(minute, form) if named else "")
        for minute in range(-(-first // apart) * apart, first + length + 1, apart)
    ]


def _time(minute: int, form: str) -> str:
    return datetime.fromtimestamp(60 * minute, UTC).strftime(form)


def _day(picture: Picture) -> str:
    return f"time (UTC) from {_time(picture.first_minute, '%Y-%m-%d')}"


def _tips(picture: Picture, x: Axis, bottom: float, panels: list[Panel]) -> Iterator[str]:
    """Give what is shown where one points at a step: all panels' values at that time."""
    steps = len(picture.sides[0].requests)
    half = (x.end - x.start) / max(steps - 1, 1) / 2
    for step in range(steps):
        left = number(max(x.at(step) - half, x.start))
        right = number(min(x.at(step) + half, x.end))
        told = "\n".join(
            f"{title.partition(',')[0]} {_value(both[0][step])} → {_value(both[1][step])}"
            for title, both, _ in panels
        )
        time = _time(picture.first_minute + step * picture.step_minutes, "%H:%M")
        yield (
            f'<path class="h" d="M{left} {_TOP}H{right}V{number(bottom)}H{left}">'
            f"<title>{time}\n{told}</title></path>"
        )


def _value(value: float) -> str:
    return significant(value, 3) if math.isfinite(value) else MISSING


def _about(panels: list[Panel], every: str) -> str:
    """Say in words what the chart shows."""
    told = []
    for title, both, _ in panels:
        middles = [
            _value(float(np.median(known))) if len(known := side[np.isfinite(side)]) else MISSING
            for side in both
        ]
        told.append(f"{title}: {' against '.join(middles)}")
    return f"canary beside baseline, {every}; medians, baseline against canary: {'; '.join(told)}"
