"""Budgets: read with the line of what is wrong, and decided by their whole interval."""

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import BadQuery, BadSetting, UsageError
from pipeline.gate.budget_reading import read_budgets
from pipeline.gate.budgets import Budget
from pipeline.gate.checking import check_budgets
from pipeline.gate.verdict import Check
from pipeline.lake import Lake, append, open_lake
from pipeline.report.budgets import explained
from pipeline.schema import SPANS
from pipeline.settings import load

NOON = 1_772_366_400_000_000_000
MINUTE = 60_000_000_000
MILLI = 1_000_000


_MADE: list[Lake] = []


@pytest.fixture
def shop(tmp_path_factory: pytest.TempPathFactory, span_rows: Callable[..., object]) -> Lake:
    """Give a lake of two versions: 100 ms in the median, and the second with 3 % of errors.

    It is only read, so it is made once.
    """
    if not _MADE:
        _MADE.append(open_lake(tmp_path_factory.mktemp("shop") / "lake", create=True))
        append(_MADE[0], SPANS, span_rows(*_spans()))
    return _MADE[0]


def _spans() -> Iterator[dict[str, object]]:
    rng = np.random.default_rng(1)
    for version, factor in (("v1", 1.0), ("v2", 1.3)):
        for number in range(1200):
            yield {
                "service_name": "shop",
                "service_version": version,
                "service_instance_id": f"{version}-{number % 4}",
                "name": "GET /cart",
                "start_time_unix_nano": NOON + number * 30 * MINUTE // 1200,
                "duration_nano": int(100 * MILLI * factor * math.exp(rng.normal(0, 0.3))),
                "status_code": 2 if version == "v2" and number * 7919 % 1200 < 36 else 0,
            }


def checks(lake: Lake, *budgets: Budget) -> list[Check]:
    """Check budgets."""
    return list(check_budgets(lake, budgets, 0.01).checks)


def verdict(lake: Lake, budget: Budget) -> str:
    """Give the verdict of a budget that is one check."""
    (check,) = checks(lake, budget)
    return check.verdict


V1 = (("service_version", "v1"),)
V2 = (("service_version", "v2"),)


@pytest.mark.parametrize(
    ("most", "expected"), [(120.0, "pass"), (80.0, "fail"), (101.5, "inconclusive"), (98.9, "warn")]
)
def test_an_absolute_limit_is_judged_by_the_whole_interval(
    shop: Lake, most: float, expected: str
) -> None:
    (check,) = checks(shop, Budget("b", where=V1, metric="p50_ms", most=most))
    assert check.measure is not None
    value, low, high = check.measure.canary, check.measure.low, check.measure.high
    assert low < value < high
    assert {"warn": value > most >= low, "inconclusive": value <= most < high}.get(expected, True)
    assert check.verdict == expected


def test_a_quantile_that_too_few_requests_reach_is_no_answer(shop: Lake) -> None:
    few = Budget("b", where=(("service_instance_id", "v1-0"),), metric="p50_ms", most=1000)
    (check,) = checks(shop, few)
    assert check.verdict == "inconclusive"
    assert check.reason.startswith("instance_effect_unknown")


def test_errors_and_rates_have_limits_on_either_side(shop: Lake) -> None:
    assert verdict(shop, Budget("b", where=V2, metric="error_percent", most=1)) == "fail"
    assert verdict(shop, Budget("b", where=V2, metric="error_percent", most=8)) == "pass"
    # 1200 requests in 30 minutes are 0.67 a second.
    assert verdict(shop, Budget("b", where=V1, metric="requests_per_second", least=0.6)) == "pass"
    assert verdict(shop, Budget("b", where=V1, metric="requests_per_second", least=0.7)) == "fail"


def test_a_relative_limit_compares_two_sides(shop: Lake) -> None:
    slower = Budget("b", where=V2, baseline=V1, metric="p50_ms", increase_ratio=0.1)
    assert verdict(shop, slower) == "fail"
    # Both must be exceeded: 30 ms are less than 50.
    lenient = Budget("b", where=V2, baseline=V1, metric="p50_ms", increase_ratio=0.1, increase=50)
    assert verdict(shop, lenient) == "pass"
    same = Budget("b", where=V2, baseline=V2, metric="p50_ms", increase_ratio=0.1)
    with pytest.raises(UsageError, match="budget b: judge: baseline and canary are the same"):
        checks(shop, same)


