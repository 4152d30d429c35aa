"""Signals of the runtime, written: for people, programs and pull requests."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, BinaryIO

from pipeline.gate.runtime import Signal
from pipeline.gate.runtime_levels import SATURATED, SignalLevel
from pipeline.gate.verdict import Check
from pipeline.report.capacity import markdown_table, plain
from pipeline.report.capacity_lines import Table, figure, interval
from pipeline.report.tables import print_table
from pipeline.report.text import MISSING
from pipeline.report.visible import folded, visible
from pipeline.stats.bootstrap import Interval

# The number rises when a key changes its meaning or goes; new keys leave it as it is.
SCHEMA = "tailgate.runtime/1"
_PER_CENT = 100.0
# Of a wait while nothing is taken.
_WITHOUT_END = "unbounded"
# Of more that are missing only their names are told, or they would hide what there is.
_MISSING_MOST = 4
NOTHING = (
    "no signal of the runtime was found: send metrics of the runtime over OTLP, such as those of "
    "opentelemetry-instrumentation-system-metrics or of the JVM's agent"
)
# Bytes are read in the largest of these that leaves a whole number.
_SIZES = (("GiBy", 2.0**30), ("MiBy", 2.0**20), ("KiBy", 2.0**10))

_LEVEL_NAMES = ("signal", "service", "value", "unit", "p95", "highest")
_MORE_NAMES = ("p50", "an hour", "above 80 %", "n", "instances", "minutes", "told by", "note")
_CHECK_NAMES = ("signal", "service", "baseline → canary", "unit", "worse by")
_CHECK_MORE_NAMES = ("p", "n", "note")
_NUMBERS = frozenset(
    {"value", "p50", "p95", "highest", "an hour", "above 80 %", "n", "instances", "minutes"}
    | {"baseline → canary", "worse by", "p"}
)


def level_table(signals: Sequence[Signal], whole: bool) -> Table:
    """Give a row a signal, a service, a version and a queue.

    Args:
        signals: all of them.
        whole: whether every fact is in it, or those that a line of 100 columns holds.
    """
    names = (*_LEVEL_NAMES, *_MORE_NAMES) if whole else _LEVEL_NAMES
    rows = []
    for signal in signals:
        for level in signal.levels:
            unit, factor = _read_in(level.unit, level.value.estimate)
            _, high, most = level.over_time
            value = _WITHOUT_END if math.isinf(level.value.low) else interval(level.value, factor)
            row = [signal.metric.name, whose(level), value, unit]
            row += [figure(factor * high), figure(factor * most)]
            rows.append(row + (_more(level, factor) if whole else []))
    return names, tuple(name in _NUMBERS for name in names), rows


def check_table(signals: Sequence[Signal], whole: bool) -> Table:
    """Give a row a signal and service, beside its baseline.

    Args:
        signals: all of them.
        whole: as for ``level_table``.
    """
    names = (*_CHECK_NAMES, *_CHECK_MORE_NAMES) if whole else _CHECK_NAMES
    rows = [
        _check_cells(signal, check) + (_check_more(check) if whole else [])
        for signal in signals
        for check in sorted(signal.checks, key=lambda each: (each.service_name, each.operation))
    ]
    return names, tuple(name in _NUMBERS for name in names), rows


def level_lines(signals: Sequence[Signal]) -> list[str]:
    """Say what grows, what is saturated, and what to know of a level."""
    lines = []
    for signal in signals:
        for level in signal.levels:
            of = f"{signal.metric.name} of {whose(level)}"
            if level.grows:
                unit, factor = _read_in(level.unit, level.per_hour.estimate)
                grown = f"{interval(level.per_hour, factor)} {unit} an hour"
                lines.append(f"{of}: growing by {grown}, over {level.minutes} minutes")
            if level.saturated.estimate > 0:
                share = interval(level.saturated, _PER_CENT)
                lines.append(f"{of}: above {_PER_CENT * SATURATED:.0f} % for {share} % of the time")
            if level.reason:
                known = not math.isnan(level.value.estimate)
                lines.append(f"{of}: {'' if known else 'not identified: '}{level.reason}")
    return lines


def check_lines(signals: Sequence[Signal]) -> list[str]:
    """Say what to know of a comparison, of several signals once where it is the same."""
    names: dict[tuple[str, str], list[str]] = {}
    for signal in signals:
        for check in signal.checks:
            if check.reason:
                names.setdefault((_checked(check), check.reason), []).append(signal.metric.name)
    return [f"{', '.join(each)} of {whose}: {reason}" for (whose, reason), each in names.items()]


def missing_lines(signals: Sequence[Signal]) -> list[str]:
    """Say which signals nobody sends, and what would tell them."""
    return [f"{each.metric.name}: {each.missing}" for each in signals if each.missing]


def write_text(signals: Sequence[Signal], out: BinaryIO) -> None:
    """Write a table, then what to know of it and what is missing."""
    for names, numbers, rows in (
        level_table(signals, whole=False),
        check_table(signals, whole=False),
    ):
        if rows:
            print_table(names, [[visible(cell) for cell in row] for row in rows], numbers, out)
    lines = [*level_lines(signals), *check_lines(signals)]
    shown = [folded(visible(line)) for line in lines] + _missing(signals)
    out.write("".join(f"{line}\n" for line in shown).encode())
    out.flush()


def _missing(signals: Sequence[Signal]) -> list[str]:
    """Say what nobody sends: of a few signals what would tell them, of many their names."""
    missing = [each for each in signals if each.missing]
    if len(missing) <= _MISSING_MOST:
        return [folded(f"not identified: {line}") for line in missing_lines(missing)]
    areas = dict.fromkeys(each.area for each in missing)
    lines = [folded(NOTHING)] if len(missing) == len(signals) else []
    lines.append("not identified, as nobody sends them; --signal NAME says what would tell one:")
    for area in areas:
        names = ", ".join(each.metric.name for each in missing if each.area == area)
        lines.append(folded(f"{area}: {names}", "  "))
    return lines


def write_markdown(signals: Sequence[Signal], out: BinaryIO) -> None:
    """Write the same as Markdown."""
    tables = (level_table(signals, whole=True), check_table(signals, whole=True))
    parts = ["# Runtime\n", *(markdown_table(table) for table in tables if table[2])]
    parts += [f"\n> not identified: {plain(line)}\n" for line in missing_lines(signals)]
    out.write("".join(parts).encode())


def write_json(signals: Sequence[Signal], out: BinaryIO) -> None:
    """Write one JSON document; null for unknown."""
    document = {"schema": SCHEMA, "signals": [_signal(each) for each in signals]}
    out.write(json.dumps(document, indent=2, allow_nan=False).encode("ascii") + b"\n")


WRITERS: Mapping[str, Callable[[Sequence[Signal], BinaryIO], None]] = MappingProxyType(
    {"text": write_text, "json": write_json, "markdown": write_markdown}
)


def whose(level: SignalLevel) -> str:
    """Name a service, its version and its queue, those that there are."""
    names = (level.service_name, level.service_version, level.thing)
    return " ".join(name for name in names if name)


def _checked(check: Check) -> str:
    return " ".join(name for name in (check.service_name, check.operation) if name)


def _read_in(unit: str, size: float) -> tuple[str, float]:
    """Give the unit that a size is read in, and the factor to it.

    >>> _read_in("By", 3 * 2.0**20)[0], _read_in("ms", 3.0)
    ('MiBy', ('ms', 1.0))
    """
    if unit == "By":
        for name, least in _SIZES:
            if abs(size) >= least:
                return name, 1 / least
    return unit, 1.0


def _more(level: SignalLevel, factor: float) -> list[str]:
    """Write the cells that a terminal has no room for."""
    return [
        figure(factor * level.over_time[0]),
        interval(level.per_hour, factor),
        _share(level.saturated),
        figure(level.n),
        str(level.instances),
        str(level.minutes),
        ", ".join(level.names),
        level.reason,
    ]


def _share(found: Interval) -> str:
    """Write a share in per cent; one that is not known is a dash."""
    return MISSING if math.isnan(found.estimate) else f"{interval(found, _PER_CENT)} %"


def _check_cells(signal: Signal, check: Check) -> list[str]:
    """Write one row of a comparison."""
    measure = check.measure
    named = [signal.metric.name, _checked(check)]
    if measure is None:
        return [*named, MISSING, check.unit, MISSING]
    told, factor = _read_in(check.unit, measure.canary)
    values = f"{figure(factor * measure.baseline)} → {figure(factor * measure.canary)}"
    effect, low, high = (_PER_CENT * x for x in (measure.effect, measure.low, measure.high))
    unit = "%" if check.scale == "ratio" else "points"
    return [*named, values, told, f"{effect:+.3g} [{low:+.3g}, {high:+.3g}] {unit}"]


def _check_more(check: Check) -> list[str]:
    """Write the cells of a comparison that a terminal has no room for."""
    measure = check.measure
    if measure is None:
        return [MISSING, MISSING, check.reason]
    of_sides = " → ".join(figure(each) for each in measure.n)
    return [figure(measure.p_value), of_sides, check.reason]


def _signal(signal: Signal) -> dict[str, Any]:
    return {
        "area": signal.area,
        "name": signal.metric.name,
        "meaning": signal.metric.meaning,
        "missing": signal.missing,
        "services": [
            *(_level(level) for level in signal.levels),
            *(_check(check) for check in signal.checks),
        ],
    }


def _level(level: SignalLevel) -> dict[str, Any]:
    median, high, most = level.over_time
    return {
        "service_name": level.service_name,
        "service_version": level.service_version,
        "queue": level.thing,
        "unit": level.unit,
        "scale": "level",
        "reason": level.reason,
        "value": _interval(level.value),
        "n": level.n,
        "instances": level.instances,
        "minutes": level.minutes,
        "over_time": {"p50": _known(median), "p95": _known(high), "max": _known(most)},
        "per_hour": _interval(level.per_hour) | {"grows": level.grows},
        "share_of_time_above_80_percent": _interval(level.saturated),
        "told_by": list(level.names),
    }


def _check(check: Check) -> dict[str, Any]:
    measure = check.measure
    names = ("baseline", "canary", "effect", "low", "high", "p_value")
    told: dict[str, Any] = {
        "service_name": check.service_name,
        "queue": check.operation,
        "unit": check.unit,
        "scale": check.scale,
        "reason": check.reason,
    }
    for name in names:
        told[name] = _known(math.nan if measure is None else getattr(measure, name))
    told["n"] = None if measure is None else list(measure.n)
    return told


def _interval(found: Interval) -> dict[str, Any]:
    return {
        "estimate": _known(found.estimate),
        "low": _known(found.low),
        "high": _known(found.high),
    }


def _known(value: float) -> float | None:
    """Give a number; None for one that is not known."""
    return value if math.isfinite(value) else None
