"""Real senders: every field that an OpenTelemetry SDK sends is what SQL gives back."""

import base64
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.lake import open_lake, take_snapshot
from pipeline.lake.catalog import define_snapshot, session
from pipeline.schema import SPANS
from tests.otlp import oracle
from tests.otlp.receivers import ROOT, Receiver, environment

pytestmark = pytest.mark.slow

SENDER = Path(__file__).with_name("send_spans.py")
MOST_ATTRIBUTES = 100_000


def sent_by(process: "subprocess.Popen[bytes]") -> list[bytes]:
    """Wait for a sender and give the requests that it says it made."""
    told, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return [base64.b64decode(line) for line in told.split()]


def ask(receiver: Receiver, sql: str) -> list[dict[str, Any]]:
    """Ask the lake in SQL."""
    with session() as connection:
        define_snapshot(connection, take_snapshot(open_lake(receiver.lake), SPANS))
        rows: list[dict[str, Any]] = pa.table(connection.sql(sql)).to_pylist()
        return rows


def assert_sql_gives_back(receiver: Receiver, requests: list[bytes]) -> None:
    """Compare every column but when and as what the request came."""
    ids = [
        span.span_id.hex()
        for request in requests
        for resource in ExportTraceServiceRequest.FromString(request).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert receiver.landed(ids) == Counter(ids)
    got = {row["span_id"]: row for row in ask(receiver, "SELECT * FROM spans")}
    unknown = [bytes(16)] * len(requests)
    times = [row["ingest_time_unix_nano"] for row in got.values()][:1] * len(requests)
    for wanted in oracle.rows(requests, unknown, times, MOST_ATTRIBUTES):
        row = got[wanted["span_id"]]
        for name, value in wanted.items():
            if not name.startswith("ingest_"):
                assert row[name] == value, name


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_what_three_python_processes_send_is_what_sql_gives(
    receiver: Receiver, compression: str
) -> None:
    arguments = [sys.executable, str(SENDER), str(receiver.port), compression, "60"]
    senders = [
        subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment(), cwd=ROOT)
        for _ in range(3)
    ]
    requests = [request for sender in senders for request in sent_by(sender)]
    assert len(requests) >= 9
    assert_sql_gives_back(receiver, requests)
    counted = "SELECT name, kind, status_code, error_type, count(*) n FROM spans GROUP BY ALL"
    assert sorted(ask(receiver, counted), key=lambda row: row["name"]) == [
        {"name": "GET /cart", "kind": 2, "status_code": 1, "error_type": None, "n": 180},
        {"name": "SELECT", "kind": 3, "status_code": 2, "error_type": "KeyError", "n": 180},
    ]
    shared = """
        SELECT DISTINCT service_name, service_version, service_instance_id, deployment_environment,
            scope_name, scope_version, http_request_method, http_response_status_code,
            sampling_weight, attributes['tags'] AS tags, attributes['large'] AS large
        FROM spans WHERE kind = 2
    """
    assert ask(receiver, shared) == [
        {
            "service_name": "cart-py",
            "service_version": "2.0.1",
            "service_instance_id": "cart-py-1",
            "deployment_environment": "test",
            "scope_name": "cart",
            "scope_version": "0.3.0",
            "http_request_method": "GET",
            "http_response_status_code": 503,
            "sampling_weight": 2.0,
            "tags": '["a","é"]',
            "large": "9223372036854775807",
        }
    ]


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_what_a_javascript_process_sends_is_what_sql_gives(
    receiver: Receiver, javascript: Path, compression: str
) -> None:
    arguments = ["node", "send.mjs", str(receiver.port), compression, "60"]
    sender = subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=javascript)
    requests = sent_by(sender)
    assert len(requests) >= 3
    assert_sql_gives_back(receiver, requests)
    shared = """
        SELECT DISTINCT service_name, service_instance_id, deployment_environment, scope_schema_url,
            http_route, http_response_status_code, trace_id, parent_span_id, trace_state,
            attributes['sizes'] AS sizes, len(links) AS links
        FROM spans WHERE kind = 2
    """
    assert ask(receiver, shared) == [
        {
            "service_name": "cart-js",
            "service_instance_id": "cart-js-1",
            "deployment_environment": "test",
            "scope_schema_url": "https://example.com/schema",
            "http_route": "/cart/{id}",
            "http_response_status_code": 503,
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "parent_span_id": "b7ad6b7169203331",
            "trace_state": "ot=th:8,vendor=1",
            "sizes": "[1,2.5]",
            "links": 1,
        }
    ]
    errors = "SELECT DISTINCT error_type, db_system, status_message FROM spans WHERE kind = 3"
    assert ask(receiver, errors) == [
        {"error_type": "TypeError", "db_system": "postgresql", "status_message": "no cart"}
    ]
