"""Two sides compared over a lake: the right operation, the right reason, the right status."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.gate.judgement import Judgement, Tolerance, judge
from pipeline.gate.verdict import Check
from pipeline.jobs.judge import run
from pipeline.jobs.judge_request import JudgeRequest, parse_selector
from pipeline.lake import Lake
from pipeline.report.judgement import WRITERS
from pipeline.report.judgement_rows import told_of_judgement

NOON = 1_772_366_400_000_000_000
MINUTE = 60_000_000_000
MILLI = 1_000_000

BASELINE = parse_selector("service.version=v1")
CANARY = parse_selector("service.version=v2")
Land = Callable[..., object]
Spans = Iterator[dict[str, object]]


def spans(
    version: str,
    operation: str = "GET /cart",
    requests: int = 1200,
    factor: float = 1.0,
    errors: int = 0,
    instances: int = 4,
    minutes: int = 30,
    first: int = 0,
) -> Spans:
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
        }


def judged(lake: Lake, **more: object) -> Judgement:
    """Judge v2 against v1."""
    request = JudgeRequest(BASELINE, CANARY, **more)  # type: ignore[arg-type]
    return judge(run(lake, request), Tolerance(relative=0.10))


def found(judgement: Judgement, metric: str, operation: str = "GET /cart") -> Check:
    """Give one check."""
    (check,) = [
        each for each in judgement.checks if (each.metric, each.operation) == (metric, operation)
    ]
    return check


def test_a_canary_like_its_baseline_passes(lake: Lake, land: Land) -> None:
    land(*spans("v1"), *spans("v2"))
    answer = judged(lake)
    assert {each.metric: each.verdict for each in answer.checks} == {
        "p50": "pass",
        "p95": "pass",
        # 12 requests above it cannot tell a tenth.
        "p99": "inconclusive",
        "error_ratio": "pass",
    }
    assert (answer.verdict, answer.score) == ("inconclusive", 100)
    without_p99 = judged(lake, quantiles=(0.5, 0.95))
    assert without_p99.verdict == "pass"
    measure = found(answer, "p50").measure
    assert measure is not None
    assert measure.n == (1200, 1200)
    assert measure.low <= 0 <= measure.high < 0.10


def test_a_slower_operation_fails_by_name_and_the_other_does_not(lake: Lake, land: Land) -> None:
    for operation in ("GET /cart", "POST /pay"):
        land(*spans("v1", operation))
    land(*spans("v2"), *spans("v2", "POST /pay", factor=1.5))
    answer = judged(lake)
    assert answer.verdict == "fail"
    failed = {(each.operation, each.metric) for each in answer.checks if each.verdict == "fail"}
    assert failed == {("POST /pay", metric) for metric in ("p50", "p95", "p99")}
    measure = found(answer, "p95", "POST /pay").measure
    assert measure is not None
    assert measure.effect == pytest.approx(0.5, abs=0.03)
    assert 0.10 < measure.low < 0.5 < measure.high


def test_errors_fail_where_nothing_got_slower(lake: Lake, land: Land) -> None:
    land(*spans("v1"), *spans("v2", errors=120))
    answer = judged(lake)
    assert {each.metric: each.verdict for each in answer.checks} == {
        "p50": "pass",
        "p95": "pass",
        "p99": "inconclusive",
        "error_ratio": "fail",
    }


def test_five_per_cent_of_the_traffic_is_enough_for_a_large_shift(lake: Lake, land: Land) -> None:
    land(*spans("v1", requests=9500), *spans("v2", requests=500, factor=2.0))
    answer = judged(lake)
    assert found(answer, "p50").verdict == "fail"
    assert found(answer, "p95").verdict == "fail"
    assert found(answer, "p99").reason == "too_few_requests"


def test_one_request_is_no_answer(lake: Lake, land: Land) -> None:
    land(*spans("v1"), *spans("v2", requests=1))
    answer = judged(lake)
    assert answer.verdict == "inconclusive"
    assert {each.verdict for each in answer.checks} == {"inconclusive"}


def test_sides_that_share_too_few_minutes_are_not_compared(lake: Lake, land: Land) -> None:
    land(*spans("v1"), *spans("v2", first=15, factor=2.0))
    answer = judged(lake)
    assert answer.verdict == "inconclusive"
    assert found(answer, "p50").reason == "not_concurrent: the sides share 33% of their minutes"


def test_two_instances_are_too_few_to_fail_by(lake: Lake, land: Land) -> None:
    land(*spans("v1", instances=1), *spans("v2", instances=1, factor=2.0))
    check = found(judged(lake), "p50")
    assert (check.verdict, check.reason) == ("warn", "instance_effect_unknown")


def test_a_selector_that_matches_nothing_is_no_data(lake: Lake, land: Land) -> None:
    assert judged(lake).verdict == "no_data"
    land(*spans("v1"))
    answer = judged(lake)
    assert answer.verdict == "no_data"
    assert {each.reason for each in answer.checks} == {"no requests on the canary side"}


def test_durations_that_never_vary_are_no_proof(lake: Lake, land: Land) -> None:
    for version, nanos in (("v1", MILLI), ("v2", 2 * MILLI)):
        land(*({**each, "duration_nano": nanos} for each in spans(version)))
    check = found(judged(lake), "p50")
    assert (check.verdict, check.reason) == ("inconclusive", "constant_series")


def test_two_services_are_compared_by_the_names_of_their_operations(lake: Lake, land: Land) -> None:
    land(*({**each, "service_name": "old"} for each in spans("v1")))
    land(*({**each, "service_name": "new"} for each in spans("v1", factor=1.5)))
    request = JudgeRequest(parse_selector("service.name=old"), parse_selector("service.name=new"))
    answer = judge(run(lake, request), Tolerance())
    assert found(answer, "p50").verdict == "fail"


@pytest.mark.parametrize(
    ("baseline", "canary", "why"),
    [
        ("service.version=1", "service.version=1", "are the same requests"),
        ("service.version=1", "service.name=shop", "the sides share requests"),
        ("service.version=1", "operation=a", "the sides share requests"),
        ("service.version", "service.version=1", "write KEY=VALUE"),
        ("shoe=1", "service.version=1", "shoe: not a dimension"),
        ("outcome=ok", "outcome=error", "outcome cannot choose a side"),
        ("service.version=1,service.version=2", "operation=a", "given twice"),
    ],
)
def test_sides_that_cannot_be_compared_are_refused(baseline: str, canary: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        JudgeRequest(parse_selector(baseline), parse_selector(canary))


@pytest.fixture
def answered(lake: Lake, land: Land) -> Judgement:
    """Give a judgement with a fail, a pass and names that need escaping."""
    name = 'GET /a|b <"&>'
    land(*spans("v1"), *spans("v2", factor=1.5), *spans("v1", name), *spans("v2", name))
    return judged(lake)


def written(judgement: Judgement, form: str) -> bytes:
    """Write a judgement."""
    out = io.BytesIO()
    WRITERS[form](told_of_judgement(judgement), out)
    return out.getvalue()


def test_every_way_of_writing_tells_the_same(answered: Judgement) -> None:
    text = written(answered, "text").decode()
    assert text.splitlines()[1].startswith("fail")
    assert text.splitlines()[-1].startswith(
        "fail: service_version=v2 against service_version=v1 (3 fail, "
    )
    markdown = written(answered, "markdown").decode()
    assert "GET /a\\|b" in markdown
    document = json.loads(written(answered, "json"))
    assert document["schema"] == "tailgate.judgement/1"
    verdicts = [check["verdict"] for check in document["checks"]]
    assert verdicts == [each.verdict for each in answered.checks]
    suite = ElementTree.fromstring(written(answered, "junit"))
    assert (suite.get("tests"), suite.get("failures")) == (str(len(verdicts)), "3")
    names = {case.get("name") for case in suite.iter("testcase")}
    assert 'GET /a|b <"&> p50' in names
    assert len(suite.findall(".//failure")) == 3


def test_the_same_lake_gives_the_same_bytes_on_any_number_of_cores(
    lake: Lake, land: Land, answered: Judgement
) -> None:
    # The child narrows itself: a Python hook between fork and exec would make this process
    # fork with its gRPC threads in it, which aborts.
    start = (
        "import json, os, sys; os.sched_setaffinity(0, json.loads(sys.argv[1]));"
        "os.execv(sys.argv[2], sys.argv[2:])"
    )
    command = [sys.executable, "-m", "pipeline.cli.main", "judge", "--lake", str(lake.path)]
    command += ["--baseline", "service.version=v1", "--canary", "service.version=v2"]
    command += ["--tolerance", "10", "--format", "json"]
    cores = sorted(os.sched_getaffinity(0))
    answers = []
    for chosen in (cores, cores[:1]):
        narrowed = [sys.executable, "-c", start, json.dumps(chosen), *command]
        done = subprocess.run(narrowed, capture_output=True, check=False)
        assert done.returncode == 1, done.stderr
        answers.append(done.stdout)
    assert answers[0] == answers[1]
    told = json.loads(answers[0])
    assert told.pop("why")
    assert told == json.loads(written(answered, "json"))


@pytest.mark.slow
def test_the_sample_fails_for_its_faults_and_for_nothing_else(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    for arguments in (["import", "--lake", lake, Path(__file__).parents[2] / "data/sample/otlp"],):
        command = [sys.executable, "-m", "pipeline.cli.main", *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True)
    command = [sys.executable, "-m", "pipeline.cli.main", "judge", "--lake", str(lake)]
    command += ["--baseline", "service.version=1.4.1", "--canary", "service.version=1.4.2"]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, check=False)
    assert done.returncode == 1, done.stderr
    checks = json.loads(done.stdout)["checks"]
    failed = {(c["service_name"], c["operation"]) for c in checks if c["verdict"] == "fail"}
    assert failed == {
        ("checkout", "POST /checkout"),
        ("gateway", "POST /checkout"),
        ("gateway", "GET /cart"),
        ("orders", "GET /orders/{id}"),
    }
