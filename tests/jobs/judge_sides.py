"""Two sides of one service, as a lake gets them: lognormal requests over instances and minutes."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline.gate.judgement import Judgement, Tolerance, judge
from pipeline.gate.verdict import Check
from pipeline.jobs.judge import run
from pipeline.jobs.judge_request import JudgeRequest, parse_selector
from pipeline.lake import Lake

# 2026-03-01T12:00:00Z, a Sunday.
NOON = 1_772_366_400_000_000_000
MINUTE = 60_000_000_000
MILLI = 1_000_000

BASELINE = parse_selector("service.version=v1")
CANARY = parse_selector("service.version=v2")


def spans(
    version: str,
    operation: str = "GET /cart",
    requests: int = 1200,
    factor: float = 1.0,
    errors: int = 0,
    instances: int = 4,
    minutes: int = 30,
    first: int = 0,
    **more: Any,
) -> Iterator[dict[str, Any]]:
    """Give a version's requests: lognormal about 100 ms, over instances and minutes in turn."""
    # The same for both versions, so that what is told apart is what the test changes.
    rng = np.random.default_rng(len(operation))
    for number in range(requests):
        nanos = int(100 * MILLI * factor * np.exp(rng.normal(0, 0.3)))
        minute = first + number * minutes // requests
        yield {
            "service_version": version,
            "service_instance_id": f"{version}-{number % instances}",
            "name": operation,
            "kind": 2,
            "start_time_unix_nano": NOON + minute * MINUTE + number,
            "duration_nano": nanos,
            "status_code": 2 if errors and number * 7919 % requests < errors else 0,
            **more,
        }


def judged(lake: Lake, tolerance: Tolerance | None = None, **more: Any) -> Judgement:
    """Judge v2 against v1."""
    request = JudgeRequest(BASELINE, CANARY, **more)
    return judge(run(lake, request), tolerance or Tolerance(relative=0.10))


def found(judgement: Judgement, metric: str, operation: str = "GET /cart") -> Check:
    """Give one check."""
    (check,) = [
        each for each in judgement.checks if (each.metric, each.operation) == (metric, operation)
    ]
    return check
