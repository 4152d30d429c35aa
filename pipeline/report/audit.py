"""An audit written: for people, for programs and for pull requests."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, BinaryIO

from pipeline.gate.auditing import POWER, Audit, MetricAudit, OperationAudit
from pipeline.jobs.audit_harm import ERRORS, SLOWER, TAIL
from pipeline.report.judgement_rows import side_text
from pipeline.report.tables import print_table
from pipeline.report.text import MISSING, significant
from pipeline.report.visible import visible
from pipeline.stats.replay_rate import Rate

# The number rises when a key changes its meaning or goes; new keys leave it as it is.
SCHEMA = "tailgate.audit/1"

_PER_CENT = 100.0
_KINDS = {SLOWER: "slower by", TAIL: "tail slower by", ERRORS: "errors"}
_SOUND = ("service", "operation", "metric", "false fails", "alarms without tolerance")
_SOUND_LAST = ("interval holds 0", "pass", "warn", "inconclusive")

Table = tuple[str, Sequence[str], list[list[str]]]


def write_text(audit: Audit, out: BinaryIO) -> None:
    """Write the tables and, last, the answer in a line."""
    for title, headings, rows in _tables(audit):
        texts = [heading in ("service", "operation", "metric") for heading in headings]
        print_table(headings, rows, [not text for text in texts], out, title)
        out.write(b"\n")
    out.write("".join(f"note: {note}\n" for note in audit.notes).encode())
    out.write(f"{summary(audit)}\n".encode())
    out.flush()


def write_markdown(audit: Audit, out: BinaryIO) -> None:
    """Write the tables for a pull request."""
    lines = [f"### tailgate audit: {summary(audit)}", ""]
    for title, headings, rows in _tables(audit):
        lines += [
            f"**{title}**",
            "",
            markdown_line(headings),
            markdown_line(["---"] * len(headings)),
        ]
        lines += [*(markdown_line(row) for row in rows), ""]
    lines += [f"- {note}" for note in audit.notes]
    out.write(("\n".join(lines).rstrip() + "\n").encode())


def write_json(audit: Audit, out: BinaryIO) -> None:
    """Write one JSON document; the same history gives the same bytes."""
    text = json.dumps(document(audit), indent=2, allow_nan=False)
    out.write(text.encode("ascii") + b"\n")


WRITERS: Mapping[str, Callable[[Audit, BinaryIO], None]] = MappingProxyType(
    {"text": write_text, "json": write_json, "markdown": write_markdown}
)


def summary(audit: Audit) -> str:
    """Say it in a line."""
    fails = audit.overall.false_fails
    where = side_text(audit.history.request.where) or "all requests"
    return (
        f"{where}: {fails.events} of {fails.replays} replays fail without cause, "
        f"{rate_text(fails)} %; at most {significant(_PER_CENT * audit.tolerance.alpha, 2)} % "
        "is promised"
    )


def rate_text(rate: Rate) -> str:
    """Write a rate in per cent, with its interval."""
    if not rate.replays:
        return MISSING
    share, low, high = (_PER_CENT * each for each in (rate.share, rate.low, rate.high))
    return f"{share:.3g} [{low:.2g}, {high:.2g}]"


def document(audit: Audit) -> dict[str, Any]:
    """Give everything that is known, for programs: keys with units, null for unknown."""
    history, tolerance = audit.history, audit.tolerance
    request = history.request
    return {
        "schema": SCHEMA,
        "where": dict(request.where),
        "kind": request.kind,
        "since_unix_nano": request.since_unix_nano,
        "until_unix_nano": request.until_unix_nano,
        "history_minutes": history.minutes,
        "window_minutes": request.window_minutes,
        "windows": len(history.windows),
        "canary_share": request.share,
        "replays": audit.replays,
        "harmed_replays": audit.harmed_replays,
        "power": POWER,
        "alpha": tolerance.alpha,
        "relative_margin": tolerance.relative,
        "absolute_margin_ms": tolerance.absolute_ms,
        "error_margin": tolerance.error_difference,
        "latency_minutes_version": history.minutes_version,
        "verdicts": audit.verdicts,
        "overall": _operation(audit.overall),
        "operations": [_operation(each) for each in audit.operations],
        "notes": list(audit.notes),
    }


def _operation(each: OperationAudit) -> dict[str, Any]:
    """Give one operation."""
    return {
        "service_name": each.service_name,
        "operation": each.operation,
        "requests": each.requests,
        "instances": each.instances,
        "windows": each.windows,
        "split_by": each.way,
        "false_fails": _rate(each.false_fails),
        "smallest_caught": {
            kind: _finite(each.smallest(kind))
            for kind in _KINDS
            if any(caught.kind == kind for caught in each.caught)
        },
        "metrics": [_metric(metric) for metric in each.metrics],
        "caught": [
            {
                "kind": caught.kind,
                "size": caught.size,
                "failed": _rate(caught.failed),
                "warned": _rate(caught.warned),
                "failed_by_metric": {
                    metric: _rate(rate) for metric, rate in caught.by_metric.items()
                },
            }
            for caught in each.caught
        ],
    }


def _metric(metric: MetricAudit) -> dict[str, Any]:
    return {
        "metric": metric.metric,
        "false_fails": _rate(metric.false_fails),
        "false_alarms_without_tolerance": _rate(metric.false_alarms),
        "interval_holds_zero": _rate(metric.covered),
        "verdicts": metric.verdicts,
    }


def _rate(rate: Rate) -> dict[str, Any]:
    return {"share": _finite(rate.share), **asdict(rate)}


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _tables(audit: Audit) -> Iterator[Table]:
    """Give each table's title, headings and rows."""
    lines = [audit.overall, *audit.operations]
    kinds = {kind: text for kind, text in _KINDS.items() if kind in _asked(audit)}
    headings = ["service", "operation", "requests", "instances", "windows", "false fails %"]
    headings += [f"finds {text}" for text in kinds.values()]
    rows = [
        [*_named(each), *_counted(each), *(_least(each, kind) for kind in kinds)] for each in lines
    ]
    yield _title(audit), headings, rows
    if kinds:
        sizes = [size_text(*harm) for harm in audit.history.request.harms]
        title = f"% of {audit.harmed_replays} replays that fail after harm to the operation"
        rows = [
            [*_named(each), *(_share(caught.failed) for caught in each.caught)] for each in lines
        ]
        yield title, ["service", "operation", *sizes], rows
    rows = [
        [*_named(each), *_sound(metric)]
        for each in lines
        for metric in each.metrics
        if metric.false_fails.replays
    ]
    yield "% of replays without harm, by metric", [*_SOUND, *_SOUND_LAST], rows


