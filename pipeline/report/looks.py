"""Looks of a watch: a line each for a pipe, JSON lines for programs, a live view for a terminal."""

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from pipeline.gate.standings import Standing
from pipeline.gate.verdict import EXIT_STATUS, FAIL, INCONCLUSIVE, NO_DATA, WARN
from pipeline.gate.watching import Look
from pipeline.jobs.judge_window import clock_text
from pipeline.report.judgement_rows import (
    check_document,
    effect_text,
    side_text,
    values_text,
    why_text,
)
from pipeline.report.text import significant
from pipeline.report.visible import visible

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

# The number rises when a key changes its meaning or goes; new keys leave it as it is.
SCHEMA = "tailgate.look/1"

# Checks that a live view has lines for, and the cells of a bar.
_SHOWN = 12
_BAR = 10

INTERRUPTED = "interrupted"
_OUT_OF_TIME = "the window ends before the last look"


def write_look(look: Look, out: BinaryIO) -> None:
    """Write a look as a line: minute, verdict so far, alpha spent, what is nearest to a fail."""
    out.write(f"{_look_text(look)}\n".encode())
    out.flush()


def write_look_json(look: Look, out: BinaryIO) -> None:
    """Write a look as a JSON line; the same minutes give the same bytes, whenever looked at."""
    _write_line(look_document(look), out)


def write_end(look: Look | None, ends: str, out: BinaryIO) -> None:
    """Write what a watch came to: what decided, then the verdict on a line of its own.

    Args:
        look: the last one; None where there was none.
        ends: why there is no other; empty where the look itself says so.
        out: where.
    """
    for each in _ordered(look, decided=True) if look else ():
        check = each.check
        named = visible(f"{check.service_name} {check.operation} {check.metric}".strip())
        text = f"{named}: {values_text(check)}, worse by {effect_text(check)}"
        told = "; ".join(each for each in (text, why_text(check)) if each)
        out.write(f"{check.verdict}: {told}\n".encode())
    out.write(f"{end_text(look, ends)}\n".encode())
    out.flush()


def write_end_json(look: Look | None, ends: str, out: BinaryIO) -> None:
    """Write the last JSON line: the verdict, and why it is given now."""
    verdict, why = verdict_of(look, ends)
    told: dict[str, Any] = {"schema": SCHEMA, "kind": "verdict", "verdict": verdict, "ends": why}
    told["exit_status"] = exit_status(look, ends)
    if look is not None:
        told |= _settings(look) | {"minute": look.minute, "alpha_spent": look.alpha_spent}
        told["worst"] = None if look.worst is None else _standing_document(look.worst)
    _write_line(told, out)


def verdict_of(look: Look | None, ends: str) -> tuple[str, str]:
    """Give the verdict of a watch, and why it ended.

    A watch that did not get to its end has not the alpha for a verdict: it is inconclusive.
    """
    if look is not None and look.ends:
        return look.verdict, look.ends
    return INCONCLUSIVE, ends or _OUT_OF_TIME


def exit_status(look: Look | None, ends: str) -> int:
    """Give the exit status of a watch."""
    # 128 and the number of SIGINT, as shells have it.
    return 130 if ends == INTERRUPTED else EXIT_STATUS[verdict_of(look, ends)[0]]


def end_text(look: Look | None, ends: str) -> str:
    """Say what a watch came to."""
    verdict, why = verdict_of(look, ends)
    if look is None:
        return f"{verdict}: no look was taken ({why})"
    request = look.judged.request
    sides = visible(f"{side_text(request.canary)} against {side_text(request.baseline)}")
    return (
        f"{verdict}: {sides} after {look.minute} of {look.watch.horizon} minutes "
        f"({why}; alpha spent {_alpha_text(look)}; {_worst_text(look)})"
    )


def look_document(look: Look) -> dict[str, Any]:
    """Give everything that a look found, for programs; null for unknown."""
    first = look.judged.first_minute
    plan, number = look.watch.plan, look.number
    return {
        "schema": SCHEMA,
        "kind": "look",
        "minute": look.minute,
        "first_minute": first,
        "end_minute": first + look.minute,
        "baseline_last_minute": look.judged.last_minutes[0],
        "canary_last_minute": look.judged.last_minutes[1],
        "planned_look": None if number is None else number + 1,
        "planned_looks": len(look.watch.planned),
        "boundary": None if number is None else _known(plan.boundaries[number]),
        "level": None if number is None else plan.levels[number],
        "alpha_spent": look.alpha_spent,
        "verdict": look.verdict,
        "ends": look.ends,
        "checks": [_standing_document(each) for each in look.standings],
    }


