"""A baseline for spreadsheets, as CSV: a line a group, the grouped dimensions first."""

import csv
import io
from typing import BinaryIO

from pipeline.jobs.baseline import BaselineResult
from pipeline.jobs.baseline_request import DIMENSIONS

_NAMES = ("service_name", "service_version", "operation", "dimensions")


def write_baseline(result: BaselineResult, out: BinaryIO) -> None:
    """Write a baseline as CSV: a header and a line a group, each ended by a line feed.

    Units are in the names of the columns; what is not known is empty.

    Args:
        result: the baseline.
        out: where; it gets UTF-8.

    Source: RFC 4180, but for the line feed alone.
    """
    numbers = [name for name in result.table.column_names if name not in _NAMES]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(DIMENSIONS[column] for column in result.request.grouped), *numbers])
    for row in result.table.to_pylist():
        values = [value for _, value in row["dimensions"]]
        writer.writerow([*values, *(row[name] for name in numbers)])
    out.write(text.getvalue().encode())
