"""Two versions of a shop, one of them slower, judged once for all tests of how that is told."""

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from pipeline.gate.judgement import Judgement, Tolerance, judge
from pipeline.jobs.judge import Inputs, compare, read
from pipeline.jobs.judge_request import JudgeRequest, parse_selector
from pipeline.jobs.why_answer import Cause, Exemplar, Why
from pipeline.lake import Lake, append
from pipeline.schema import SPANS

NOON = 1_772_366_400_000_000_000
NOON_MINUTE = NOON // 60_000_000_000
MILLI = 1_000_000
MINUTES, INSTANCES = 12, 4

HOSTILE = 'GET /a|b <script>alert("1")</script>\u202e&'
REQUEST = JudgeRequest(
    parse_selector("service.version=v1"), parse_selector("service.version=v2"), quantiles=(0.5,)
)

_MADE: list[Inputs] = []


def requests(version: str, operation: str, milliseconds: int) -> Iterator[dict[str, Any]]:
    """Give five requests a minute and instance, each a millisecond slower than the one before."""
    for number in range(5 * INSTANCES * MINUTES):
        minute, place = divmod(number, 5 * INSTANCES)
        yield {
            "service_name": "shop",
            "service_version": version,
            "service_instance_id": f"{version}-{place % INSTANCES}",
            "name": operation,
            "start_time_unix_nano": NOON + minute * 60_000_000_000 + place,
            "duration_nano": (milliseconds + place % 5 + minute % 2) * MILLI,
            "status_code": 2 if place == 7 else 0,
        }


def inputs_of(lake: Lake, span_rows: Callable[..., pa.Table]) -> Inputs:
    """Read what a judgement of v2 against v1 is made of: POST /pay is slower, the other is not."""
    if not _MADE:
        for version in ("v1", "v2"):
            slow = 100 if version == "v1" else 150
            spans = [*requests(version, "POST /pay", slow), *requests(version, HOSTILE, 20)]
            append(lake, SPANS, span_rows(*spans))
        _MADE.append(read(lake, REQUEST))
    return _MADE[0]


def judged(inputs: Inputs) -> Judgement:
    """Judge them."""
    return judge(compare(inputs, REQUEST), Tolerance(relative=0.10))


def why(operation: str = "POST /pay") -> Why:
    """Give what might explain it, in words that need care."""
    grown = Cause("calls", "db", 1.0, 4.0, "calls/request", 30.0, float("nan"), "db <b>4</b> times")
    slow = Exemplar("ab" * 16, "cd" * 8, "v2-0", NOON, 154.0, True)
    return Why("shop", operation, (grown,), (slow,), "sampled")