def live_view(look: Look | None, waiting: str) -> "Table | Text":
    """Draw where a watch stands, for a terminal.

    Args:
        look: the last one; None before the first.
        waiting: what is waited for, and how fresh the lake is.
    """
    from rich.table import Table
    from rich.text import Text

    if look is None:
        return Text(f"watching: {waiting}")
    title = f"{look.verdict} so far · minute {look.minute} of {look.watch.horizon} · {waiting}"
    caption = f"alpha spent {_alpha_text(look)}; {_planned_text(look)}"
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    for name in ("verdict", "operation", "metric", "baseline → canary", "worse by", "to a fail"):
        table.add_column(name, overflow="fold")
    for each in _ordered(look)[:_SHOWN]:
        check = each.check
        named = visible(f"{check.service_name} {check.operation}".strip())
        bar = "█" * math.floor(each.progress * _BAR)
        cells = (
            check.verdict,
            named,
            check.metric,
            values_text(check),
            effect_text(check),
            f"{bar:·<{_BAR}} {each.progress:.0%}",
        )
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _look_text(look: Look) -> str:
    """Say in a line what a look found."""
    last = look.judged.first_minute + look.minute - 1
    clock = clock_text(last)[-5:] if look.minute else "–"
    return (
        f"minute {look.minute}/{look.watch.horizon} {clock} {look.verdict} "
        f"({_planned_text(look)}; alpha spent {_alpha_text(look)}): {_worst_text(look)}"
    )


def _planned_text(look: Look) -> str:
    """Say which planned look this is, or when the next one is."""
    if look.number is not None:
        bound = look.watch.plan.boundaries[look.number]
        return f"look {look.number + 1} of {len(look.watch.planned)}, boundary z {bound:.2f}"
    upcoming = [minute for minute in look.watch.planned if minute > look.minute]
    return f"next planned look at {upcoming[0]}" if upcoming else "no look is left"


def _alpha_text(look: Look) -> str:
    """Say how much of alpha is spent."""
    return f"{look.alpha_spent:.2g} of {look.watch.tolerance.alpha:g}"


def _worst_text(look: Look) -> str:
    """Say what is nearest to a fail, and how near."""
    starved = [each.check for each in look.standings if each.check.metric == "traffic"]
    if starved:
        return starved[0].reason
    worst = look.worst
    if worst is None:
        reasons = [each.check.reason for each in look.standings if each.check.critical]
        return reasons[0] if reasons else "nothing to judge yet"
    check = worst.check
    named = visible(f"{check.service_name} {check.operation} {check.metric}".strip())
    weighed = worst.evidence
    e = "" if weighed is None else f", E {_e_text(weighed.log_e_worse)}"
    return f"worst {named} {effect_text(check)}{e}, {worst.progress:.0%} of the way to a fail"


def _e_text(log_e: float) -> str:
    """Write an e-value by its logarithm."""
    # Beyond a million, or below a thousandth, only the power of ten tells anything.
    if -7.0 < log_e < 14.0:
        return significant(math.exp(log_e), 3)
    return f"1e{log_e / math.log(10):.0f}" if math.isfinite(log_e) else ("0" if log_e < 0 else "∞")


def _ordered(look: Look, decided: bool = False) -> Sequence[Standing]:
    """Give the checks that count, nearest to a fail first; ``decided`` for why it ended."""
    counted = [each for each in look.standings if each.check.critical]
    if decided:
        told = (FAIL, WARN) if look.verdict == FAIL else (FAIL, WARN, INCONCLUSIVE, NO_DATA)
        counted = [each for each in counted if each.check.verdict in told]
    return sorted(counted, key=lambda each: -each.progress)


def _standing_document(standing: Standing) -> dict[str, Any]:
    """Give one check."""
    weighed = standing.evidence
    return check_document(standing.check) | {
        "progress": standing.progress,
        "log_e_worse": None if weighed is None else _known(weighed.log_e_worse),
        "log_e_within": None if weighed is None else _known(weighed.log_e_within),
        "anytime_low": None if weighed is None else _ratio(weighed.low),
        "anytime_high": None if weighed is None else _ratio(weighed.high),
        "blocks": None if weighed is None else weighed.blocks,
    }


def _settings(look: Look) -> dict[str, Any]:
    """Give how a watch was set."""
    watch, request = look.watch, look.judged.request
    return {
        "baseline": dict(request.baseline),
        "canary": dict(request.canary),
        "horizon_minutes": watch.horizon,
        "planned_minutes": list(watch.planned),
        "rule": watch.rule,
        "alpha": watch.tolerance.alpha,
        "relative_margin": watch.tolerance.relative,
    }


def _write_line(document: dict[str, Any], out: BinaryIO) -> None:
    out.write(json.dumps(document, allow_nan=False).encode("ascii") + b"\n")
    out.flush()


def _known(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _ratio(log: float) -> float | None:
    """Give a ratio less one; None for one without bounds."""
    # exp of more is no number.
    return math.expm1(log) if math.isfinite(log) and log < 700.0 else None
