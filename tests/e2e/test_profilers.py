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
ROUNDS = 7
LEAST_SAMPLES = 100
RECORDINGS = ("pyspy.raw.txt", "perf-script.txt")

pytestmark = pytest.mark.slow


def tailgate(*arguments: object, status: tuple[int, ...] = (0,)) -> Any:
    """Run a command that writes JSON and give what it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli.main", *map(str, arguments)],
        capture_output=True,
        env=environment(),
        check=False,
    )
    assert done.returncode in status, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Profile both versions of the shop's checkout, one of which signs four times as much."""
    out = tmp_path_factory.mktemp("profilers") / "profiles"
    command = [sys.executable, str(SHOP), "profile", "--out", str(out), "--seconds", "1.5"]
    command += ["--rate", "20", "--instances", "1", "--compute", "30", "--fault", "hot-function"]
    command += ["--rounds", str(ROUNDS)]
    for name in RECORDINGS:
        command += ["--only", name]
    plain = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    done = subprocess.run(command, capture_output=True, text=True, env=plain, check=False)
    assert done.returncode == 0, done.stderr
    return out


def landed(recorded: Path, lake: Path, name: str) -> int:
    """Import the files of one recording, and give how many there are."""
    stem, _, end = name.partition(".")
    files = sorted(recorded.glob(f"*/*.{stem}.*.{end}.gz"))
    if files:
        told = tailgate("import", "--lake", lake, "--json", *files)
        assert {file["status"] for file in told["files"]} == {"imported"}
    return len(files)


@pytest.mark.parametrize(
    ("recording", "slower"),
    # perf sees native code: what signing calls, where Python itself writes no map of its frames.
    [("pyspy.raw.txt", "sign_receipt"), ("perf-script.txt", "crc32")],
    ids=("py-spy", "perf"),
)
def test_the_function_that_got_slower_is_named(
    recorded: Path, tmp_path: Path, recording: str, slower: str
) -> None:
    lake = tmp_path / "lake"
    files = landed(recorded, lake, recording)
    if not files:
        pytest.skip("the profiler is not here or may not attach to processes of this user")
    assert files == 2 * ROUNDS
    told = tailgate(
        *("run", "profile-diff", "--lake", lake, "--format", "json"),
        *("--baseline", "service.version=1.4.1", "--canary", "service.version=1.4.2"),
        status=(0, 1),
    )
    if min(told[side]["samples"] for side in ("baseline", "canary")) < LEAST_SAMPLES:
        pytest.skip("this machine left the shop too little time for its profiles to tell anything")
    every = [*told["findings"], *told["functions"]]
    slowed = next(each for each in every if each["function"].startswith(slower))
    assert slowed["change_points"] > 0
    if recording == "pyspy.raw.txt":
        # perf sees parts of the interpreter beside it, which a busy machine moves about.
        assert told["findings"][0] == slowed
        assert slowed["outcome"] == "regression"


@pytest.mark.skipif(not shutil.which("perf"), reason="perf is not here")
def test_perf_on_the_shop_lands_with_its_samples(recorded: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    if not landed(recorded, lake, "perf-script.txt"):
        pytest.skip("perf may not attach to processes of this user")
    (row,) = tailgate(
        *("sql", "--lake", lake, "--format", "json"),
        "SELECT count(DISTINCT service_version) AS versions, sum(samples) AS samples,"
        " count(DISTINCT thread_id) AS threads FROM profile_samples",
    )
    assert row["versions"] == 2
    assert row["threads"] >= 2
    assert row["samples"] > 20
