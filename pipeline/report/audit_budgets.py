"""Audits of budgets written: beside every budget how often it breaks without cause, and by what."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, BinaryIO

from pipeline.gate.auditing import POWER
from pipeline.gate.auditing_budgets import ERROR_PERCENT, BudgetAudit
from pipeline.gate.budget_keys import RELATIVE
from pipeline.report.audit import markdown_line, rate_text
from pipeline.report.tables import print_table
from pipeline.report.text import MISSING, significant
from pipeline.report.visible import visible

# The number rises when a key changes its meaning or goes; new keys leave it as it is.
SCHEMA = "tailgate.budget_audit/1"

_HEADINGS = (
    *("budget", "service", "operation", "metric", "value", "limit"),
    *("replays", "undecided", "fails without cause %", "breaks from", "note"),
)
_NUMBERS = (False, False, False, False, True, True, True, True, True, True, False)
_PER_CENT = 100.0

Lines = Sequence[BudgetAudit]


def write_text(lines: Lines, out: BinaryIO) -> None:
    """Write a table with a line a budget and operation."""
    print_table(_HEADINGS, [_cells(line) for line in lines], _NUMBERS, out)
    out.write(f"{_meaning()}\n".encode())
    out.flush()


def write_markdown(lines: Lines, out: BinaryIO) -> None:
    """Write the table for a pull request."""
    written = [markdown_line(_HEADINGS), markdown_line(["---"] * len(_HEADINGS))]
    written += [markdown_line(_cells(line)) for line in lines]
    out.write(("\n".join([*written, "", _meaning()]) + "\n").encode())


def write_json(lines: Lines, out: BinaryIO) -> None:
    """Write one JSON document; the same history gives the same bytes."""
    document = {"schema": SCHEMA, "power": POWER, "budgets": [_plain(line) for line in lines]}
    text = json.dumps(document, indent=2, allow_nan=False)
    out.write(text.encode("ascii") + b"\n")


WRITERS: Mapping[str, Callable[[Lines, BinaryIO], None]] = MappingProxyType(
    {"text": write_text, "json": write_json, "markdown": write_markdown}
)


def _meaning() -> str:
    return (
        f"breaks from: what makes {_PER_CENT * POWER:.0f} % of the windows (absolute) or replays "
        "(relative) fail; > is the largest that was tried"
    )


def _cells(line: BudgetAudit) -> list[str]:
    replayed = line.false_fails.replays > 0
    return [
        line.name,
        visible(line.service_name),
        visible(line.operation),
        line.metric,
        f"{significant(line.value)} {line.unit}" if math.isfinite(line.value) else MISSING,
        _limit(line),
        str(line.false_fails.replays) if replayed else MISSING,
        str(line.undecided) if replayed or line.undecided else MISSING,
        rate_text(line.false_fails),
        _breaks(line) if replayed else MISSING,
        line.reason,
    ]


def _limit(line: BudgetAudit) -> str:
    """Write the limit: in the metric's unit, or how much of the baseline may come to it."""
    if not math.isfinite(line.limit):
        return MISSING
    if line.kind != RELATIVE:
        return f"{line.limit:g} {line.unit}"
    unit = "points" if line.metric == ERROR_PERCENT else "%"
    return f"+{_PER_CENT * line.limit:.4g} {unit}"


def _breaks(line: BudgetAudit) -> str:
    """Write from what harm the budget breaks."""
    unit = "points" if line.metric == ERROR_PERCENT else "%"
    if not math.isfinite(line.breaks_from):
        return f"> +{_PER_CENT * line.largest:.4g} {unit}" if line.largest else MISSING
    if line.breaks_from == 0.0:
        return "nothing: it is broken"
    return f"+{_PER_CENT * line.breaks_from:.3g} {unit}"


def _plain(line: BudgetAudit) -> dict[str, Any]:
    """Give a line as plain values; null for unknown."""
    told = asdict(line)
    for name in ("limit", "value", "breaks_from"):
        told[name] = told[name] if math.isfinite(told[name]) else None
    share = line.false_fails.share
    told["false_fails"]["share"] = share if math.isfinite(share) else None
    return told
