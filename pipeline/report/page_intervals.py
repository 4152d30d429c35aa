"""Intervals drawn: how much worse each check is, what it lies between, and what is let through."""

import math
from collections.abc import Sequence

from pipeline.gate.verdict import Check, Measure
from pipeline.report.judgement_rows import effect_text
from pipeline.report.page_axes import RIGHT, WIDTH, Axis, Frame, chart, number
from pipeline.report.text import significant
from pipeline.report.visible import escaped

_LEFT = 104
_MOST_LETTERS = 17
_ROW = 22
_TOP = 22
_AXIS = 44
_PER_CENT = 100.0

# Titles of axes, by the scale of the effects.
_TITLES = {
    "ratio": "canary worse by, %",
    "difference": "canary worse by, points (% of requests)",
}


def intervals(checks: Sequence[Check]) -> str:
    """Draw the checks that have a measure; those of one scale share an axis.

    Args:
        checks: of one operation.

    Returns:
        A figure; empty where nothing was measured.
    """
    measured = [(check, check.measure) for check in checks if check.measure]
    # A budget's value has its own unit, so an axis of its own.
    keys = {
        check.name + check.metric if check.scale == "limit" else check.scale: None
        for check, _ in measured
    }
    parts: list[str] = []
    top = 0.0
    for key in keys:
        own = [
            (check, measure)
            for check, measure in measured
            if key in (check.scale, check.name + check.metric)
        ]
        drawn, height = _group(own, top)
        parts += drawn
        top += height
    if not parts:
        return ""
    about = "; ".join(f"{check.metric} {effect_text(check)}" for check, _ in measured)
    return chart("Intervals, with what is let through", about, top, parts)


def _group(rows: list[tuple[Check, Measure]], top: float) -> tuple[list[str], float]:
    """Draw rows on one axis.

    Returns:
        What is drawn and how high that is.
    """
    check = rows[0][0]
    times = 1.0 if check.scale == "limit" else _PER_CENT
    x = _axis([measure for _, measure in rows], times)
    bottom = top + _TOP + _ROW * len(rows)
    y = Axis(0, 1, bottom, top + _TOP)
    title = _TITLES.get(check.scale, f"value, {check.unit}" if check.unit else "value")
    parts = [Frame(x, y, title, "", y_ticks=()).drawn()]
    if check.scale != "limit":
        zero = number(x.at(0))
        parts.append(
            f'<path class="z" d="M{zero} {number(top + _TOP)}V{number(bottom)}">'
            "<title>no change</title></path>"
        )
    for place, (check, measure) in enumerate(rows):
        middle = top + _TOP + _ROW * (place + 0.5)
        parts += _row(check, measure, x, middle, times)
    return parts, _TOP + _ROW * len(rows) + _AXIS


def _axis(measures: list[Measure], times: float) -> Axis:
    """Give an axis that holds every bound that there is."""
    values = [
        times * value
        for each in measures
        for value in (each.low, each.high, each.effect, each.margin)
        if math.isfinite(value)
    ]
    low, high = min([*values, 0.0]), max([*values, 0.0])
    room = 0.04 * (high - low) or 1.0
    return Axis(low - room, high + room, _LEFT, WIDTH - RIGHT)


def _row(check: Check, measure: Measure, x: Axis, middle: float, times: float) -> list[str]:
    """Draw one check: its interval, its estimate and its margin."""
    y = number(middle)
    low, high = (x.at(times * bound) for bound in sorted((measure.low, measure.high)))
    margin, best = number(x.at(times * measure.margin)), x.at(times * measure.effect)
    unit = f" {check.unit}" if check.scale == "limit" else " %" if check.scale == "ratio" else ""
    allowed = f"{significant(times * measure.margin, 3)}{unit}"
    if check.scale == "difference":
        allowed += " points"
    about = f"{check.metric}: {effect_text(check)}; let through: {allowed}; {check.verdict}"
    # Where the two methods disagree there is no interval between the bounds: that is dashed.
    broken = " n" if measure.low > measure.high else ""
    up, down = number(middle - 4), number(middle + 4)
    ends = f"M{number(low)} {up}V{down}M{number(high)} {up}V{down}"
    top, bottom = number(middle - _ROW / 2 + 1), number(middle + _ROW / 2 - 1)
    return [
        f"<g><title>{escaped(about)}</title>",
        f'<text x="{_LEFT - 8}" y="{number(middle + 3.5)}" class="e">{escaped(_cut(check))}</text>',
        f'<path class="a" d="M{margin} {top}V{bottom}"/>',
        f'<path class="i v-{check.verdict}{broken}" d="M{number(low)} {y}H{number(high)}{ends}"/>',
        f'<circle class="o v-{check.verdict}" cx="{number(best)}" cy="{y}" r="3.5"/>',
        "</g>",
    ]


def _cut(check: Check) -> str:
    """Give what a row is called, as long as there is room."""
    name = check.name or check.metric
    return name if len(name) <= _MOST_LETTERS else name[: _MOST_LETTERS - 1] + "…"
