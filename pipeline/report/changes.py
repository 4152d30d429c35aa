"""Changes written: for people with a small plot, for programs, and for pull requests."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np

from pipeline.jobs.changes import Histories, History
from pipeline.jobs.changes_request import Series
from pipeline.report.tables import print_table
from pipeline.report.text import MISSING, significant
from pipeline.report.visible import visible
from pipeline.stats.change_effects import DRIFT, Change

# The number rises when a key changes its meaning or goes; new keys leave it as it is.
SCHEMA = "tailgate.changes/1"

_BARS = "▁▂▃▄▅▆▇█"
_GAP = "·"
_PLOT_WIDTH = 60
_HEADINGS = (
    "",
    "series",
    "change",
    "before → after",
    "how much",
    "p",
    "first after",
    "last before",
)


@dataclass(frozen=True)
class Told:
    """What is written.

    Attributes:
        histories: what was found.
        verdict: what it comes to.
        failing: the changes that fail the gate, with their series.
    """

    histories: Histories
    verdict: str
    failing: Sequence[tuple[History, Change]]


def write_text(told: Told, out: BinaryIO) -> None:
    """Write each series that changed with its plot, the changes as a table, then the verdict."""
    for history in told.histories.histories:
        if history.found.changes:
            out.write(f"{_name(history.series)}\n{plot(history)}\n\n".encode())
    rows = _rows(told)
    if rows:
        print_table(_HEADINGS, rows, [False] * len(_HEADINGS), out)
    out.write("".join(f"note: {note}\n" for note in _notes(told.histories)).encode())
    out.write(f"{_summary(told)}\n".encode())
    out.flush()


def write_markdown(told: Told, out: BinaryIO) -> None:
    """Write a table for a pull request."""
    lines = [f"### tailgate: {_summary(told)}", ""]
    rows = _rows(told)
    if rows:
        lines += [_line(_HEADINGS), _line(["---"] * len(_HEADINGS)), *map(_line, rows), ""]
    lines += [f"- {note}" for note in _notes(told.histories)]
    out.write(("\n".join(lines).rstrip("\n") + "\n").encode())


def write_json(told: Told, out: BinaryIO) -> None:
    """Write one JSON document; the same series give the same bytes."""
    failing = [(history.series.key, change.place) for history, change in told.failing]
    document = {
        "schema": SCHEMA,
        "verdict": told.verdict,
        "alpha": told.histories.alpha,
        "least_change": told.histories.least_change,
        "series": [_history(history, failing) for history in told.histories.histories],
        "notes": _notes(told.histories),
    }
    out.write(json.dumps(document, indent=2, allow_nan=False).encode("ascii") + b"\n")


WRITERS: Mapping[str, Callable[[Told, BinaryIO], None]] = MappingProxyType(
    {"text": write_text, "json": write_json, "markdown": write_markdown}
)


def plot(history: History) -> str:
    """Draw a series in a line of bars: medians of neighbours where it is long, gaps as dots.

    Below it a caret marks the first point after each change.
    """
    values = history.series.values
    width = min(len(values), _PLOT_WIDTH)
    columns = np.arange(len(values)) * width // max(len(values), 1)
    heights = np.full(width, np.nan)
    for column in range(width):
        part = values[columns == column]
        if np.isfinite(part).any():
            heights[column] = np.median(part[np.isfinite(part)])
    known = heights[np.isfinite(heights)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    bars = "".join(
        _BARS[round((height - low) * scale)] if math.isfinite(height) else _GAP
        for height in heights
    )
    marks = [" "] * width
    for change in history.found.changes:
        marks[columns[change.place]] = "^"
    unit = f" {history.series.unit}" if history.series.unit else ""
    return f"  {bars}  {significant(low)} to {significant(high)}{unit}\n  {''.join(marks).rstrip()}"


def _rows(told: Told) -> list[list[str]]:
    """Give a row a change, those that fail the gate first."""
    failing = [(history.series.key, change.place) for history, change in told.failing]
    rows = []
    for history in told.histories.histories:
        for change in history.found.changes:
            fails = (history.series.key, change.place) in failing
            rows.append((not fails, _cells(history, change, fails)))
    return [cells for _, cells in sorted(rows, key=lambda row: row[0])]


def _cells(history: History, change: Change, fails: bool) -> list[str]:
    """Give a change as text."""
    series = history.series
    way = "worse" if history.worse(change) else "better"
    p = MISSING if change.p_value is None else f"{change.p_value:.1g}"
    return [
        "fail" if fails else "",
        _name(series),
        f"{change.kind} {change.status}, {way}",
        f"{significant(change.before)} → {significant(change.after)} {series.unit}".rstrip(),
        _effect(history, change),
        "known" if change.known else p,
        _point(series, change.place),
        _point(series, change.last_before),
    ]


def _effect(history: History, change: Change) -> str:
    """Write how much a series changed, with its interval: per cent, or in its own unit."""
    percent = history.found.scale.log
    effect, low, high = (
        _signed(100 * each if percent else each)
        for each in (change.effect, change.low, change.high)
    )
    return f"{effect} [{low}, {high}]{' %' if percent else ''}"


def _signed(number: float) -> str:
    return f"{'+' if number > 0 else ''}{number:.3g}"


def _name(series: Series) -> str:
    return visible(series.key if series.unit else " ".join(value for _, value in series.name))


def _point(series: Series, place: int) -> str:
    return visible(series.label(place))


def _summary(told: Told) -> str:
    """Say it in a line."""
    histories = told.histories.histories
    looked = [history for history in histories if history.found.enough]
    changed = [history for history in looked if history.found.changes]
    counts = f"{len(changed)} of {len(looked)} series changed, {len(told.failing)} failing"
    few = len(histories) - len(looked)
    return f"{told.verdict}: {counts}" + (f"; {few} with too few points" if few else "")


def _notes(histories: Histories) -> list[str]:
    """Say what a reader should know, a sentence each."""
    notes = []
    for history in histories.histories:
        name, found = _name(history.series), history.found
        if not found.enough:
            notes.append(f"{name}: {found.n} points; a change needs 6, and 8 from 15 on")
        if history.series.thin:
            notes.append(f"{name}: {history.series.thin} points left out, too few requests")
        for change in history.lost:
            first = visible(str(change["first_after"]))
            notes.append(f"{name}: the change known at {first} is older than what is kept")
        if any(change.kind == DRIFT for change in found.changes):
            notes.append(f"{name}: drifts; a line tells more than steps, so no point is to blame")
    return notes


def _history(history: History, failing: list[tuple[str, int]]) -> dict[str, Any]:
    """Give a series for programs."""
    series, found = history.series, history.found
    return {
        "name": dict(series.name),
        "metric": series.metric,
        "unit": series.unit,
        "better": series.better,
        "n": found.n,
        "missing": int(len(series.values) - found.n),
        "too_few_requests": series.thin,
        "enough": found.enough,
        "p_value": _known(found.p_value) if found.enough else None,
        "p_adjusted": _known(history.p_adjusted),
        "autocorrelation": _known(found.rho),
        "detectable": _known(found.detectable),
        "effects": "ratio" if found.scale.log else "difference",
        "outliers": [_named(series, place) for place in found.outliers],
        "changes": [
            _change(history, change, (series.key, change.place) in failing)
            for change in found.changes
        ],
        "known_and_gone": [dict(change) for change in history.lost],
    }


def _change(history: History, change: Change, fails: bool) -> dict[str, Any]:
    """Give a change for programs."""
    series = history.series
    return {
        "kind": change.kind,
        "status": change.status,
        "worse": history.worse(change),
        "fails": fails,
        "known": change.known,
        "last_before": _named(series, change.last_before),
        "first_after": _named(series, change.place),
        "earliest": _named(series, change.earliest),
        "latest": _named(series, change.latest),
        "before": change.before,
        "after": change.after,
        "effect": change.effect,
        "effect_low": _known(change.low),
        "effect_high": _known(change.high),
        "n_before": change.n[0],
        "n_after": change.n[1],
        "p_value": None if change.p_value is None else _known(change.p_value),
    }


def _named(series: Series, place: int) -> dict[str, Any]:
    """Give a point for programs: which it is, its time and its attributes."""
    told = {name: values[place] for name, values in series.attributes}
    return {"point": place, "time": series.times[place], "attributes": told}


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _line(cells: Sequence[str]) -> str:
    """Give a line of a Markdown table; what would end a cell is escaped."""
    escaped = [cell.replace("\\", "\\\\").replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(' '.join(text.split()) for text in escaped)} |"
