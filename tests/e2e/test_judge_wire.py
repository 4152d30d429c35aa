"""Releases over the real wire, from the SDK to the verdict: the right one, for the right reason."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import cli
from tests.e2e.killable import Server
from tests.e2e.send_releases import BASELINE, FAULTS
from tests.otlp.receivers import environment, rows

pytestmark = pytest.mark.slow

SENDER = Path(__file__).with_name("send_releases.py")


@dataclass(frozen=True)
class Split:
    """A canary's share of the traffic, and its checkouts: so many that p99 is judged as well."""

    canary_share: float
    checkouts: int


SPLITS = {"half": Split(0.5, 1800), "twentieth": Split(0.05, 1200)}
# In per cent. Four hosts a side differ by 3 %, and of so few requests p99 is known to a fifth.
TOLERANCES = ("--tolerance", "30", "--tolerance-errors", "4")

# The verdict, and the metrics that must fail and those that must not, all of POST /checkout.
EXPECTED: dict[str, tuple[str, set[str], set[str]]] = {
    "none": ("pass", set(), {"p50", "p95", "p99", "error_ratio"}),
    "slow-operation": ("fail", {"p50", "p95"}, {"error_ratio"}),
    "slow-tail": ("fail", {"p99"}, {"p50", "error_ratio"}),
    "errors": ("fail", {"error_ratio"}, {"p50", "p95", "p99"}),
}


def release(folder: Path, split: Split, killed: bool) -> tuple[Path, int]:
    """Send all releases into a new lake, through a receiver that may be killed in the middle.

    Returns:
        The lake, and how many spans were sent.
    """
    server = Server(folder)
    asked = (str(server.ports[0]), str(split.canary_share), str(split.checkouts))
    sender = subprocess.Popen(
        [sys.executable, str(SENDER), *asked],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        text=True,
    )
    try:
        assert sender.stdin
        assert sender.stdout
        assert sender.stdout.readline() == "half\n"
        sender.stdin.write("\n")
        sender.stdin.flush()
        if killed:
            # While the other half is on its way: the SDK says again what was not acknowledged.
            server.kill()
            assert sender.poll() is None
            server.start()
        sent = int(sender.stdout.readline())
        assert sender.wait(120) == 0
        server.stop()
    finally:
        sender.kill()
        sender.wait()
        if server.process.poll() is None:
            server.kill()
    return server.lake, sent


@dataclass(frozen=True)
class Released:
    """A lake with every release, and what the judge says of each canary, with its status."""

    split: Split
    lake: Path
    spans: int
    answers: dict[str, tuple[bytes, int]]


@pytest.fixture(scope="module", params=SPLITS)
def released(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Released:
    """Give the releases of a split; where traffic is halved the receiver was killed meanwhile."""
    split = SPLITS[request.param]
    lake, spans = release(tmp_path_factory.mktemp(request.param), split, request.param == "half")
    return Released(split, lake, spans, {fault: judged(lake, fault) for fault in FAULTS})


def judged(lake: Path, fault: str) -> tuple[bytes, int]:
    """Judge a canary against 1.4.1 with the command, in this process; give answer and status."""
    answer = lake.with_name(f"{fault}.json")
    status = cli.main([*asked(lake, fault), "--output", str(answer)], standalone_mode=False)
    return answer.read_bytes(), status


def asked(lake: Path, fault: str) -> list[str]:
    """Give the command's arguments."""
    return [
        *("judge", "--lake", str(lake), "--baseline", f"service.version={BASELINE}"),
        *("--canary", f"service.version=1.4.2-{fault}", "--no-why", *TOLERANCES),
        *("--format", "json"),
    ]


def by_metric(told: dict[str, Any], operation: str) -> dict[str, dict[str, Any]]:
    """Give an operation's checks."""
    return {each["metric"]: each for each in told["checks"] if each["operation"] == operation}


@pytest.mark.parametrize("fault", EXPECTED)
def test_the_verdict_is_right_and_names_what_is_wrong(released: Released, fault: str) -> None:
    answer, status = released.answers[fault]
    told = json.loads(answer)
    verdict, failing, sound = EXPECTED[fault]
    assert (told["verdict"], status) == (verdict, 1 if verdict == "fail" else 0), answer.decode()
    checks = by_metric(told, "POST /checkout")
    assert {metric for metric in failing if checks[metric]["verdict"] != "fail"} == set()
    assert {metric for metric in sound if checks[metric]["verdict"] == "fail"} == set()
    # All that fails is of the operation that is worse, and the other one is said to be sound.
    failed = {each["operation"] for each in told["checks"] if each["verdict"] == "fail"}
    assert failed <= {"POST /checkout", ""}
    cart = by_metric(told, "GET /cart")
    assert {cart[metric]["verdict"] for metric in ("p50", "p95", "error_ratio")} == {"pass"}


def test_every_request_counts_once_on_its_side(released: Released) -> None:
    landed = rows(released.lake, "span_id")
    assert len(landed) == released.spans
    assert len({row["span_id"] for row in landed}) == released.spans
    split = released.split
    seen = by_metric(json.loads(released.answers["none"][0]), "POST /checkout")["p50"]
    assert seen["canary_requests"] == split.checkouts
    more = (1 - split.canary_share) / split.canary_share
    assert seen["baseline_requests"] == round(split.checkouts * more)


def test_another_process_answers_the_same_byte_by_byte(released: Released) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli.main", *asked(released.lake, "slow-tail")],
        capture_output=True,
        env=environment(),
        check=False,
    )
    assert (done.stdout, done.returncode) == released.answers["slow-tail"], done.stderr.decode()
