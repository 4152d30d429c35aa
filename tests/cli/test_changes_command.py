"""``tailgate changes``: what it prints, and the status that it ends with."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.cli.main import main

LEVEL = [100.0, 101.2, 99.3, 100.5, 98.9, 100.3, 100.9, 99.6, 99.1, 100.7]


def changes(capfd: pytest.CaptureFixture[str], *arguments: str, status: int) -> str:
    """Run the command, check its status and give what it prints."""
    with pytest.raises(SystemExit) as ended:
        main(["changes", *arguments])
    assert ended.value.code == status
    return capfd.readouterr().out


def csv_of(values: Sequence[float | str]) -> str:
    """Write values as a CSV with a commit each."""
    rows = [f"c{number},{value}\n" for number, value in enumerate(values)]
    return "commit,p99_ms\n" + "".join(rows)


def test_a_step_for_the_worse_ends_with_status_1_and_names_both_commits(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bench.csv"
    values: list[float | str] = [*LEVEL * 2, *(1.3 * each for each in LEVEL[:6])]
    values.insert(5, "")
    path.write_text(csv_of(values))
    lines = changes(capfd, "--csv", str(path), status=1).splitlines()
    assert lines[0] == "p99_ms"
    assert "·" in lines[1]
    assert lines[2].strip() == "^"
    (row,) = [line for line in lines if line.startswith("fail  ")]
    assert "+30" in row
    assert row.split()[-4:] == ["22", "c21", "21", "c20"]
    assert lines[-1] == "fail: 1 of 1 series changed, 1 failing"
    # Four points are too few to reach back to the fifth last.
    markdown = changes(capfd, "--csv", str(path), "--format", "markdown", "--last", "4", status=0)
    assert markdown.startswith("### tailgate: pass: 1 of 1 series changed, 0 failing")
    assert "| step confirmed, worse |" in markdown
    out = tmp_path / "changes.json"
    more = ("--format", "json", "--output", str(out), "--state", str(tmp_path / "state.json"))
    changes(capfd, "--csv", str(path), *more, status=1)
    first = json.loads(out.read_bytes())
    (one,) = first["series"]
    assert (first["schema"], one["n"], one["missing"]) == ("tailgate.changes/1", 26, 1)
    (change,) = one["changes"]
    assert change["first_after"] == {"point": 21, "time": "22", "attributes": {"commit": "c21"}}
    assert (change["known"], change["fails"], change["worse"]) == (False, True, True)
    changes(capfd, "--csv", str(path), *more, status=1)
    assert json.loads(out.read_bytes())["series"][0]["changes"][0]["known"] is True


def test_noise_ends_with_status_0_and_too_little_with_3(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-m", "pipeline.cli.main", "changes", "--csv", "-"]
    given = csv_of(LEVEL * 3).encode()
    done = subprocess.run(command, capture_output=True, input=given, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"pass: 0 of 1 series changed, 0 failing\n"
    path = tmp_path / "short.csv"
    path.write_text(csv_of(LEVEL[:5]))
    out = changes(capfd, "--csv", str(path), status=3)
    assert "note: p99_ms: 5 points; a change needs 6" in out
    assert "inconclusive" in out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--csv", "missing.csv"), "missing.csv: No such file"),
        (("--csv", "-", "--saved", "x"), "choose one of"),
        (("--csv", "-", "--since", "1h"), "--since is for the lake"),
        (("--value", "x"), "name columns of --csv"),
    ],
)
def test_a_wrong_call_says_why(
    arguments: tuple[str, ...], why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["changes", *arguments])
    assert ended.value.code == 2
    assert why in capfd.readouterr().err