def _asked(audit: Audit) -> set[str]:
    return {kind for kind, _ in audit.history.request.harms} if audit.harmed_replays else set()


def _title(audit: Audit) -> str:
    request = audit.history.request
    return (
        f"{audit.replays} replays of {len(audit.history.windows)} windows of "
        f"{request.window_minutes} minutes, {significant(_PER_CENT * request.share, 2)} % of the "
        f"traffic on the canary; found is what fails in {_PER_CENT * POWER:.0f} % of them or more"
    )


def _named(each: OperationAudit) -> list[str]:
    if not each.service_name and not each.operation:
        return ["(all)", ""]
    return [visible(each.service_name), visible(each.operation)]


def _counted(each: OperationAudit) -> list[str]:
    return [
        f"{each.requests:.0f}",
        str(each.instances),
        str(each.windows),
        rate_text(each.false_fails),
    ]


def _least(each: OperationAudit, kind: str) -> str:
    """Write the smallest harm that is found."""
    sizes = [caught.size for caught in each.caught if caught.kind == kind]
    least = each.smallest(kind)
    return size_text(kind, least) if math.isfinite(least) else f"> {size_text(kind, max(sizes))}"


def size_text(kind: str, size: float) -> str:
    """Write the size of a harm.

    >>> size_text("slower", 0.05), size_text("errors", 0.005)
    ('+5 %', '+0.5 points')
    """
    unit = "points" if kind == ERRORS else "% tail" if kind == TAIL else "%"
    return f"+{_PER_CENT * size:.4g} {unit}"


def _sound(metric: MetricAudit) -> list[str]:
    count = metric.false_fails.replays
    shares = [
        f"{_PER_CENT * metric.verdicts[verdict] / count:.3g}"
        for verdict in ("pass", "warn", "inconclusive")
    ]
    rates = (metric.false_fails, metric.false_alarms)
    return [
        metric.metric,
        *(rate_text(rate) for rate in rates),
        _share(metric.covered),
        *shares,
    ]


def _share(rate: Rate) -> str:
    return f"{_PER_CENT * rate.share:.3g}" if rate.replays else MISSING


def markdown_line(cells: Sequence[str]) -> str:
    """Give a line of a Markdown table; what would end a cell is escaped."""
    escaped = [cell.replace("\\", "\\\\").replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(' '.join(text.split()) for text in escaped)} |"
