"""The whole receiver over HTTP: JSON and protobuf land as the same rows; who may send; TLS."""

import hashlib
import http.client
import json
import select
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from collectors.otlp.signals import SIGNALS
from tests.otlp import messages
from tests.otlp.receivers import PATIENCE_SECONDS, ROOT, RUNNER, environment, rows, wait_until
from tests.otlp_http.conftest import Serve
from tests.otlp_http.services import JSON, PROTOBUF, Reply, send
from tests.otlp_http.test_otlp_json_any import otlp_json

TRACES = SIGNALS[0]


class Process:
    """A receiver's process, as far as HTTP is concerned."""

    def __init__(self, lake: Path, limits: dict[str, Any]) -> None:
        self.lake = lake
        sections = json.dumps({"journal": {"segment_seconds": 0.05}, "receiver": limits})
        self.process = subprocess.Popen(
            [sys.executable, str(RUNNER), str(lake), "default", sections],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            cwd=ROOT,
        )
        assert self.process.stdout
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_SECONDS)
        line = self.process.stdout.readline() if ready else b""
        assert line, "not ready"
        self.port = json.loads(line)["http_port"]

    def post(self, path: str, body: bytes, kind: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            return send(connection, path, body, kind)
        finally:
            connection.close()

    def stop(self) -> tuple[int, str]:
        """Ask it to end; give the exit status and what it logged."""
        self.process.send_signal(signal.SIGTERM)
        _, log = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, log.decode()


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    started = Process(tmp_path / "lake", {})
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.communicate()


@pytest.mark.slow
def test_33_rows_from_json_equal_rows_from_protobuf(process: Process) -> None:
    given: dict[str, messages.Value] = {
        "http.route": "/cart",
        "http.response.status_code": 200,
        "ratio": 0.5,
        "ok": True,
    }
    plain = messages.request([messages.span(1, given=given)])
    request = TRACES.request.FromString(plain)
    request.resource_spans[0].scope_spans[0].spans[0].span_id = bytes(7) + b"\x02"
    assert process.post("/v1/traces", plain, PROTOBUF).status == 200
    assert process.post("/v1/traces", otlp_json(request), JSON).status == 200
    wait_until(lambda: len(rows(process.lake)) == 2, "spans to land")
    first, second = sorted(rows(process.lake), key=lambda row: str(row["span_id"]))
    differ = {key for key in first if first[key] != second[key]}
    assert differ <= {"span_id", "ingest_batch_id", "ingest_time_unix_nano"}
    assert second["span_id"] == "0" * 15 + "2"
    status, log = process.stop()
    assert status == 0
    assert "Traceback" not in log


@pytest.mark.slow
def test_a_taken_http_port_ends_the_receiver_with_the_way_out(process: Process) -> None:
    sections = json.dumps({"receiver": {"http_port": process.port}})
    second = subprocess.run(
        [sys.executable, str(RUNNER), str(process.lake), "other", sections],
        capture_output=True,
        env=environment(),
        cwd=ROOT,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert second.returncode == 2
    told = second.stderr.decode()
    assert f"CannotListen: 127.0.0.1:{process.port}: cannot listen there" in told
    assert "--http-port" in told
    assert "Traceback" not in told


def test_50_a_sender_that_is_not_known_is_401_before_its_body_is_read(
    serve: Serve, tmp_path: Path
) -> None:
    tokens = tmp_path / "tokens.toml"
    digest = hashlib.sha256(b"secret").hexdigest()
    tokens.write_text(f'[[token]]\nname = "team"\nsha256 = "{digest}"\n')
    service = serve(tokens_file=str(tokens))
    for kind in (PROTOBUF, JSON):
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            reply = service.post("/v1/traces", b"x" * 100_000, kind, **headers)
            status, _ = reply.refusal()
            assert (reply.status, reply.kind, status.code) == (401, kind, 16)
            assert reply.headers["WWW-Authenticate"] == "Bearer"
    payload = messages.numbered(1, 1)
    assert service.post("/v1/traces", payload, Authorization="Bearer secret").status == 200
    text = json_format.MessageToDict(TRACES.request())
    assert service.post("/v1/traces", json.dumps(text).encode(), JSON).status == 401
    assert len(service.journaled()) == 1


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate")
def test_50_with_a_certificate_requests_come_over_tls_alone(serve: Serve, tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    made = ["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"]
    made += ["-pkeyopt", "ec_paramgen_curve:prime256v1"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *made, *names, *files], check=True, capture_output=True)
    service = serve(tls_cert=str(certificate), tls_key=str(key))
    context = ssl.create_default_context(cafile=str(certificate))
    connection = http.client.HTTPSConnection("127.0.0.1", service.port, context=context)
    payload = messages.numbered(1, 1)
    assert send(connection, "/v1/traces", payload).status == 200
    assert send(connection, "/v1/traces", bytes(100_000_000)).status == 413
    connection.close()
    with pytest.raises((http.client.HTTPException, OSError)):
        service.post("/v1/traces", payload)
    assert [frame.payload for frame in service.journaled()] == [payload]
