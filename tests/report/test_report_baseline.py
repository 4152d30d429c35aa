"""A baseline reads the same on a terminal, in a pipe, as JSON and as CSV."""

import csv as csv_module
import io
import json as json_module

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.jobs.baseline import RESULT_SCHEMA, BaselineResult
from pipeline.jobs.baseline_request import BaselineRequest
from pipeline.report import csv, json, text

GROUP = {
    "since_unix_nano": 0,
    "until_unix_nano": 60_000_000_000,
    "service_name": "shop",
    "service_version": None,
    "operation": "GET /cart/{id}",
    "dimensions": [
        ("service.name", "shop"),
        ("operation", "GET /cart/{id}"),
        ("service.version", None),
    ],
    "requests": 1200.0,
    "spans": 1200,
    "requests_per_second": 20.0,
    "error_ratio": 0.0125,
    "error_ratio_low": 0.0076,
    "error_ratio_high": 0.0205,
    "duration_nano_min": 1_000_000,
    "duration_nano_max": 900_000_000,
    "duration_nano_mean": 12_500_000.0,
    "duration_nano_p50": 9_876_543.0,
    "duration_nano_p50_low": 9_800_000.0,
    "duration_nano_p50_high": 10_000_000.0,
    "duration_nano_p95": 54_321_000.0,
    "duration_nano_p95_low": 50_000_000.0,
    "duration_nano_p95_high": 60_000_000.0,
    "duration_nano_p99": 123_456_789.0,
    "duration_nano_p99_low": 100_000_000.0,
    "duration_nano_p99_high": None,
    "clock_errors": 0,
    "method": "rollup",
    "confidence": 0.95,
    "spans_version": 7,
}


def result_of(*groups, notes=("p99: 1 of 1 groups have too few requests for an upper bound",)):
    return BaselineResult(
        BaselineRequest(),
        pa.Table.from_pylist(list(groups), schema=RESULT_SCHEMA),
        0,
        60_000_000_000,
        {"spans": 7},
        notes,
    )


class Terminal(io.BytesIO):
    def isatty(self):
        return True


def written(report, result):
    out = io.BytesIO()
    report.write_baseline(result, out)
    return out.getvalue().decode()


@pytest.fixture
def on_a_terminal(capsys, monkeypatch):
    """Write to a terminal of 160 columns; the table goes to standard output, notes to the file."""
    monkeypatch.setenv("COLUMNS", "160")

    def write(result):
        out = Terminal()
        text.write_baseline(result, out)
        return capsys.readouterr().out + out.getvalue().decode()

    return write


def test_a_pipe_gets_aligned_columns_in_milliseconds():
    header, group, note = written(text, result_of(GROUP)).splitlines()
    assert header == (
        "service_name  operation       service_version  requests    1/s               errors %"
        "                p50 ms                p95 ms            p99 ms"
    )
    assert group == (
        "shop          GET /cart/{id}  –                    1200  20.00  1.250 [0.7600, 2.050]"
        "  9.877 [9.800, 10.00]  54.32 [50.00, 60.00]  123.5 [100.0, …]"
    )
    assert note == "note: p99: 1 of 1 groups have too few requests for an upper bound"


def test_a_terminal_gets_the_same_cells_in_a_table(on_a_terminal):
    plain, drawn = written(text, result_of(GROUP)), on_a_terminal(result_of(GROUP))
    assert "│" in drawn
    for cell in ("GET /cart/{id}", "54.32 [50.00, 60.00]", "123.5 [100.0, …]", "note: p99"):
        assert cell in plain
        assert cell in drawn


def test_names_can_neither_steer_the_terminal_nor_be_taken_for_markup(on_a_terminal):
    evil = "\x1b[2Jclear [red]x[/red]\n"
    group = GROUP | {"dimensions": [("service.name", evil), ("operation", "a"), ("x", "b")]}
    assert "\\x1b[2Jclear [red]x[/red]\\n  a " in written(text, result_of(group))
    drawn = on_a_terminal(result_of(group))
    assert "\x1b[2J" not in drawn
    assert "[red]" in drawn


def test_no_groups_leave_the_header_and_the_notes():
    shown = written(text, result_of(notes=("no matching requests in the window",)))
    assert [line.split()[0] for line in shown.splitlines()] == ["service_name", "note:"]


def test_a_group_without_durations_shows_that_there_are_none():
    group = GROUP | {f"duration_nano_p50{end}": None for end in ("", "_low", "_high")}
    assert " – " in written(text, result_of(group)).splitlines()[1].split("2.050]")[1]


@given(st.floats(min_value=1e-9, max_value=1e15))
def test_four_digits_are_right_to_half_of_the_last(number):
    shown = text.significant(number)
    assert "e" not in shown
    assert float(shown) == pytest.approx(number, rel=5.01e-4)


def test_json_says_its_schema_and_what_is_not_known_is_null():
    document = json_module.loads(written(json, result_of(GROUP)))
    assert document["schema"] == "tailgate.baseline/1"
    assert document["versions"] == {"spans": 7}
    assert document["group_by"] == ["service_name", "operation", "service_version"]
    (group,) = document["groups"]
    assert group["dimensions"]["service.version"] is None
    assert group["duration_nano_p99"] == 123_456_789.0
    assert group["duration_nano_p99_high"] is None


def test_json_is_the_same_bytes_for_the_same_answer_and_never_nan():
    results = [result_of(GROUP | {"error_ratio": value}) for value in (float("nan"), None)]
    first, second = (written(json, result) for result in results)
    assert first == second
    assert '"error_ratio": null' in first
    assert first.isascii()


def test_csv_has_a_column_a_dimension_and_empty_cells_for_the_unknown():
    lines = list(csv_module.DictReader(io.StringIO(written(csv, result_of(GROUP, GROUP)))))
    assert len(lines) == 2
    assert lines[0]["operation"] == "GET /cart/{id}"
    assert lines[0]["service.version"] == ""
    assert (lines[0]["requests"], lines[0]["duration_nano_p99_high"]) == ("1200.0", "")
    assert "\r" not in written(csv, result_of(GROUP))
