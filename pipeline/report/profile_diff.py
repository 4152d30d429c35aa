"""A comparison of profiles written: for people, programs and spreadsheets."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, BinaryIO

from pipeline.jobs.profile_diff import DiffResult, Side
from pipeline.jobs.profile_findings import Finding
from pipeline.report.profile_cells import amount, percent, shown_name
from pipeline.report.rows import write_csv as write_rows_csv
from pipeline.report.tables import print_table
from pipeline.report.text import MISSING, significant

# The number rises when a key changes its meaning or goes; new keys leave it as it is.
DIFF_SCHEMA = "tailgate.profile_diff/1"

_HEADINGS = (
    ("outcome", False),
    ("kind", False),
    ("baseline %", True),
    ("canary %", True),
    ("points", True),
    ("found from", True),
    ("p", True),
    ("function", False),
)
_QUIET = ("no_change", "too_few", "small", "covered")
# Unchanged functions on a screen; JSON and CSV have all.
_SHOWN = 10


def write_text(result: DiffResult, out: BinaryIO) -> None:
    """Write what got slower first, a table, the sides, the verdict.

    The table has what changed and the largest functions that did not. Changes are in points, per
    cent of all samples, each with its interval; `found from` is the least change that would
    have been found in four of five comparisons like this one.

    Args:
        result: the comparison.
        out: where; a terminal gets rules, anything else columns two spaces apart.
    """
    lines = [_first(finding) for finding in result.findings[:1] if finding.change_points > 0]
    out.write("".join(f"{line}\n" for line in lines).encode())
    rows = result.table.to_pylist()
    changed = [row for row in rows if row["outcome"] not in _QUIET]
    quiet = [row for row in rows if row["outcome"] == "no_change"]
    quiet.sort(key=lambda row: (-row["canary_share"], row["function"], row["kind"]))
    cells = [_cells(row) for row in (*changed, *quiet[:_SHOWN])]
    names, numbers = zip(*_HEADINGS, strict=True)
    print_table(names, cells, numbers, out)
    lines = [_why(finding) for finding in result.findings if finding.why or finding.covers]
    lines += [
        _side("baseline", result.baseline, result.sample_unit),
        _side("canary", result.canary, result.sample_unit),
        *(f"note: {note}" for note in result.notes),
        _verdict(result),
    ]
    out.write("".join(f"{line}\n" for line in lines).encode())
    out.flush()


def write_json(result: DiffResult, out: BinaryIO) -> None:
    """Write one JSON document; the same comparison gives the same bytes."""
    document = {
        "schema": DIFF_SCHEMA,
        "verdict": result.verdict,
        "profile_type": result.profile_type,
        "sample_type": result.sample_type,
        "sample_unit": result.sample_unit,
        "baseline": _plain(result.baseline),
        "canary": _plain(result.canary),
        "method": result.method,
        "permutations": result.permutations,
        "exact": result.exact,
        "findings": [asdict(finding) for finding in result.findings],
        "functions_count": result.functions,
        "functions": result.table.to_pylist(),
        "versions": {"profile_samples": result.samples_version},
        "notes": list(result.notes),
    }
    out.write(json.dumps(document, indent=2, allow_nan=False).encode("ascii") + b"\n")


def write_csv(result: DiffResult, out: BinaryIO) -> None:
    """Write CSV: a header and a line a function and a kind; what is not known is empty."""
    write_rows_csv(result.table.schema, result.table.to_batches(), out)


WRITERS: Mapping[str, Callable[[DiffResult, BinaryIO], None]] = MappingProxyType(
    {"text": write_text, "json": write_json, "csv": write_csv}
)


def _first(finding: Finding) -> str:
    """Tell the first finding with its callers."""
    path = " > ".join(shown_name(name) for name in finding.path)
    points = _points(finding.change_points, finding.change_points_low, finding.change_points_high)
    return f"{finding.outcome}: {path}: {points} points"


def _why(finding: Finding) -> str:
    """Tell what stands behind a finding."""
    name = shown_name(finding.function)
    if finding.why:
        return f"{name}: {finding.outcome}, as {shown_name(finding.why)} did not grow"
    return f"{name}: seen in its callers too: {', '.join(map(shown_name, finding.covers))}"


def _cells(row: Mapping[str, Any]) -> list[str]:
    """Give a function as text, its name last as it may be long."""
    low, high = row["change_points_low"], row["change_points_high"]
    p = row["p_value_adjusted"]
    return [
        row["outcome"],
        row["kind"],
        percent(row["baseline_share"]),
        percent(row["canary_share"]),
        _points(row["change_points"], low, high),
        f"{row['detectable_points']:.2f}",
        MISSING if p is None else significant(p, digits=2),
        shown_name(row["function"]),
    ]


def _points(change: float, low: float, high: float) -> str:
    """Write a change with its interval."""
    return f"{change:+.2f} [{low:+.2f}, {high:+.2f}]"


def _side(name: str, side: Side, unit: str) -> str:
    """Tell what was compared of a side."""
    where = " ".join(f"{key}={value}" for key, value in side.where) or "all"
    counts = f"{side.profiles} profiles, {side.samples} samples, {amount(side.value, unit)}"
    if side.cpu_seconds_per_request is not None:
        counts += f", {significant(side.cpu_seconds_per_request * 1000)} CPU ms a request"
    return f"{name}: {shown_name(where)}: {counts}"


def _verdict(result: DiffResult) -> str:
    """Tell the verdict and what it rests on."""
    tests = f"{result.permutations} permutations" if result.permutations else "binomial counts"
    return f"verdict: {result.verdict} ({len(result.regressions)} regressions; {tests})"


def _plain(side: Side) -> dict[str, Any]:
    return asdict(side) | {"where": dict(side.where)}
