"""Traces, metrics and logs of real senders, by every protocol, are what SQL gives back."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.schema import LOGS, METRICS, SPANS
from tests.e2e.serving import (
    Sent,
    Served,
    assert_sql_gives_back,
    expected_rows,
    forwarding,
    sent_by,
    served,
)

pytestmark = pytest.mark.slow

SENDER = str(Path(__file__).with_name("send_signals.py"))

KINDS = {"gauge", "sum", "histogram", "exponential_histogram"}


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Served]:
    """Give a receiver, started as people start it."""
    with served(tmp_path) as started:
        yield started


def send_python(port: int, protocol: str, compression: str = "none") -> Sent:
    return sent_by([sys.executable, SENDER, str(port), protocol, compression])


def send_javascript(folder: Path, port: int, protocol: str, compression: str = "none") -> Sent:
    return sent_by(["node", "signals.mjs", str(port), protocol, compression], folder)


def assert_all_is_there(receiver: Served, sent: Sent) -> None:
    requests = Counter(signal for signal, _ in sent)
    assert min(requests[signal] for signal in ("traces", "metrics", "logs")) >= 2
    for signal in requests:
        assert_sql_gives_back(receiver, signal, expected_rows(signal, sent))


@pytest.mark.parametrize(
    ("protocol", "compression"),
    [("grpc", "none"), ("grpc", "gzip"), ("http", "none"), ("http", "gzip")],
)
def test_what_the_python_sdk_sends_is_what_sql_gives(
    receiver: Served, protocol: str, compression: str
) -> None:
    assert_all_is_there(receiver, send_python(receiver.ports[protocol], protocol, compression))
    kinds = receiver.ask(METRICS, "SELECT metric_type, count(*) AS n FROM metrics GROUP BY ALL")
    assert {row["metric_type"] for row in kinds} == KINDS
    assert receiver.stop() == 0


@pytest.mark.parametrize("protocol", ["grpc", "http", "proto"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_what_the_javascript_sdk_sends_is_what_sql_gives(
    receiver: Served, javascript: Path, protocol: str, compression: str
) -> None:
    port = receiver.ports["grpc" if protocol == "grpc" else "http"]
    assert_all_is_there(receiver, send_javascript(javascript, port, protocol, compression))
    kinds = receiver.ask(METRICS, "SELECT DISTINCT metric_type FROM metrics")
    assert {row["metric_type"] for row in kinds} == KINDS
    bodies = receiver.ask(LOGS, "SELECT body_type, count(*) AS n FROM logs GROUP BY ALL ORDER BY 1")
    assert bodies == [
        {"body_type": "bytes", "n": 24},
        {"body_type": "json", "n": 12},
        {"body_type": "string", "n": 12},
    ]


def test_numbers_of_a_run_are_those_that_were_recorded(receiver: Served) -> None:
    assert_all_is_there(receiver, send_python(receiver.ports["grpc"], "grpc"))
    orders = """
        SELECT is_monotonic, aggregation_temporality, max(value_int) AS orders
        FROM metrics WHERE name = 'orders'
        GROUP BY is_monotonic, aggregation_temporality, series_id ORDER BY orders
    """
    # 24 requests, half of them on each route, a third of those retries.
    cumulative = {"is_monotonic": True, "aggregation_temporality": 2}
    assert receiver.ask(METRICS, orders) == [
        cumulative | {"orders": number} for number in (4, 4, 8, 8)
    ]
    delta = """
        SELECT aggregation_temporality, sum(count) AS requests, sum(sum) AS ms
        FROM metrics WHERE name = 'rpc.server.duration' GROUP BY ALL
    """
    assert receiver.ask(METRICS, delta) == [
        {"aggregation_temporality": 1, "requests": 24, "ms": 132.0}
    ]
    # What a view leaves out of a series stands in its exemplars.
    exemplars = """
        SELECT DISTINCT exemplar.trace_id, exemplar.attributes['user'] IS NOT NULL AS has_user
        FROM (SELECT unnest(exemplars) AS exemplar FROM metrics WHERE name LIKE 'http.server%')
    """
    found = receiver.ask(METRICS, exemplars)
    assert len(found) >= 2
    assert all(row["has_user"] for row in found)
    traces = {row["trace_id"] for row in receiver.ask(SPANS, "SELECT trace_id FROM spans")}
    assert {row["trace_id"] for row in found} <= traces
    linked = """
        SELECT severity_number, severity_text, exception_type, count(*) AS n,
            count(DISTINCT trace_id) AS traces
        FROM logs GROUP BY ALL ORDER BY n
    """
    assert receiver.ask(LOGS, linked) == [
        {
            "severity_number": 17,
            "severity_text": "ERROR",
            "exception_type": "KeyError",
            "n": 6,
            "traces": 6,
        },
        {
            "severity_number": 13,
            "severity_text": "WARN",
            "exception_type": None,
            "n": 24,
            "traces": 24,
        },
    ]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_what_an_agent_forwards_is_what_was_sent_to_it(
    receiver: Served, tmp_path: Path, protocol: str
) -> None:
    with forwarding(tmp_path, receiver.ports["grpc"]) as ports:
        sent = send_python(ports[protocol], protocol)
        assert_all_is_there(receiver, sent)
