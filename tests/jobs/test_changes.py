"""Changes over a lake's history: saved runs and windows of the rollups, and what is kept."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import BadWindow, UsageError
from pipeline.gate.changes import failing, verdict_of
from pipeline.jobs.baseline import run as run_baseline
from pipeline.jobs.baseline_request import BaselineRequest
from pipeline.jobs.baseline_store import save
from pipeline.jobs.changes import look, read, run
from pipeline.jobs.changes_csv import read_csv
from pipeline.jobs.changes_request import ChangesRequest, Series
from pipeline.jobs.changes_state import read_state, write_state
from pipeline.jobs.judge_request import parse_selector
from pipeline.lake import Lake

NOON = 1_772_366_400_000_000_000
HOUR = 3_600_000_000_000
MILLI = 1_000_000
# Per mille about 100 ms: what the hours scatter by.
SCATTER = (0, 12, -7, 5, -11, 3, 9, -4, -9, 7)

Land = Callable[..., object]


def hours(count: int, slow_from: int, requests: int = 60) -> list[dict[str, object]]:
    """Give requests of some hours: 100 ms and version v1, from an hour on 150 ms and v2."""
    rows: list[dict[str, object]] = []
    for hour in range(count):
        slow = hour >= slow_from
        nanos = (150 if slow else 100) * (1000 + SCATTER[hour % 10]) * MILLI // 1000
        rows += [
            {
                "service_version": "v2" if slow else "v1",
                "start_time_unix_nano": NOON + hour * HOUR + number * HOUR // requests,
                "duration_nano": nanos,
                "kind": 2,
            }
            for number in range(requests)
        ]
    return rows


def series(values: list[float], better: str = "down", name: str = "s") -> Series:
    """Give a series by numbered points."""
    times = tuple(str(number) for number in range(len(values)))
    return Series((("series", name),), "p99", "ms", better, np.array(values), times)


LEVEL = [100.0 + each / 10 for each in SCATTER]
SLOWER = [1.5 * each for each in LEVEL]


def test_a_step_in_hourly_windows_is_told_with_the_versions_about_it(
    lake: Lake, land: Land
) -> None:
    land(*hours(30, slow_from=24))
    found = run(lake, ChangesRequest(metrics=("p50", "error_ratio", "requests_per_second")))
    medians, errors, rates = found.histories
    assert dict(medians.series.name) == {"service.name": "shop", "operation": "GET /cart"}
    (change,) = medians.found.changes
    before, after = (medians.series.label(each) for each in (change.last_before, change.place))
    assert (before, after) == ("2026-03-02T11:00:00Z v1", "2026-03-02T12:00:00Z v2")
    assert change.effect == pytest.approx(0.5, abs=0.02)
    assert (errors.found.changes, rates.found.changes) == ((), ())
    assert rates.series.values.tolist() == pytest.approx([60 / 3600] * len(rates.series.values))
    assert verdict_of(found) == "fail"
    assert verdict_of(found, last=5) == "pass"
    assert verdict_of(found, fail_on="never") == "pass"


def test_windows_that_the_data_do_not_fill_are_left_out(lake: Lake, land: Land) -> None:
    rows = hours(12, slow_from=99)
    # The first hour begins at its 30th minute, the last one ends there.
    land(*rows[30:-30])
    (one,) = read(lake, ChangesRequest(metrics=("requests_per_second",)))
    assert one.values.tolist() == pytest.approx([60 / 3600] * 10)
    (quarters,) = read(lake, ChangesRequest(metrics=("requests_per_second",), every="15m"))
    assert len(quarters.values) == 44


def test_points_of_too_few_requests_are_left_out_and_counted(lake: Lake, land: Land) -> None:
    land(*hours(10, slow_from=99, requests=60))
    p50, p99 = read(lake, ChangesRequest(metrics=("p50", "p99")))
    assert (p50.thin, p99.thin) == (0, len(p99.values))
    assert not np.isfinite(p99.values).any()


def test_versions_stand_in_the_order_in_which_they_were_first_seen(lake: Lake, land: Land) -> None:
    for place, version in enumerate(("1.9", "1.10", "1.2")):
        land(*({**row, "service_version": version} for row in hours(place + 1, 99)[60 * place :]))
    (one,) = read(lake, ChangesRequest(metrics=("p50",), every="version"))
    assert one.times == ("1.9", "1.10", "1.2")
    assert one.values == pytest.approx([100, 101.2, 99.3], rel=0.001)


def test_saved_runs_are_a_series_and_one_saved_twice_counts_once(lake: Lake, land: Land) -> None:
    land(*hours(14, slow_from=9))
    for hour in range(14):
        window = (NOON + hour * HOUR, NOON + (hour + 1) * HOUR)
        result = run_baseline(lake, BaselineRequest(*window))
        for again in range(2 if hour == 3 else 1):
            save(lake, result, "nightly", window[1] + again)
    found = run(lake, ChangesRequest(saved="nightly", metrics=("p50",)))
    (history,) = found.histories
    assert history.found.n == 14
    (change,) = history.found.changes
    assert history.series.label(change.place) == "2026-03-01T22:00:00Z v2"
    assert change.effect == pytest.approx(0.5, abs=0.02)
    # Where the version makes a series, neither half changes.
    apart = run(lake, ChangesRequest(saved="nightly", metrics=("p50",), attributes=()))
    assert [each.found.changes for each in apart.histories] == [(), ()]
    with pytest.raises(UsageError, match="saved ones: nightly"):
        read(lake, ChangesRequest(saved="weekly"))


def test_an_empty_lake_is_no_data(lake: Lake) -> None:
    assert verdict_of(run(lake, ChangesRequest())) == "no_data"


def test_filters_choose_what_counts(lake: Lake, land: Land) -> None:
    land(*hours(8, slow_from=4))
    where = parse_selector("service.version=v2")
    (one,) = read(lake, ChangesRequest(metrics=("p50",), where=where))
    assert np.nanmin(one.values) > 140
    since = NOON + 2 * HOUR
    (late,) = read(lake, ChangesRequest(metrics=("p50",), since_unix_nano=since))
    assert late.times[0] == "2026-03-01T14:00:00Z"


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"every": "soon"}, "write 15m, 1h, 1d or version"),
        ({"every": "0h"}, "write 15m"),
        ({"metrics": ("p42",)}, "metric p42: not known"),
        ({"where": (("service_instance_id", "a"),)}, "cannot be chosen by"),
        ({"kind": "odd"}, "kind odd"),
    ],
)
def test_questions_that_cannot_be_answered_are_refused(asked: dict[str, object], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        ChangesRequest(**asked)  # type: ignore[arg-type]
    with pytest.raises(BadWindow):
        ChangesRequest(since_unix_nano=2, until_unix_nano=1)


def test_better_turns_what_fails_around() -> None:
    for better, verdict in (("down", "fail"), ("up", "pass")):
        found = look([series(LEVEL * 3 + SLOWER[:6], better)], {})
        assert verdict_of(found) == verdict
        assert verdict_of(found, fail_on="any") == "fail"


def test_a_change_that_was_taken_back_fails_no_more() -> None:
    slow = look([series(LEVEL * 3 + SLOWER)], {})
    assert len(failing(slow, 20, "worse")) == 1
    fixed = look([series(LEVEL * 3 + SLOWER + LEVEL)], {})
    assert [change.status for change in fixed.histories[0].found.changes] == ["confirmed"] * 2
    assert failing(fixed, 30, "worse") == []


def test_among_many_series_one_must_be_surer() -> None:
    noise = [np.random.default_rng(seed).normal(100, 5, 30).tolist() for seed in range(40)]
    family = [series(each, name=str(number)) for number, each in enumerate(noise)]
    weak = np.random.default_rng(9).normal(100, 5, 30)
    weak[15:] += 7.0
    alone = look([series(weak.tolist())], {}).histories[0]
    assert len(alone.found.changes) == 1
    assert alone.found.p_value > 0.01 / 41
    among = look([*family, series(weak.tolist())], {}).histories[-1]
    assert (among.found.changes, among.p_adjusted > 0.01) == ((), True)


def test_a_confirmed_change_is_kept_and_stays_while_points_follow(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    whole = LEVEL * 3 + SLOWER * 3
    seen = []
    for end in range(34, len(whole) + 1, 2):
        found = look([series(whole[:end])], read_state(path))
        write_state(path, found.state)
        (change,) = found.histories[0].found.changes
        seen.append((change.place, change.known))
    assert seen[0] == (30, False)
    assert {place for place, _ in seen} == {30}
    assert all(known for _, known in seen[1:])
    before = path.read_bytes()
    write_state(path, look([series(whole)], read_state(path)).state)
    assert path.read_bytes() == before


def test_a_known_change_whose_points_are_gone_is_told_not_forgotten() -> None:
    kept = {"s p99": [{"first_after": "1999", "last_before": "1998"}]}
    found = look([series(LEVEL * 2)], kept)
    assert [each["first_after"] for each in found.histories[0].lost] == ["1999"]
    assert found.state == kept


@pytest.mark.parametrize("text", ["", "[]", '{"schema": "x"}', "not json"])
def test_a_state_that_is_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="state.json"):
        read_state(path)


def test_a_csv_is_ordered_by_its_time_and_its_gaps_stay_gaps() -> None:
    lines = ["date,commit,p99\n", "2026-01-02,b,2\n", "2026-01-01,a,1\n", "2026-01-03,c,\n"]
    (one,) = read_csv(lines, "a.csv")
    assert (one.times, one.label(0)) == (
        ("2026-01-01", "2026-01-02", "2026-01-03"),
        "2026-01-01 a",
    )
    assert one.values[:2].tolist() == [1, 2]
    assert np.isnan(one.values[2])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("a,a\n1,2\n", "column a stands twice"),
        ("a,b\n1,2\n3\n", "a.csv:3: 1 cells under 2 names"),
        ("v,b\n1,x\nq,x\n", "a.csv:3: v: 'q' is no number"),
        ("date,v\n2026-01-01,1\nlater,2\n", "line 3: 'later' is no time"),
        ("w\nx\n", "no column v"),
    ],
)
def test_a_csv_that_cannot_be_read_names_the_line(text: str, why: str) -> None:
    values = ("v",) if text.startswith(("v", "w")) else ()
    with pytest.raises(UsageError, match=why):
        read_csv(text.splitlines(keepends=True), "a.csv", values=values)
