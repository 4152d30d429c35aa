"""Hotspots written: for people, programs and spreadsheets."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, BinaryIO

from pipeline.jobs.hotspots import HotspotsResult
from pipeline.report.profile_cells import amount, percent, shown_name
from pipeline.report.rows import write_csv as write_rows_csv
from pipeline.report.tables import print_table
from pipeline.report.text import significant

# The number rises when a key changes its meaning or goes; new keys leave it as it is.
HOTSPOTS_SCHEMA = "tailgate.hotspots/1"

_HEADINGS = ("flat", "flat %", "cumulative", "cumulative %", "samples")


def write_text(result: HotspotsResult, out: BinaryIO) -> None:
    """Write a table with a line a function, then what it is of, then its notes.

    Shares are in per cent, each with its interval.

    Args:
        result: the functions.
        out: where; a terminal gets rules, anything else columns two spaces apart.
    """
    rows = result.table.to_pylist()
    per_request = result.requests is not None
    extra = ("CPU ms a request",) if per_request else ()
    cells = [_cells(row, result.sample_unit, per_request) for row in rows]
    numbers = [True] * (len(_HEADINGS) + len(extra)) + [False]
    print_table([*_HEADINGS, *extra, "function"], cells, numbers, out)
    shown = f"{len(rows)} of {result.functions} functions"
    whole = f"{amount(result.total, result.sample_unit)} {result.profile_type}"
    line = f"{shown}; {whole}, {result.samples} samples, {result.profiles} profiles"
    if per_request:
        line += f", {significant(result.requests or 0.0)} requests"
    out.write("".join(f"{text}\n" for text in (line, *_notes(result))).encode())
    out.flush()


def write_json(result: HotspotsResult, out: BinaryIO) -> None:
    """Write one JSON document; the same answer gives the same bytes."""
    asked = result.request
    document = {
        "schema": HOTSPOTS_SCHEMA,
        "since_unix_nano": asked.profiles.since_unix_nano,
        "until_unix_nano": asked.profiles.until_unix_nano,
        "where": dict(asked.profiles.where),
        "profile_type": result.profile_type,
        "sample_type": result.sample_type,
        "sample_unit": result.sample_unit,
        "sort": asked.sort,
        "confidence": asked.confidence,
        "total": result.total,
        "samples": result.samples,
        "profiles": result.profiles,
        "requests": result.requests,
        "functions_count": result.functions,
        "versions": {"profile_samples": result.samples_version},
        "functions": result.table.to_pylist(),
        "notes": list(result.notes),
    }
    out.write(json.dumps(document, indent=2, allow_nan=False).encode("ascii") + b"\n")


def write_csv(result: HotspotsResult, out: BinaryIO) -> None:
    """Write CSV: a header and a line a function; what is not known is empty."""
    write_rows_csv(result.table.schema, result.table.to_batches(), out)


WRITERS: Mapping[str, Callable[[HotspotsResult, BinaryIO], None]] = MappingProxyType(
    {"text": write_text, "json": write_json, "csv": write_csv}
)


def _cells(row: Mapping[str, Any], unit: str, per_request: bool) -> list[str]:
    """Give a function as text, its name last as it may be long."""
    cells = []
    for kind in ("flat", "cumulative"):
        cells += [amount(row[f"{kind}_value"], unit), _share(row, kind)]
    cells.append(str(row["cumulative_samples"]))
    if per_request:
        cells.append(significant(row["cumulative_cpu_seconds_per_request"] * 1000))
    return [*cells, shown_name(row["function"])]


def _share(row: Mapping[str, Any], kind: str) -> str:
    """Write a share and its interval, where it has one."""
    share, low, high = (row[f"{kind}_share{end}"] for end in ("", "_low", "_high"))
    return percent(share) if low is None else f"{percent(share)} [{percent(low)}, {percent(high)}]"


def _notes(result: HotspotsResult) -> list[str]:
    return [f"note: {note}" for note in result.notes]
