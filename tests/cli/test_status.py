"""A running receiver tells how it is: ``tailgate status``, /metrics, /healthz, /readyz, its log."""

import http.client
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.otlp.signals import SIGNALS, TRACES
from tests.conformance.running import COMMAND, Running, plain_environment, running
from tests.conformance.senders import OK, export, post
from tests.conformance.telemetry_requests import TABLE, fresh, request
from tests.otlp.receivers import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "served", arguments=("--log-format", "json")) as started:
        yield started


def status(lake: Path, *options: str, expected: int = 0) -> str:
    """Run ``tailgate status`` and give what it says."""
    done = subprocess.run(
        [*COMMAND, "status", "--lake", str(lake), *options],
        capture_output=True,
        text=True,
        env=plain_environment(),
        check=False,
    )
    assert done.returncode == expected, done.stderr
    return done.stdout


def told(lake: Path, expected: int = 0) -> dict[str, Any]:
    """Give what ``tailgate status --json`` says of the one journal there is."""
    (found,) = json.loads(status(lake, "--json", expected=expected))
    return dict(found)


def get(served: Running, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", served.http_port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def metrics(served: Running) -> dict[str, float]:
    """Give what a scrape finds: a number a series, named as Prometheus' text has it."""
    found, text = get(served, "/metrics")
    assert found == 200
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def send_some(served: Running) -> None:
    """Send five spans that are good and two that are not, one request again, and one bad."""
    payload = request(TRACES, fresh("status"), good=5, bad=2)
    for _ in range(2):
        assert export(served, TRACES, payload).code is OK
    assert post(served, TRACES, b"\xff").status == 400


def test_status_of_a_running_receiver_tells_where_it_listens_and_what_it_took(
    served: Running,
) -> None:
    send_some(served)

    def counted() -> dict[str, Any]:
        now = told(served.lake)
        return now if now.get("landed_spans") and now.get("tailgate_requests_repeated") else {}

    now = wait_until(counted, "the figures to be left")
    expected = {
        "name": "default",
        "state": "running",
        "grpc": f"127.0.0.1:{served.grpc_port}",
        "http": f"127.0.0.1:{served.http_port}",
        "landed_spans": 5,
        "quarantined": 0,
        "tailgate_requests_received": 3,
        "tailgate_requests_refused": 1,
        "tailgate_requests_repeated": 1,
        "tailgate_items_rejected": 4,
    }
    assert {name: now.get(name) for name in expected} == expected
    assert 0 <= now["told_seconds_ago"] < PATIENCE_SECONDS
    assert "running" in status(served.lake)


def test_status_of_a_stopped_receiver_says_so_and_is_no_error(served: Running) -> None:
    send_some(served)
    assert served.stop() == 0
    now = told(served.lake)
    assert (now["state"], now["backlog_bytes"], now["landed_spans"]) == ("stopped", 0, 5)


def test_status_is_1_when_a_killed_receiver_left_requests(tmp_path: Path) -> None:
    with running(tmp_path / "served", {"journal": {"segment_seconds": 3600}}) as served:
        assert export(served, TRACES, request(TRACES, fresh(), 5)).code is OK
        assert told(served.lake)["state"] == "running"
        served.kill()
        now = told(served.lake, expected=1)
        assert now["state"] == "stopped"
        assert now["backlog_bytes"] > 0
        assert "stopped" in status(served.lake, expected=1)


def test_status_without_a_receiver_says_how_to_start_one(tmp_path: Path) -> None:
    assert status(tmp_path / "missing", expected=2) == ""
    with running(tmp_path / "served") as served:
        assert served.stop() == 0
    assert "stopped" in status(served.lake)


def test_a_scrape_counts_requests_and_items_by_signal(served: Running) -> None:
    assert metrics(served).get('tailgate_items_acknowledged_total{signal="traces"}', 0) == 0
    send_some(served)
    for signal in SIGNALS:
        assert export(served, signal, request(signal, fresh("scrape"), 3)).code is OK
    found = metrics(served)
    for signal in SIGNALS:
        named = f'signal="{signal.name}"'
        sent = 3 if signal is TRACES else 1
        counted = f'tailgate_requests_received_total{{{named},transport="grpc"}}'
        assert found[counted] == sent
    # A repeat is acknowledged as well, and counted as one.
    assert found['tailgate_items_acknowledged_total{signal="traces"}'] == 5 + 5 + 3
    assert found['tailgate_requests_received_total{signal="traces",transport="http"}'] == 1
    assert found['tailgate_requests_repeated_total{signal="traces"}'] == 1
    assert found['tailgate_requests_refused_total{reason="BadRequest",signal="traces"}'] == 1
    reason = 'reason="trace_id is not 16 bytes or all zero",signal="traces"'
    assert found[f"tailgate_items_rejected_total{{{reason}}}"] == 4
    assert found["tailgate_journal_sync_seconds_count"] >= 5


def test_a_scrape_tells_what_has_landed(served: Running) -> None:
    service = fresh("scrape")
    for signal in SIGNALS:
        assert export(served, signal, request(signal, service, 2)).code is OK
        served.landed(TABLE[signal.name], service, 2)

    def landed() -> dict[str, float]:
        found = metrics(served)
        return found if found.get('tailgate_rows_landed_total{table="profiles"}') else {}

    found = wait_until(landed, "landing to leave its figures")
    for name in ("spans", "metrics", "logs", "profiles"):
        assert found[f'tailgate_rows_landed_total{{table="{name}"}}'] == 2
    assert found["tailgate_landing_lag_seconds"] >= 0
    assert found["tailgate_journal_backlog_bytes"] >= 0


def test_healthz_and_readyz_answer_while_it_runs(served: Running) -> None:
    assert get(served, "/healthz") == (200, "ok\n")
    assert get(served, "/readyz") == (200, "ready\n")


def test_every_line_of_the_log_is_json_when_that_is_asked_for(served: Running) -> None:
    send_some(served)
    assert served.stop() == 0
    ours = [line for line in served.said().splitlines() if not line.startswith("tailgate: ")]
    lines = [json.loads(line) for line in ours]
    assert lines
    for line in lines:
        assert line.keys() >= {"time", "severity", "logger", "message", "process"}
    assert any(line["message"].startswith("stopped after ") for line in lines)
