"""``tailgate capacity`` and a budget on costs, as a person meets them."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.cli.main import main
from pipeline.errors import UsageError
from pipeline.gate.budget_reading import read_budgets
from pipeline.gate.budgets import Budget
from pipeline.gate.checking import check_budgets
from pipeline.lake import Lake, append
from pipeline.schema import METRICS, SPANS
from tests.jobs.capacity_lake import NOON, SECOND, land_shop, span, spans_table
from tests.metrics.conftest import rows_of

MINUTE = 60 * SECOND


Tailgate = Callable[..., str]


@pytest.fixture
def tailgate(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Tailgate:
    """Give what runs the command, checks its exit status and gives what it wrote."""
    monkeypatch.delenv("TAILGATE_LAKE", raising=False)

    def run(*arguments: object, status: int = 0) -> str:
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["capacity", *map(str, arguments)])
        written = capfdbinary.readouterr()
        assert ended.value.code == status, written.err.decode()
        return (written.out + written.err).decode()

    return run


def test_the_answer_is_text_json_or_a_page_and_the_status_tells_whether_a_target_fits(
    lake: Lake, tmp_path: Path, tailgate: Tailgate
) -> None:
    land_shop(lake, buckets=33, most_per_s=14.0)
    given = ("--lake", lake.path, "--slo", "p95=250ms", "--limit", "memory=1GiB")
    text = tailgate(*given, "--price", "cpu=0.04/h")
    assert "safe load: " in text
    assert "binding resource: " in text
    assert "a million requests" in text
    first = tailgate(*given, "--format", "json", "--target-rps", "60", status=1)
    document = json.loads(first)
    assert document["schema"] == "tailgate.capacity/1"
    (service,) = document["services"]
    assert service["replicas"]["outcome"] == "does_not_fit"
    assert {each["resource"] for each in service["limits"]} >= {"latency", "cpu", "memory"}
    page = tmp_path / "capacity.html"
    tailgate(*given, "--format", "html", "--output", page)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_what_is_not_identified_ends_with_three_and_an_empty_lake_says_what_to_do(
    lake: Lake, tailgate: Tailgate
) -> None:
    assert "no server or consumer span matches" in tailgate("--lake", lake.path, status=3)
    land_shop(lake, buckets=6, metrics=())
    text = tailgate("--lake", lake.path, "--target-rps", "5", status=3)
    assert "no process.cpu.time for service shop; send it" in text


def test_an_option_that_cannot_be_read_is_a_usage_error(lake: Lake, tailgate: Tailgate) -> None:
    assert "write p50 or p95" in tailgate("--lake", lake.path, "--slo", "fast", status=2)


def land_costs(lake: Lake, version: str, seconds: float) -> None:
    """Land 20 minutes of three instances: 60 requests a minute, of so many CPU seconds each."""
    spans, points = [], []
    for instance in range(3):
        whose = {"service_version": version, "service_instance_id": f"{version}-{instance}"}
        busy = 0.0
        for minute in range(20):
            for each in range(60):
                number = (instance * 20 + minute) * 60 + each + 1
                start = NOON + minute * MINUTE + each * SECOND
                trace = f"{number + int(10 * seconds * 1e6):032x}"
                end = start + SECOND // 10
                spans.append(span(trace, number, None, "cart", 2, start, end, **whose))
            busy += 60 * seconds * (1 + 0.01 * instance + 0.02 * math.sin(minute))
            points.append(
                {
                    **whose,
                    "service_name": "shop",
                    "metric_type": "sum",
                    "name": "process.cpu.time",
                    "unit": "s",
                    "time_unix_nano": NOON + (minute + 1) * MINUTE - SECOND,
                    "start_time_unix_nano": NOON,
                    "is_monotonic": True,
                    "aggregation_temporality": 2,
                    "value_double": busy,
                }
            )
    append(lake, SPANS, spans_table(spans))
    append(lake, METRICS, rows_of(points))


def test_a_budget_on_costs_is_absolute_or_beside_another_version(lake: Lake) -> None:
    land_costs(lake, "v1", 0.09)
    land_costs(lake, "v2", 0.18)
    v1, v2 = (("service_version", "v1"),), (("service_version", "v2"),)
    # 0.09 s at 0.04 an hour are a millionth of a unit: a million requests cost one.
    costs = {"metric": "cost_per_million_requests", "cpu_price": 0.04}
    most = {"dear": 0.8, "cheap": 1.3}
    budgets = [
        Budget(name, where=v1, most=value, **costs)  # type: ignore[arg-type]
        for name, value in most.items()
    ]
    budgets.append(Budget("twice", where=v2, baseline=v1, increase_ratio=0.5, **costs))  # type: ignore[arg-type]
    dear, cheap, twice = check_budgets(lake, budgets, 0.01).checks
    assert dear.measure is not None
    assert dear.measure.canary == pytest.approx(1.0, rel=0.05)
    assert (dear.verdict, cheap.verdict, twice.verdict) == ("fail", "pass", "fail")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('metric = "cost_per_million_requests"', "needs it; give cpu_price = 0.04"),
        ('metric = "cost_per_million_requests"\ncpu_price = 0', "makes everything free"),
        ('metric = "cpu_cores"\ncpu_price = 1', "not for cpu_cores"),
        ('metric = "p95_ms"\ncpu_price = 1', "not for p95_ms"),
    ],
)
def test_a_price_stands_beside_a_cost_and_nothing_else(
    tmp_path: Path, line: str, problem: str
) -> None:
    file = tmp_path / "tailgate.toml"
    file.write_text(f"[[budget]]\n{line}\nmax = 1\n", encoding="utf-8")
    with pytest.raises(UsageError, match=problem):
        read_budgets(file)


def test_two_versions_have_an_answer_each_and_their_costs_are_compared(
    lake: Lake, tailgate: Tailgate
) -> None:
    land_costs(lake, "v1", 0.09)
    land_costs(lake, "v2", 0.18)
    text = tailgate("--lake", lake.path, "--price", "cpu=0.04/h", status=3)
    assert "shop v1: " in text
    assert "shop v2: " in text
    assert "cost beside v1: +100 %" in text
    told = json.loads(
        tailgate("--lake", lake.path, "--price", "cpu=0.04/h", "--format", "json", status=3)
    )
    assert [each["service_version"] for each in told["services"]] == ["v1", "v2"]
    (change,) = told["cost_changes"]
    assert change["change_ratio"]["low"] > 0.9


def test_an_attribute_of_cpu_time_needs_its_unit(lake: Lake, tailgate: Tailgate) -> None:
    told = tailgate("--lake", lake.path, "--cpu-attribute", "thread.cpu", status=2)
    assert "must end with _ns, _us, _ms, _s" in told
