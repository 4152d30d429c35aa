"""What tests share: an empty lake, and rows of spans that can be checked by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import settings

from pipeline.lake import Lake, open_lake
from pipeline.schema import SPANS

# No test asserts time, and a check that fails fails again: examples are the same in every run.
settings.register_profile("tests", deadline=None, derandomize=True)
settings.load_profile("tests")

# 2026-11-25T12:00:00Z, a whole minute and hour.
NOON = 1_795_608_000_000_000_000
DAY = 86_400_000_000_000

SpanRows = Callable[..., pa.Table]

_SPAN: dict[str, Any] = {
    "service_name": "checkout",
    "service_version": "1.4.1",
    "service_instance_id": "checkout-1",
    "resource_attributes": [("service.name", "checkout")],
    "trace_id": "0" * 31 + "1",
    "name": "POST /checkout",
    "kind": 2,
    "start_time_unix_nano": NOON,
    "duration_nano": 5_000_000,
    "status_code": 0,
    "attributes": [],
    "sampling_weight": 1.0,
    "sampling_known": False,
    "ingest_batch_id": "ab" * 16,
    "ingest_time_unix_nano": NOON + 1_000_000_000,
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Give an empty lake."""
    return open_lake(tmp_path / "lake", create=True)


@pytest.fixture
def span_rows() -> SpanRows:
    """Give a maker of spans: one keyword dictionary a span, the rest from a template."""

    def make(*spans: dict[str, Any]) -> pa.Table:
        rows = []
        for number, given in enumerate(spans):
            row = {**_SPAN, "span_id": f"{number + 1:016x}", **given}
            row.setdefault("end_time_unix_nano", row["start_time_unix_nano"] + row["duration_nano"])
            start = row["start_time_unix_nano"] or row["ingest_time_unix_nano"]
            row.setdefault("date", start // DAY)
            rows.append(row)
        columns = {name: [row.get(name) for row in rows] for name in SPANS.arrow_schema.names}
        arrays = [
            pa.array(columns[field.name], pa.int32()).cast(pa.date32())
            if field.name == "date"
            else pa.array(columns[field.name], field.type)
            for field in SPANS.arrow_schema
        ]
        return pa.Table.from_arrays(arrays, schema=SPANS.arrow_schema)

    return make


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name parameters of bytes after the argument: their content may hold the time of day."""
    return argname if isinstance(val, bytes) else None
