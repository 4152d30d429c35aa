"""``tailgate audit`` as a person runs it: a release, its budgets, and too little history."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click import UsageError
from click.testing import CliRunner

from pipeline.cli.audit import command
from pipeline.gate.budgets import Budget
from pipeline.gate.checking import check_budgets
from pipeline.lake import Lake, append
from pipeline.schema import SPANS

NOON = 1_795_608_000_000_000_000
MINUTE = 60_000_000_000


@pytest.fixture
def past(lake: Lake, span_rows: Callable[..., pa.Table]) -> Lake:
    """Give an hour of one release: lognormal about 100 ms, six instances, 2 % errors."""
    rng = np.random.default_rng(7)
    spans = [
        {
            "service_version": "1.4.1",
            "service_instance_id": f"checkout-{rng.integers(6)}",
            "start_time_unix_nano": NOON + number * 60 * MINUTE // 4200,
            "duration_nano": int(1e8 * np.exp(rng.normal(0, 0.3))),
            "status_code": 2 if number % 50 == 0 else 0,
        }
        for number in range(4200)
    ]
    append(lake, SPANS, span_rows(*spans))
    return lake


def audited(lake: Lake, *arguments: object, form: str = "json") -> Any:
    """Run the command; give what it writes."""
    given = ["--lake", lake.path, "--window", "20m", "--runs", "30", "--format", form, *arguments]
    result = CliRunner().invoke(command, [str(each) for each in given], standalone_mode=False)
    if result.exception:
        raise result.exception
    assert result.return_value == 0
    return json.loads(result.stdout) if form == "json" else result.stdout


def test_every_form_tells_the_same(past: Lake) -> None:
    where = ("--where", "service.version=1.4.1", "--inject", "10,50", "--tail")
    document = audited(past, *where)
    assert document["schema"] == "tailgate.audit/1"
    assert (document["windows"], document["replays"], document["harmed_replays"]) == (3, 30, 15)
    (operation,) = document["operations"]
    assert (operation["operation"], operation["instances"]) == ("POST /checkout", 6)
    assert operation["requests"] == pytest.approx(1400, abs=5)
    assert operation["false_fails"]["events"] == 0
    assert operation["smallest_caught"]["slower"] == 0.5
    assert [each["kind"] for each in operation["caught"]] == (
        ["slower"] * 2 + ["slower_tail"] * 2 + ["errors"] * 3
    )
    text = audited(past, *where, form="text")
    assert text.startswith("30 replays of 3 windows of 20 minutes, 50 % of the traffic")
    assert "tail slower by" in text
    assert text.splitlines()[-1] == (
        "service_version=1.4.1: 0 of 30 replays fail without cause, 0 [0, 11] %; "
        "at most 1.0 % is promised"
    )
    markdown = audited(past, *where, form="markdown")
    assert "| service | operation | +10 % | +50 % | +10 % tail |" in markdown


def test_budgets_have_false_alarms_and_what_breaks_them_beside_them(
    past: Lake, tmp_path: Path
) -> None:
    budgets = tmp_path / "tailgate.toml"
    budgets.write_text(
        """
[[budget]]
name = "wide"
metric = "p95_ms"
max = 300
[[budget]]
name = "broken"
metric = "p95_ms"
max = 100
[[budget]]
name = "errors"
metric = "error_percent"
max = 5
[[budget]]
name = "relative"
metric = "p50_ms"
baseline = "service.version=1.4.1"
where = "service.version=1.4.2"
max_increase_percent = 10
[[budget]]
name = "rows"
sql = "SELECT 1"
max = 2
"""
    )
    document = audited(past, "--config", budgets)
    assert document["schema"] == "tailgate.budget_audit/1"
    lines = {each["name"]: each for each in document["budgets"]}
    # Lognormal about 100 ms, sigma 0.3: p95 is 164 ms, and 300 ms is 83 % more.
    assert lines["wide"]["value"] == pytest.approx(164, rel=0.05)
    assert lines["wide"]["breaks_from"] == pytest.approx(0.83, abs=0.2)
    assert (lines["wide"]["false_fails"]["events"], lines["wide"]["false_fails"]["replays"]) == (
        0,
        3,
    )
    assert (lines["broken"]["false_fails"]["events"], lines["broken"]["breaks_from"]) == (3, 0)
    # From 2 % to 5 % are 3 points, and chance beside them.
    assert 0.03 < lines["errors"]["breaks_from"] < 0.06
    assert lines["relative"]["false_fails"]["replays"] == 30
    assert lines["relative"]["breaks_from"] in (0.2, 0.5)
    assert lines["rows"]["reason"] == "only budgets on latency and errors are replayed"
    markdown = audited(past, "--config", budgets, form="markdown")
    assert "| nothing: it is broken |" in markdown
    assert "| rows | " in markdown


def test_a_window_breaks_a_limit_where_the_check_itself_would(past: Lake, tmp_path: Path) -> None:
    budgets = tmp_path / "tailgate.toml"
    budgets.write_text('[[budget]]\nname = "a"\nmetric = "p95_ms"\nmax = 1000\n')
    (line,) = audited(past, "--config", budgets, "--window", "60m")["budgets"]
    factor = 1 + line["breaks_from"]
    for limit, verdict in ((1000 / factor * 0.999, "fail"), (1000 / factor * 1.001, "warn")):
        budget = Budget("a", metric="p95_ms", most=limit)
        (check,) = check_budgets(past, [budget], 0.01).checks
        assert check.verdict == verdict


def test_too_little_history_ends_with_status_3(past: Lake) -> None:
    run = [sys.executable, "-m", "pipeline.cli.main", "audit", "--lake", str(past.path)]
    done = subprocess.run([*run, "--window", "2h"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("tailgate: audit: 60 minutes of history hold no window of 120")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--window", "soon"), "write minutes or hours"),
        (("--inject", "a,b"), "write numbers joined by commas"),
        (("--config", "x.toml", "--where", "service.version=1"), "budgets say themselves whose"),
    ],
)
def test_what_cannot_be_read_is_refused(lake: Lake, arguments: tuple[str, ...], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        audited(lake, *arguments)
