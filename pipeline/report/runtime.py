"""Signals of the runtime, written: for people, programs and pull requests."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, BinaryIO

from pipeline.gate.runtime import Signal
from pipeline.gate.verdict import Check
from pipeline.report.capacity import markdown_table, plain
from pipeline.report.capacity_lines import Table, figure
from pipeline.report.tables import print_table
from pipeline.report.visible import visible

# The number rises when a key changes its meaning or goes; new keys leave it as it is.
SCHEMA = "tailgate.runtime/1"
_PER_CENT = 100.0


def signal_table(signals: Sequence[Signal]) -> Table:
    """Give a row a signal and service that sends it."""
    beside = any(check.scale != "limit" for signal in signals for check in signal.checks)
    names: tuple[str, ...] = ("area", "signal", "service", "value", "unit", "note")
    if beside:
        names = ("area", "signal", "service", "baseline → canary", "unit", "worse by", "note")
    rows = [
        _cells(signal, check, beside)
        for signal in signals
        for check in sorted(signal.checks, key=lambda check: check.service_name)
    ]
    numbers = tuple(name in ("value", "baseline → canary", "worse by") for name in names)
    return names, numbers, rows


def missing_lines(signals: Sequence[Signal]) -> list[str]:
    """Say which signals nobody sends, and what would tell them."""
    return [f"{each.metric.name}: {each.missing}" for each in signals if each.missing]


def write_text(signals: Sequence[Signal], out: BinaryIO) -> None:
    """Write a table, then what is missing."""
    names, numbers, rows = signal_table(signals)
    if rows:
        print_table(names, [[visible(cell) for cell in row] for row in rows], numbers, out)
    out.write("".join(f"not identified: {line}\n" for line in missing_lines(signals)).encode())
    out.flush()


def write_markdown(signals: Sequence[Signal], out: BinaryIO) -> None:
    """Write the same as Markdown."""
    parts = ["# Runtime\n", markdown_table(signal_table(signals))]
    parts += [f"\n> not identified: {plain(line)}\n" for line in missing_lines(signals)]
    out.write("".join(parts).encode())


def write_json(signals: Sequence[Signal], out: BinaryIO) -> None:
    """Write one JSON document; null for unknown."""
    document = {"schema": SCHEMA, "signals": [_signal(each) for each in signals]}
    out.write(json.dumps(document, indent=2, allow_nan=False).encode("ascii") + b"\n")


WRITERS: Mapping[str, Callable[[Sequence[Signal], BinaryIO], None]] = MappingProxyType(
    {"text": write_text, "json": write_json, "markdown": write_markdown}
)


def _cells(signal: Signal, check: Check, beside: bool) -> list[str]:
    """Write one row."""
    measure = check.measure
    named = [signal.area, signal.metric.name, check.service_name]
    if measure is None:
        return [*named, "–", check.unit, *(["–"] if beside else []), check.reason]
    if not beside:
        interval = f"{figure(measure.canary)} [{figure(measure.low)}, {figure(measure.high)}]"
        return [*named, interval, check.unit, check.reason]
    values = f"{figure(measure.baseline)} → {figure(measure.canary)}"
    effect, low, high = (_PER_CENT * x for x in (measure.effect, measure.low, measure.high))
    unit = "%" if check.scale == "ratio" else "points"
    worse = f"{effect:+.3g} [{low:+.3g}, {high:+.3g}] {unit}"
    return [*named, values, check.unit, worse, check.reason]


def _signal(signal: Signal) -> dict[str, Any]:
    return {
        "area": signal.area,
        "name": signal.metric.name,
        "meaning": signal.metric.meaning,
        "missing": signal.missing,
        "services": [_check(check) for check in signal.checks],
    }


def _check(check: Check) -> dict[str, Any]:
    measure = check.measure
    names = ("baseline", "canary", "effect", "low", "high", "p_value")
    told: dict[str, Any] = {
        "service_name": check.service_name,
        "unit": check.unit,
        "scale": "level" if check.scale == "limit" else check.scale,
        "reason": check.reason,
    }
    for name in names:
        value = math.nan if measure is None else getattr(measure, name)
        told[name] = value if math.isfinite(value) else None
    told["n"] = None if measure is None else list(measure.n)
    return told
