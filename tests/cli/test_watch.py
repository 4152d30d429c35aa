"""``tailgate watch`` as a person and a program meet it: lines, statuses, errors, interrupted."""

import io
import json
import math
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from pipeline.cli.watch import command
from pipeline.errors import BadWindow, TailgateError, UsageError
from pipeline.gate.following import replayed
from pipeline.gate.standings import Watch
from pipeline.jobs.judge_request import JudgeRequest, parse_selector
from pipeline.lake import Lake, append
from pipeline.report.looks import live_view
from pipeline.schema import SPANS

NOON = 1_795_608_000_000_000_000
MINUTE = 60_000_000_000
SIDES = ("--baseline", "service.version=v1", "--canary", "service.version=v2")
PAST = ("--replay", "--since", "2026-11-25T12:00:00Z", "--until", "2026-11-25T12:09:00Z")


@pytest.fixture
def filled(lake: Lake, span_rows: Callable[..., pa.Table]) -> Lake:
    """Give nine minutes from noon of two versions, of which the second takes twice as long."""
    rng = np.random.default_rng(4)
    append(
        lake,
        SPANS,
        span_rows(
            *(
                {
                    "service_version": version,
                    "service_instance_id": f"{version}-{number % 3}",
                    "name": "GET /[bold]",
                    "start_time_unix_nano": NOON + minute * MINUTE + number,
                    "duration_nano": int(1e8 * factor * math.exp(rng.normal(0, 0.2))),
                }
                for version, factor in (("v1", 1.0), ("v2", 2.0))
                for minute in range(9)
                for number in range(40)
            )
        ),
    )
    return lake


def watch(lake: Lake, *arguments: object) -> Result:
    """Run the command in this process."""
    given = ["--lake", lake.path, *SIDES, *PAST, "--for", "9m", *arguments]
    return CliRunner().invoke(command, [str(each) for each in given], standalone_mode=False)


def test_a_line_a_look_then_what_failed_then_the_verdict(filled: Lake) -> None:
    done = watch(filled, "--looks", 1)
    lines = done.stdout.splitlines()
    assert done.return_value == 1
    assert lines[0] == (
        "minute 1/9 12:00 inconclusive (next planned look at 9; alpha spent 0.005 of 0.01): "
        "too_short: 1 minutes in common, 6 are needed"
    )
    assert lines[-2].startswith("fail: checkout GET /[bold] p50: ")
    assert lines[-1].startswith(
        "fail: service_version=v2 against service_version=v1 after 7 of 9 minutes "
        "(a regression is sure; "
    )


def test_json_lines_have_a_schema_and_end_with_the_verdict(filled: Lake, tmp_path: Path) -> None:
    out = tmp_path / "looks.jsonl"
    given = ("--looks", 2, "--rule", "anytime", "--format", "jsonl")
    assert watch(filled, *given, "--output", out).return_value == 1
    looks = [json.loads(line) for line in out.read_text(encoding="ascii").splitlines()]
    assert {each["schema"] for each in looks} == {"tailgate.look/1"}
    assert [each["kind"] for each in looks] == ["look"] * 7 + ["verdict"]
    assert [each["minute"] for each in looks] == [1, 2, 3, 4, 5, 6, 7, 7]
    assert [each["planned_look"] for each in looks[:7]] == [None] * 5 + [1, None]
    last = looks[-1]
    assert (last["verdict"], last["ends"], last["exit_status"]) == (
        "fail",
        "a regression is sure",
        1,
    )
    assert last["worst"]["log_e_worse"] > math.log(4 * 50)
    assert last["worst"]["low"] < 1.0 < last["worst"]["high"]
    assert watch(filled, *given).stdout_bytes == out.read_bytes()


def test_a_canary_that_is_faster_passes_or_waits_and_never_fails(filled: Lake) -> None:
    turned = ("--baseline", SIDES[3], "--canary", SIDES[1])
    done = watch(filled, *turned, "--every", "3m", "--tolerance-errors", 100)
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("minute")] == [
        "3/9",
        "6/9",
        "8/9",
        "9/9",
    ]
    assert (done.return_value, done.stdout.splitlines()[-1].split(":")[0]) == (0, "pass")


def test_what_ends_before_its_last_look_is_inconclusive(filled: Lake) -> None:
    done = watch(filled, "--until", "2026-11-25T12:06:00Z", "--rule", "anytime")
    assert done.return_value == 3
    assert "(the window ends before the last look; " in done.stdout.splitlines()[-1]


def test_no_canary_is_no_data(filled: Lake) -> None:
    done = watch(filled, "--canary", "service.version=v3")
    assert (done.return_value, done.stdout.splitlines()[-1].split(":")[0]) == (3, "no_data")


@pytest.mark.parametrize(
    ("arguments", "error", "why"),
    [
        (("--for", "soon"), BadWindow, "--for 'soon': not a duration; write 90s, 30m or 2h"),
        (("--every", "90s"), BadWindow, "--every 90s: not whole minutes"),
        (("--for", "2m"), UsageError, "2 minutes; 6 are the least"),
        (("--output", "/nowhere/looks"), UsageError, "name a file that can be written"),
        (("--baseline", "saved:main"), UsageError, "must run beside the canary"),
    ],
)
def test_what_cannot_be_watched_says_why(
    lake: Lake, arguments: tuple[str, ...], error: type[TailgateError], why: str
) -> None:
    done = watch(lake, *arguments)
    assert isinstance(done.exception, error)
    assert why in str(done.exception)


def test_a_replay_needs_a_start(lake: Lake) -> None:
    given = ["--lake", str(lake.path), *SIDES, "--replay"]
    done = CliRunner().invoke(command, given, standalone_mode=False)
    assert "a start is missing; give --since" in str(done.exception)


def test_the_live_view_shows_the_worst_first_and_takes_no_name_for_markup(filled: Lake) -> None:
    sides = (parse_selector("service.version=v1"), parse_selector("service.version=v2"))
    looks = list(replayed(filled, JudgeRequest(*sides, NOON), Watch(9, 1), NOON // MINUTE + 9))
    out = io.StringIO()
    Console(file=out, width=150).print(live_view(looks[-1], "the lake is up to date"))
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("fail so far · minute 7 of 9 · the lake is up to date")
    assert "checkout GET /[bold]" in lines[4]
    assert "██████████ 100%" in lines[4]
    assert lines[-1].startswith("alpha spent 0.0")
    Console(file=out, width=150).print(live_view(None, "no request of both sides yet"))
    assert "watching: no request of both sides yet" in out.getvalue()


def test_an_interruption_tells_what_is_known_and_has_the_shells_status(lake: Lake) -> None:
    started = [sys.executable, "-m", "pipeline.cli.main", "watch", "--lake", str(lake.path), *SIDES]
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        told = process.stderr.readline()
        assert told.startswith(b"watch: the same looks again: --replay --since 20")
        assert process.stderr.readline() == b"watch: no request of both sides yet\n"
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert out == b"inconclusive: no look was taken (interrupted)\n"
    assert process.returncode == 130
