"""The hotspots job: functions ranked by what was measured in them."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from pipeline.cli.run import command
from pipeline.errors import BadWindow, NotEnoughData, UsageError
from pipeline.jobs.hotspots import HotspotsRequest, HotspotsResult, run
from pipeline.jobs.profile_request import ProfileRequest
from pipeline.jobs.registry import JOBS
from pipeline.lake import Lake, append
from pipeline.report.hotspots import WRITERS
from pipeline.schema import SPANS
from tests.jobs.profile_sides import PERIOD_NANO, land_side
from tests.report.profile_lake import NOON, SECOND, land

SpanRows = Callable[..., pa.Table]

STACKS = ("main;serve;parse", "main;serve;render;fmt", "main;serve;render", "main;gc")


def found(lake: Lake, *where: tuple[str, str], **rest: Any) -> HotspotsResult:
    """Run the job."""
    sort, limit = rest.pop("sort", "flat"), rest.pop("limit", 0)
    return run(lake, HotspotsRequest(ProfileRequest(where=where, **rest), sort, limit))


def columns(result: HotspotsResult, *names: str) -> list[tuple[Any, ...]]:
    """Give some columns of the result's rows."""
    return [tuple(row[name] for name in names) for row in result.table.to_pylist()]


def test_the_job_is_known() -> None:
    assert "hotspots" in [job.name for job in JOBS]


def test_functions_are_ranked_by_what_they_took_themselves(lake: Lake) -> None:
    land_side(lake, STACKS, [[50, 20, 10, 20]])
    result = found(lake)
    assert columns(result, "function", "flat_share", "cumulative_share", "cumulative_samples") == [
        ("parse", 0.5, 0.5, 50),
        ("fmt", 0.2, 0.2, 20),
        ("gc", 0.2, 0.2, 20),
        ("render", 0.1, 0.3, 30),
        ("main", 0.0, 1.0, 100),
        ("serve", 0.0, 0.8, 80),
    ]
    assert result.total == 100 * PERIOD_NANO
    assert (result.samples, result.profiles, result.functions) == (100, 1, 6)


def test_functions_are_ranked_with_what_they_called_where_asked(lake: Lake) -> None:
    land_side(lake, STACKS, [[50, 20, 10, 20]])
    result = found(lake, sort="cumulative", limit=3)
    assert columns(result, "function") == [("main",), ("serve",), ("parse",)]
    assert result.functions == 6


def test_recursion_does_not_make_a_share_of_more_than_all(lake: Lake) -> None:
    land(lake, ("main;walk;walk", 10))
    assert columns(found(lake), "function", "cumulative_share") == [("walk", 1.0), ("main", 1.0)]


def test_an_interval_holds_the_share_and_knows_that_profiles_differ(lake: Lake) -> None:
    land_side(lake, ["a", "b"], [[50, 50]] * 6, version="even")
    land_side(lake, ["a", "b"], [[10, 90], [90, 10]] * 3, version="uneven")
    widths = []
    for version in ("even", "uneven"):
        [row] = [
            row
            for row in found(lake, ("service.version", version)).table.to_pylist()
            if row["function"] == "a"
        ]
        assert 0 < row["flat_share_low"] < row["flat_share"] == 0.5 < row["flat_share_high"] < 1
        widths.append(row["flat_share_high"] - row["flat_share_low"])
    assert widths[1] > 4 * widths[0]


def test_shares_of_a_difference_are_of_absolute_values(lake: Lake) -> None:
    land(lake, ("main;a", 30), ("main;b", -10))
    result = found(lake)
    assert columns(result, "function", "flat_value", "flat_share", "flat_share_low") == [
        ("a", 30, 0.75, None),
        ("b", -10, -0.25, None),
        ("main", 0, 0.0, None),
    ]
    assert result.total == 40


def test_a_selection_takes_release_instance_thread_label_and_window(lake: Lake) -> None:
    land(
        lake,
        ("main;a", 1),
        ("main;b", 2),
        instance="one",
        own={"thread_name": ["io", "worker"], "labels": [[("tenant", "x")], [("tenant", "y")]]},
    )
    land(lake, ("main;c", 4), version="2", instance="two", seconds=60)
    for where, total in (
        (("service.version", "2"), 4),
        (("service.instance.id", "one"), 3),
        (("thread.name", "worker"), 2),
        (("tenant", "x"), 1),
    ):
        assert found(lake, where).total == total
    assert found(lake, since_unix_nano=NOON + SECOND).total == 4
    assert found(lake, until_unix_nano=NOON + SECOND).total == 3


def test_a_type_is_asked_for_where_several_are_there(lake: Lake) -> None:
    land(lake, ("main", 1), kind="inuse_space", unit="bytes")
    land(lake, ("main", 2), kind="alloc_space", unit="bytes")
    with pytest.raises(UsageError, match="alloc_space, inuse_space"):
        found(lake)
    with pytest.raises(UsageError, match="no such type"):
        found(lake, profile_type="wall")
    assert found(lake, profile_type="alloc_space").total == 2
    land(lake, ("main", 4))
    assert found(lake).profile_type == "cpu"


def test_values_since_the_start_count_by_what_each_profile_adds(lake: Lake) -> None:
    rows = [[10, 0], [14, 1], [14, 3]]
    since_start = {"is_cumulative": True}
    land_side(lake, ["a", "b"], rows, kind="alloc_space", unit="bytes", worth=1, own=since_start)
    result = found(lake)
    assert columns(result, "function", "flat_value") == [("a", 4), ("b", 3)]
    assert "what each profile adds" in result.notes[0]
    # What a profile adds is told by one before the window.
    assert found(lake, since_unix_nano=NOON + 120 * SECOND).total == 2


