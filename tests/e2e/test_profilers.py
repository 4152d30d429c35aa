"""Real profilers on the real shop: the function that got slower is named first, and alone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.otlp.receivers import environment

SHOP = Path(__file__).parents[2] / "data" / "shop.py"
SLOW = "sign_receipt"
ROUNDS = 6

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("profilers")]


def tailgate(*arguments: object, status: int = 0) -> Any:
    """Run a command that writes JSON and give what it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli.main", *map(str, arguments)],
        capture_output=True,
        env=environment(),
        check=False,
    )
    assert done.returncode == status, done.stderr.decode()
    return json.loads(done.stdout)


def record(out: Path, *names: str, rounds: int) -> list[Path]:
    """Profile both versions of the shop's checkout, one of which signs four times as much."""
    command = [sys.executable, str(SHOP), "profile", "--out", str(out), "--seconds", "2"]
    command += ["--rate", "30", "--instances", "1", "--compute", "8", "--fault", "hot-function"]
    command += ["--rounds", str(rounds)]
    for name in names:
        command += ["--only", name]
    plain = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    done = subprocess.run(command, capture_output=True, text=True, env=plain, check=False)
    assert done.returncode == 0, done.stderr
    return sorted(out.glob("*/*.gz"))


def test_py_spy_on_the_shop_names_the_function_that_got_slower(tmp_path: Path) -> None:
    files = record(tmp_path / "profiles", "pyspy.raw.txt", rounds=ROUNDS)
    if not files:
        pytest.skip("py-spy is not here or may not attach to processes of this user")
    assert len(files) == 2 * ROUNDS
    lake = tmp_path / "lake"
    told = tailgate(
        "import", "--lake", lake, "--json", *sorted((tmp_path / "profiles").glob("1.*"))
    )
    assert {file["status"] for file in told["files"]} == {"imported"}
    told = tailgate(
        *("run", "profile-diff", "--lake", lake, "--format", "json"),
        *("--baseline", "service.version=1.4.1", "--canary", "service.version=1.4.2"),
        status=1,
    )
    regressions = [each for each in told["findings"] if each["outcome"] == "regression"]
    first = regressions[0]
    assert first["function"] == SLOW
    # A machine that is busy makes small changes of its own; on the recorded sample there are none.
    others = [each for each in regressions if each["function"] != SLOW]
    assert all(each["change_points"] < first["change_points"] / 5 for each in others)


@pytest.mark.skipif(not shutil.which("perf"), reason="perf is not here")
def test_perf_on_the_shop_lands_with_its_samples(tmp_path: Path) -> None:
    files = record(tmp_path / "profiles", "perf-script.txt", "perf-stat.json", rounds=0)
    if not files:
        pytest.skip("perf may not attach to processes of this user")
    lake = tmp_path / "lake"
    told = tailgate(
        "import", "--lake", lake, "--json", *sorted((tmp_path / "profiles").glob("1.*"))
    )
    assert {file["status"] for file in told["files"]} == {"imported"}
    (row,) = tailgate(
        *("sql", "--lake", lake, "--format", "json"),
        "SELECT count(DISTINCT service_version) AS versions, sum(samples) AS samples,"
        " count(DISTINCT thread_id) AS threads FROM profile_samples",
    )
    assert row["versions"] == 2
    assert row["threads"] >= 2
    assert row["samples"] > 20
    rows = tailgate(
        *("sql", "--lake", lake, "--format", "json"),
        "SELECT metric, min(value_double) AS least FROM ebpf_counts"
        " WHERE metric = 'task-clock' GROUP BY ALL",
    )
    assert rows[0]["least"] > 0
