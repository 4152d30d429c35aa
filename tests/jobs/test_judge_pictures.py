"""What is drawn of a judgement, on numbers that can be checked by hand."""

import numpy as np
import pytest

from pipeline.jobs.judge import compare, read
from pipeline.jobs.judge_pictures import Picture, pictures
from pipeline.jobs.judge_request import JudgeRequest, parse_selector

NOON = 1_772_366_400_000_000_000
MINUTE = 60_000_000_000
MILLI = 1_000_000


def request(version: str, minute: int, milliseconds: int | None, failed: bool = False):
    """Give one request; none has no end, so no duration."""
    return {
        "service_version": version,
        "service_instance_id": version,
        "name": "GET /cart",
        "start_time_unix_nano": NOON + minute * MINUTE,
        "duration_nano": milliseconds and milliseconds * MILLI,
        "end_time_unix_nano": milliseconds and NOON + minute * MINUTE + milliseconds * MILLI,
        "status_code": 2 if failed else 0,
    }


def drawn(lake, wanted=(("shop", "GET /cart"),)) -> tuple[Picture, ...]:
    question = JudgeRequest(
        parse_selector("service.version=v1"), parse_selector("service.version=v2")
    )
    inputs = read(lake, question)
    return pictures(inputs, compare(inputs, question), wanted)


def milliseconds(logs):
    return (np.exp(logs) / MILLI).tolist()


def test_each_minute_has_its_quantiles_requests_and_errors(lake, land) -> None:
    land(
        *(request("v1", 0, 10) for _ in range(4)),
        *(request("v1", 1, 20, failed=number == 0) for number in range(5)),
        *(request("v2", minute, 40) for minute in (0, 0, 1)),
    )
    (picture,) = drawn(lake)
    baseline, canary = picture.sides
    assert picture.first_minute == NOON // MINUTE
    assert baseline.requests.tolist() == [4, 5]
    assert baseline.error_ratios.tolist() == [0, 0.2]
    assert canary.requests.tolist() == [2, 1]
    # Within a bucket, which is 1.1 per cent wide.
    assert milliseconds(baseline.step_log_quantiles[0]) == pytest.approx([10, 20], rel=0.012)
    assert milliseconds(baseline.log_quantiles[[0, 1]]) == pytest.approx([20, 20], rel=0.012)
    assert milliseconds(canary.log_quantiles) == pytest.approx([40, 40, 40], rel=0.012)
    assert (baseline.counts.sum(), canary.counts.sum()) == (9, 3)
    assert baseline.counts[0] == 4
    assert canary.counts[-1] == 3


def test_a_minute_without_requests_has_no_quantile(lake, land) -> None:
    land(
        *(request("v1", minute, 10) for minute in (0, 2)),
        *(request("v2", minute, 10) for minute in (0, 1, 2)),
    )
    (picture,) = drawn(lake)
    assert picture.sides[0].requests.tolist() == [1, 0, 1]
    assert np.isnan(picture.sides[0].step_log_quantiles[:, 1]).all()
    assert np.isnan(picture.sides[0].error_ratios[1])


def test_a_long_window_is_drawn_in_longer_steps_and_rates_stay_by_the_minute(lake, land) -> None:
    land(*(request(version, minute, 10) for version in ("v1", "v2") for minute in range(51)))
    (picture,) = drawn(lake)
    assert picture.step_minutes == 2
    # 25 whole steps and one of a single minute.
    assert picture.sides[0].requests.tolist() == [1.0] * 26


def test_what_is_not_there_is_left_out(lake, land) -> None:
    assert drawn(lake) == ()
    land(request("v1", 0, 10), request("v2", 0, 10))
    found = drawn(lake, (("shop", "GET /gone"), ("shop", "GET /cart"), ("store", "GET /cart")))
    assert [each.operation for each in found] == ["GET /cart"]
    (alone,) = drawn(lake)
    assert alone.sides[1].counts.sum() == 1