def test_the_only_profile_since_the_start_stands(lake: Lake) -> None:
    since_start = {"is_cumulative": True}
    land_side(lake, ["a"], [[10]], kind="alloc_space", unit="bytes", worth=1, own=since_start)
    result = found(lake)
    assert result.total == 10
    assert "one profile an instance" in result.notes[0]


def test_frames_that_a_profile_drops_are_not_shown(lake: Lake) -> None:
    land(lake, ("main;a;malloc;lock", 3), drop_frames="malloc")
    assert columns(found(lake), "function", "flat_value") == [("a", 3), ("main", 0)]


def test_unknown_observations_are_told(lake: Lake) -> None:
    land(lake, ("main;a", 3), ("main;b", 3))
    result = found(lake)
    assert result.samples == 2
    assert "does not tell" in result.notes[0]


def test_cpu_time_a_request_is_told_where_spans_tell_the_requests(
    lake: Lake, span_rows: SpanRows
) -> None:
    # 100 samples of 10 ms in two profiles that cover their two minutes, 4 requests in these.
    land_side(lake, ["main;a", "main"], [[30, 20]] * 2, duration_nano=60 * SECOND)
    spans: list[dict[str, Any]] = [
        {
            "service_name": "shop",
            "service_version": "1",
            "service_instance_id": None,
            "start_time_unix_nano": NOON + second * SECOND,
            "events": [],
            "links": [],
        }
        for second in (0, 30, 60, 90)
    ]
    append(lake, SPANS, span_rows(*spans))
    result = found(lake)
    assert result.requests == 4
    per_request = columns(result, "function", "cumulative_cpu_seconds_per_request")
    assert per_request == [("a", pytest.approx(0.15)), ("main", pytest.approx(0.25))]
    # Profiles of half of each minute stand for the other half too.
    land_side(lake, ["b"], [[50]] * 2, version="2", duration_nano=30 * SECOND)
    append(lake, SPANS, span_rows(*(span | {"service_version": "2"} for span in spans)))
    result = found(lake, ("service.version", "2"))
    value = result.table["flat_cpu_seconds_per_request"][0].as_py()
    # The window ends with the last profile: two minutes, half of which was profiled.
    assert value == pytest.approx(0.5)


def test_values_that_no_integer_holds_are_refused(lake: Lake) -> None:
    for second in (0, 1):
        land(lake, ("main;a", 2**62), seconds=second)
    with pytest.raises(UsageError, match="shorter window"):
        found(lake)


def test_profiles_that_add_nothing_have_no_shares(lake: Lake) -> None:
    rows = [[10], [10]]
    since_start = {"is_cumulative": True}
    land_side(lake, ["a"], rows, kind="alloc_space", unit="bytes", own=since_start)
    assert columns(found(lake), "function", "flat_share", "flat_share_low") == [("a", 0.0, None)]


def test_without_spans_nothing_is_told_a_request(lake: Lake) -> None:
    land_side(lake, ["a"], [[1]])
    result = found(lake)
    assert result.requests is None
    assert columns(result, "flat_cpu_seconds_per_request") == [(None,)]


def test_nothing_that_matches_is_not_enough_data(lake: Lake) -> None:
    with pytest.raises(NotEnoughData, match="the window"):
        found(lake)
    land_side(lake, ["a"], [[1]])
    with pytest.raises(NotEnoughData, match="service.version=9"):
        found(lake, ("service.version", "9"))


def test_a_request_is_checked_when_made() -> None:
    profiles = ProfileRequest()
    for wrong in ({"sort": "name"}, {"limit": -1}, {"confidence": 1.0}):
        with pytest.raises(UsageError):
            HotspotsRequest(profiles, **wrong)
    with pytest.raises(BadWindow):
        ProfileRequest(since_unix_nano=2, until_unix_nano=1)


def test_every_format_has_the_same_numbers(lake: Lake) -> None:
    land_side(lake, ["main;a\x1b[2J", "main;b"], [[30, 10]] * 2)
    result = found(lake)
    written = {}
    for form, write in WRITERS.items():
        out = io.BytesIO()
        write(result, out)
        written[form] = out.getvalue().decode()
    document = json.loads(written["json"])
    assert document["schema"] == "tailgate.hotspots/1"
    assert document["functions"] == result.table.to_pylist()
    rows = list(csv.DictReader(io.StringIO(written["csv"])))
    assert [float(row["flat_share"]) for row in rows] == [0.75, 0.25, 0.0]
    assert "75.00 [" in written["text"]
    assert "\x1b" not in written["text"]
    assert "800.0 ms cpu, 80 samples, 2 profiles" in written["text"]


def test_the_command_answers_and_says_when_there_is_nothing(lake: Lake, tmp_path: Path) -> None:
    land_side(lake, STACKS, [[50, 20, 10, 20]])
    out = tmp_path / "hotspots.json"
    options = ["--lake", str(lake.path), "--format", "json", "--output", str(out)]
    call = ["hotspots", *options, "--sort", "cumulative", "--limit", "1"]
    assert CliRunner().invoke(command, call, standalone_mode=False).return_value == 0
    assert json.loads(out.read_bytes())["functions"][0]["function"] == "main"
    missing = CliRunner().invoke(command, ["hotspots", *options, "--where", "comm=x"])
    assert isinstance(missing.exception, NotEnoughData)
    assert missing.exception.exit_status == 3
