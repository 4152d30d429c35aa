"""The recorded sample gives the same rows imported as received."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from collectors.otlp.replay import read_requests, send
from pipeline.assets import sample_dir
from pipeline.lake import Lake, open_lake
from pipeline.lake.query import ask
from tests.importing import otlp_files as files

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0

# Order does not matter, and when the rows came does not either.
DIGEST = """
SELECT
  count(*) AS rows,
  sum(hash(spans)::HUGEINT)::VARCHAR AS total,
  bit_xor(hash(spans))::VARCHAR AS mixed
FROM (SELECT * EXCLUDE (ingest_time_unix_nano) FROM spans) AS spans
"""


def digest(lake: Lake) -> dict[str, Any]:
    """Count and digest all spans."""
    with ask(lake, DIGEST) as answer:
        (row,) = [row for batch in answer.batches for row in batch.to_pylist()]
    return dict(row)


def received(folder: Path, requests: list[bytes]) -> Lake:
    """Send requests to a receiver and let it land them all."""
    ready = folder / "ready.json"
    arguments = [
        "--lake",
        str(folder / "received"),
        "--grpc-port",
        "0",
        "--http-port",
        "0",
        "--no-upkeep",
    ]
    arguments += ["--ready-file", str(ready)]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pipeline.cli.main",
            "serve",
            *arguments,
            "--ready-file",
            str(ready),
        ],
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TAILGATE_RECEIVER_HTTP_PORT": "0"},
        cwd=folder,
    )
    try:
        ends = time.monotonic() + PATIENCE_SECONDS
        while not ready.exists():
            assert process.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.02)
        send(f"127.0.0.1:{json.loads(ready.read_text())['grpc_port']}", requests)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, said.decode()
    finally:
        process.kill()
        process.communicate()
    return open_lake(folder / "received")


@pytest.mark.slow
def test_the_recorded_sample_gives_the_same_rows_imported_as_received(tmp_path: Path) -> None:
    recorded = sorted((sample_dir() / "otlp").glob("*.otlp.gz"))
    told = json.loads((sample_dir() / "expected.json").read_text())
    imported = open_lake(tmp_path / "imported", create=True)
    outcomes = files.run(imported, *recorded)
    assert [outcome.status for outcome in outcomes] == ["imported"] * len(recorded)
    for outcome in outcomes:
        assert outcome.sha256 == told["files"][f"otlp/{outcome.file.name}"]["sha256"]
    requests = [request for file in recorded for request in read_requests(file)]
    assert sum(outcome.messages for outcome in outcomes) == len(requests)
    lake = received(tmp_path, requests)
    assert digest(imported) == digest(lake)
    assert digest(imported)["rows"] == sum(outcome.rows["spans"] for outcome in outcomes) > 80_000
