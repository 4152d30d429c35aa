"""Which samples a selection takes, and how they add up."""

from typing import Any

import pytest

from pipeline.errors import BadWindow, NotEnoughData, UsageError
from pipeline.jobs.profile_request import ProfileRequest
from pipeline.jobs.profile_selection import Selection, select
from pipeline.lake import Lake
from tests.report.profile_lake import NOON, SECOND, land


def stacks_of(selection: Selection) -> dict[str, int]:
    """Give the sum of each stack, written ``root;leaf``."""
    names = selection.frames["function"].to_pylist()
    ends = selection.depths.cumsum().tolist()
    texts = [
        ";".join(names[place] for place in reversed(selection.places[end - depth : end].tolist()))
        for end, depth in zip(ends, selection.depths.tolist(), strict=True)
    ]
    return {texts[row["stack"]]: row["value"] for row in selection.first_rows().to_pylist()}


def test_equal_stacks_of_all_profiles_add_up(lake: Lake) -> None:
    land(lake, ("main;work", 30), ("main;rest", 1))
    land(lake, ("main;work", 12), seconds=60)
    selection = select(lake, ProfileRequest())
    assert stacks_of(selection) == {"main;work": 42, "main;rest": 1}
    assert (selection.total, selection.profiles.num_rows) == (43, 2)


@pytest.mark.parametrize(
    ("where", "total"),
    [
        ((), 111),
        ((("service.version", "2"),), 100),
        ((("service_version", "1"), ("service.name", "shop")), 11),
        ((("thread.name", "worker"),), 10),
        ((("thread.id", "7"),), 10),
        ((("tenant", "a"),), 1),
        ((("service.instance.id", "i2"),), 100),
    ],
)
def test_filters_go_by_column_attribute_and_label(
    lake: Lake, where: tuple[tuple[str, str], ...], total: int
) -> None:
    own = {
        "thread_id": [None, 7],
        "thread_name": [None, "worker"],
        "labels": [[("tenant", "a")], [("tenant", "b")]],
    }
    land(lake, ("main", 1), ("main;work", 10), own=own)
    land(lake, ("main", 100), version="2", instance="i2")
    assert select(lake, ProfileRequest(where=where)).total == total


def test_a_label_that_is_a_number_is_found_by_its_digits(lake: Lake) -> None:
    numbers = [[{"key": "bytes", "value": 64, "unit": "bytes"}], []]
    land(lake, ("main", 1), ("main;work", 10), own={"num_labels": numbers})
    assert select(lake, ProfileRequest(where=(("bytes", "64"),))).total == 1


def test_the_window_takes_its_start_and_leaves_out_its_end(lake: Lake) -> None:
    for seconds, value in ((0, 1), (60, 10), (120, 100)):
        land(lake, ("main", value), seconds=seconds)
    window = (NOON + 60 * SECOND, NOON + 120 * SECOND)
    assert select(lake, ProfileRequest(*window)).total == 10


def test_cpu_is_taken_unless_another_type_is_asked_for(lake: Lake) -> None:
    land(lake, ("main", 5))
    land(lake, ("main", 7), kind="wall")
    assert select(lake, ProfileRequest()).profile_type == "cpu"
    assert select(lake, ProfileRequest(profile_type="wall")).total == 7
    assert select(lake, ProfileRequest(sample_type="wall")).total == 7


def test_several_types_without_cpu_are_listed(lake: Lake) -> None:
    land(lake, ("main", 5), kind="off_cpu")
    land(lake, ("main", 7), kind="wall")
    with pytest.raises(UsageError, match="off_cpu, wall"):
        select(lake, ProfileRequest())
    with pytest.raises(UsageError, match="profile type cpu: none match; there is off_cpu, wall"):
        select(lake, ProfileRequest(profile_type="cpu"))
    with pytest.raises(UsageError, match="sample type x: none match; there is wall"):
        select(lake, ProfileRequest(profile_type="wall", sample_type="x"))


def test_an_amount_is_looked_at_before_a_count_unless_the_profiler_has_a_default(
    lake: Lake,
) -> None:
    land(lake, ("main", 5), name="samples", unit="count")
    land(lake, ("main", 70), name="cpu", seconds=1)
    assert select(lake, ProfileRequest()).sample_type == "cpu"
    land(lake, ("main", 6), name="samples", unit="count", seconds=2, default_sample_type="samples")
    assert select(lake, ProfileRequest()).sample_type == "samples"


def test_states_and_running_totals_come_from_the_latest_profile_of_each_instance(
    lake: Lake,
) -> None:
    for instance, seconds, value in (("a", 0, 1), ("a", 60, 10), ("b", 0, 100)):
        when: dict[str, Any] = {"instance": instance, "seconds": seconds}
        land(lake, ("main", value), kind="inuse_space", unit="bytes", **when)
    selection = select(lake, ProfileRequest())
    assert selection.total == 110
    assert selection.notes == (
        "inuse_space: of the latest profile of each instance, as they do not add up",
    )


def test_nothing_that_matches_is_not_enough_data(lake: Lake) -> None:
    with pytest.raises(NotEnoughData):
        select(lake, ProfileRequest())
    land(lake, ("main", 5))
    with pytest.raises(NotEnoughData):
        select(lake, ProfileRequest(where=(("service.name", "other"),)))


def test_a_sum_beyond_63_bits_is_refused(lake: Lake) -> None:
    land(lake, ("main", 2**62))
    land(lake, ("main", 2**62), seconds=1)
    with pytest.raises(UsageError, match="shorter window"):
        select(lake, ProfileRequest())


def test_stacks_that_stand_twice_before_compaction_count_once(lake: Lake) -> None:
    land(lake, ("main;work", 5), own={"thread_id": [1]})
    land(lake, ("main;work", 5), seconds=9, own={"thread_id": [2]})
    selection = select(lake, ProfileRequest(), by_thread=True)
    assert (len(selection.depths), selection.frames.num_rows) == (1, 2)
    assert selection.rows.select(["thread_id", "value"]).to_pylist() == [
        {"thread_id": 1, "value": 5},
        {"thread_id": 2, "value": 5},
    ]


def test_a_request_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(UsageError, match="given twice"):
        ProfileRequest(where=(("service.name", "a"), ("service_name", "b")))
    with pytest.raises(BadWindow):
        ProfileRequest(5, 5)


@pytest.mark.parametrize("selector", ["", "version", "=1", "a=1,,b"])
def test_a_selector_is_pairs_in_which_a_doubled_comma_is_one(selector: str) -> None:
    if selector == "a=1,,b":
        assert ProfileRequest().other(selector).where == (("a", "1,b"),)
        return
    with pytest.raises(UsageError, match="KEY=VALUE"):
        ProfileRequest().other(selector)
