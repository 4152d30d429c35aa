"""Whatever is sent: every answer is one of the protocol's, nobody dies, what was taken lands.

A short campaign that is the same each time; ``make fuzz`` is the long one.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.fuzz import in_process
from tests.fuzz.campaign import Report, batches, run
from tests.fuzz.cases import load
from tests.fuzz.target import Target

pytestmark = [pytest.mark.slow]

CORPUS = Path(__file__).with_name("corpus")
SEED = 20_261_125


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Give one receiver with small limits; it must stop well after all of it."""
    started = Target(tmp_path_factory.mktemp("fuzz"))
    try:
        yield started.wait_until_ready()
        assert started.stop() == 0, started.log()
    finally:
        started.end()


def found(report: Report) -> list[str]:
    return [finding.what for finding in report.findings]


def test_what_was_found_before_is_still_right(target: Target) -> None:
    kept = [load(file) for file in sorted(CORPUS.glob("*.json"))]
    report = run(target, [kept], 60)
    assert report.sent >= 10
    assert found(report) == []


def test_spoilt_requests_of_every_signal_break_nothing(target: Target) -> None:
    report = run(target, islice(batches(SEED, 700, 8), 2), 120)
    assert found(report) == []
    # Both what is taken and what is refused was tried, over each transport.
    for answer in ("gRPC OK", "gRPC INVALID_ARGUMENT", "HTTP 200", "HTTP 400", "HTTP 413"):
        assert target.answers[answer] >= 10, target.answers
    assert sum(target.account.kept.values()) >= 400


def test_spoilt_requests_decode_to_what_was_promised(tmp_path: Path) -> None:
    tried = in_process.run(SEED, tmp_path, 8, 300)
    assert tried.found == {}
    assert tried.cases == 300
