"""A baseline for programs, as JSON: the same answer gives the same bytes."""

import json
import math
from typing import Any, BinaryIO

from pipeline.jobs.baseline import BaselineResult

# The number rises when a key changes its meaning or goes; new keys leave it as it is.
BASELINE_SCHEMA = "tailgate.baseline/1"

_IN_THE_HEAD = ("since_unix_nano", "until_unix_nano", "method", "confidence", "spans_version")


def write_baseline(result: BaselineResult, out: BinaryIO) -> None:
    """Write a baseline as one JSON document.

    Keys keep their order and have units in their names; what is not known is null.

    Args:
        result: the baseline.
        out: where; it gets ASCII alone, with a line break at its end.
    """
    request = result.request
    document = {
        "schema": BASELINE_SCHEMA,
        "since_unix_nano": result.since_unix_nano,
        "until_unix_nano": result.until_unix_nano,
        "method": request.method,
        "confidence": request.confidence,
        "kind": request.kind,
        "where": dict(request.where),
        "group_by": list(request.grouped),
        "versions": dict(result.versions),
        "groups": [_group(row) for row in result.table.to_pylist()],
        "notes": list(result.notes),
    }
    out.write(json.dumps(document, indent=2, allow_nan=False).encode("ascii") + b"\n")


def _group(row: dict[str, Any]) -> dict[str, Any]:
    """Give one group without what the head of the document says for all."""
    named = {"dimensions": dict(row.pop("dimensions"))}
    for key in ("service_name", "service_version", "operation", *_IN_THE_HEAD):
        del row[key]
    return named | {key: _known(value) for key, value in row.items()}


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
