"""Watching folders: each file once, when it is whole, also over restarts."""

import contextlib
import gzip
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from collectors import import_pieces
from collectors.importing import Outcome, Wishes
from collectors.watching import SETTLED_SECONDS, watch_folders
from pipeline.errors import LakeUnavailable
from pipeline.lake import Lake
from pipeline.lake import commit as commit_for_real
from tests.importing import otlp_files as files
from tests.otlp.receivers import environment, wait_until


class _Ended(Exception):
    """The test has seen enough."""


def watched(
    lake: Lake, folder: Path, steps: Mapping[int, Callable[[], object]], looks: int = 12
) -> list[Outcome]:
    """Watch a folder for some looks, a second apart; before some of them something happens."""
    now = itertools.count()
    seconds = [0.0]

    def wait(_: float) -> None:
        look = next(now)
        if look >= looks:
            raise _Ended
        steps.get(look, lambda: None)()
        seconds[0] += 1.0

    found: list[Outcome] = []
    with contextlib.suppress(_Ended):
        for outcome in watch_folders(lake, [folder], Wishes(), lambda: seconds[0], wait):
            found.append(outcome)  # noqa: PERF402
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give an empty folder to drop files into."""
    made = tmp_path / "dropped"
    made.mkdir()
    return made


def whole(number: int = 0) -> bytes:
    """Give a file of two spans."""
    return gzip.compress(files.prefixed([files.traces(number, spans=2)]), mtime=0)


def test_a_file_is_taken_once_however_long_it_stays(lake: Lake, folder: Path) -> None:
    (folder / "a.otlp").write_bytes(whole())
    (outcome,) = watched(lake, folder, {})
    assert (outcome.file.name, outcome.status, outcome.rows["spans"]) == ("a.otlp", "imported", 2)


def test_a_file_that_is_still_written_to_is_not_touched(lake: Lake, folder: Path) -> None:
    file = folder / "a.otlp"
    data = whole()

    def write(part: bytes) -> Callable[[], object]:
        return lambda: file.open("ab").write(part)

    third = len(data) // 3
    steps = {0: write(data[:third]), 2: write(data[third : 2 * third]), 4: write(data[2 * third :])}
    (outcome,) = watched(lake, folder, steps)
    assert (outcome.status, outcome.rows["spans"]) == ("imported", 2)


def test_half_a_file_is_refused_and_taken_when_the_rest_has_come(lake: Lake, folder: Path) -> None:
    file = folder / "a.otlp"
    file.write_bytes(whole()[:-9])
    pause = int(SETTLED_SECONDS) + 3
    steps = {pause: lambda: file.write_bytes(whole())}
    first, second = watched(lake, folder, steps, looks=3 * pause)
    assert (first.status, "cut off" in first.reason) == ("refused", True)
    assert (second.status, second.rows["spans"]) == ("imported", 2)


def test_a_file_that_comes_again_under_another_name_is_known(lake: Lake, folder: Path) -> None:
    (folder / "a.otlp").write_bytes(whole())
    steps = {5: lambda: (folder / "a.otlp").rename(folder / "b.otlp")}
    first, second = watched(lake, folder, steps)
    assert (first.status, second.status, second.file.name) == ("imported", "known", "b.otlp")


def test_a_folder_that_is_away_for_a_while_is_watched_again(lake: Lake, folder: Path) -> None:
    away = folder.with_name("away")
    steps: dict[int, Callable[[], object]] = {
        1: lambda: folder.rename(away),
        3: lambda: away.rename(folder),
        4: lambda: (folder / "a.otlp").write_bytes(whole()),
    }
    (outcome,) = watched(lake, folder, steps)
    assert outcome.status == "imported"


def test_a_full_disk_only_puts_a_file_off(
    lake: Lake, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.otlp").write_bytes(whole())
    real, calls = commit_for_real, itertools.count()

    def commit(*given: object) -> int | None:
        if next(calls) == 0:
            raise LakeUnavailable("no space left")
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(import_pieces, "commit", commit)
    (outcome,) = watched(lake, folder, {})
    assert (outcome.status, outcome.rows["spans"]) == ("imported", 2)


def has_a_line(file: Path) -> bool:
    """Tell whether a file's last line is whole."""
    return file.read_bytes().endswith(b"\n")


@pytest.mark.slow
def test_the_command_survives_restarts_and_ends_when_asked(tmp_path: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "pipeline.cli.main", "import", "--watch", "--json"]
    command += ["--lake", str(tmp_path / "lake"), str(folder)]
    (folder / "a.otlp").write_bytes(whole(1))
    for number, status in ((1, "imported"), (2, "known")):
        told = tmp_path / f"told{number}"
        with told.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, env=environment())
            try:
                wait_until(partial(has_a_line, told), "the outcome")
                os.kill(process.pid, signal.SIGTERM)
                assert process.wait(30) == 0
            finally:
                process.kill()
                process.wait()
        (line,) = told.read_text().splitlines()
        assert json.loads(line)["status"] == status


def test_only_folders_can_be_watched(tmp_path: Path) -> None:
    file = tmp_path / "a.otlp"
    file.write_bytes(whole())
    command = [sys.executable, "-m", "pipeline.cli.main", "import", "--watch", str(file)]
    done = subprocess.run(command, capture_output=True, env=environment(), check=False, text=True)
    assert done.returncode == 2
    assert "--watch: give folders" in done.stderr