def test_any_statement_that_gives_a_number_can_be_a_budget(shop: Lake) -> None:
    sql = "SELECT count(*) FROM spans WHERE status_code = 2"
    assert verdict(shop, Budget("b", sql=sql, most=36)) == "pass"
    assert verdict(shop, Budget("b", sql=sql, most=35)) == "fail"
    for wrong, why in (
        ("SELECT 1, 2", "give one row of one number"),
        ("SELECT name FROM spans", "give one row of one number"),
        ("SELECT 'a'", "is no number"),
        ("DELETE FROM spans", "only read"),
        ("SELECT nothing", "budget b: "),
    ):
        with pytest.raises(BadQuery, match=why):
            checks(shop, Budget("b", sql=wrong, most=1))


def test_nothing_to_check_is_no_data(shop: Lake) -> None:
    (check,) = checks(shop, Budget("b", service="bakery", metric="p50_ms", most=1))
    assert (check.verdict, check.reason) == (
        "no_data",
        "no requests of service bakery, operation *",
    )
    assert verdict(shop, Budget("b", sql="SELECT NULL", most=1)) == "no_data"


BUDGET = '# ours\n[redact]\nkeys = []\n\n[[budget]]\nmetric = "p95_ms"\nmax = 600\n\n[[budget]]\n'


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        (
            'metric = "p95_ms"\nmaks = 1',
            11,
            "maks: not known; did you mean max? known: name, service",
        ),
        ('metric = "p42_ms"\nmax = 1', 10, "metric: p42_ms is not known; known: p50_ms"),
        ('metric = "p95_ms"', 9, "max: no limit; give max or min"),
        ('metric = "p95_ms"\nmax = "1"', 11, "max: '1' is not a number"),
        ('metric = "p95_ms"\nmax = true', 11, "max: True is not a number"),
        ('metric = "p95_ms"\nmax = inf', 11, "max: not finite"),
        ('metric = "p95_ms"\nsql = "SELECT 1"\nmax = 1', 10, "give either a metric, an slo or sql"),
        ("max = 1", 9, "metric: give either a metric, an slo or sql"),
        ('metric = "p95_ms"\nwhere = "colour=1"\nmax = 1', 11, "colour: not a dimension"),
        ('metric = "p95_ms"\nbaseline = "operation=a"\nmax_increase = 1', 9, "where: which req"),
        (
            'metric = "requests_per_second"\nbaseline = "operation=a"\nwhere = "operation=b"\n'
            "max_increase = 1",
            10,
            "traffic",
        ),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_its_line(
    tmp_path: Path, text: str, line: int, why: str
) -> None:
    file = tmp_path / "tailgate.toml"
    file.write_text(BUDGET + text)
    with pytest.raises(BadSetting) as caught:
        read_budgets(file)
    assert str(caught.value).startswith(f"{file}:{line}: budget 2: ")
    assert why in str(caught.value)


def test_a_file_without_budgets_says_how_to_write_one(tmp_path: Path) -> None:
    file = tmp_path / "tailgate.toml"
    for text, why in (("", "no budget in it"), ("budget = 1", "write each as"), ("[", "Invalid")):
        file.write_text(text)
        with pytest.raises(BadSetting, match=why):
            read_budgets(file)
    with pytest.raises(BadSetting, match="cannot be read"):
        read_budgets(tmp_path / "missing.toml")


def test_budgets_and_settings_stand_in_one_file(tmp_path: Path) -> None:
    file = tmp_path / "tailgate.toml"
    file.write_text(BUDGET + 'sql = "SELECT 1"\nmin = 1\ncritical = false\nname = "told"')
    first, second = read_budgets(file)
    assert (first.name, first.metric, first.most) == ("budget 1", "p95_ms", 600)
    assert (second.name, second.least, second.critical) == ("told", 1, False)
    assert load(file).redact.keys == ()
    assert (
        explained(second) == "told: the number that 'SELECT 1' gives must be at least 1 (told only)"
    )


@pytest.mark.slow
def test_the_command_fails_a_ci_job_when_a_budget_is_exceeded(shop: Lake, tmp_path: Path) -> None:
    file = tmp_path / "tailgate.toml"
    command = [sys.executable, "-m", "pipeline.cli.main", "check", "--lake", str(shop.path)]
    command += ["--config", str(file), "--format", "json"]
    for most, status, expected in ((200, 0, "pass"), (50, 1, "fail")):
        file.write_text(f'[[budget]]\nname = "cart"\nmetric = "p50_ms"\nmax = {most}\n')
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode == status, done.stderr
        told = json.loads(done.stdout)
        assert (told["schema"], told["verdict"]) == ("tailgate.check/1", expected)
        assert [check["name"] for check in told["checks"]] == ["cart"]
