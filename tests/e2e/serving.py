"""``tailgate serve`` as a process, a rotel agent before it, and what its lake then holds."""

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from collectors.otlp.signals import SIGNALS
from pipeline.lake import open_lake, take_snapshot
from pipeline.lake.catalog import define_snapshot, session
from pipeline.schema import Table
from tests.otlp import oracle, oracle_logs, oracle_metrics
from tests.otlp.decoding import plainly
from tests.otlp.oracle_promotion import Row
from tests.otlp.receivers import PATIENCE_SECONDS, ROOT, environment, gone, wait_until

ROTEL = "rotel==0.0.1a15"

MOST_ATTRIBUTES = 100_000

ORACLES = {"traces": oracle.rows, "metrics": oracle_metrics.rows, "logs": oracle_logs.rows}
TABLES = {signal.name: signal.tables[0] for signal in SIGNALS if signal.name in ORACLES}

# What an exporter told: the signal and the bytes of each request.
Sent = list[tuple[str, bytes]]


class Served:
    """A running ``tailgate serve``."""

    def __init__(self, folder: Path) -> None:
        self.lake = folder / "lake"
        self._ready, self._log = folder / "ready.json", folder / "serve.log"
        quick = {"TAILGATE_JOURNAL_SEGMENT_SECONDS": "0.05"}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "pipeline.cli.main", "serve", "--no-upkeep"),
                    *("--lake", str(self.lake), "--ready-file", str(self._ready)),
                    *("--grpc-port", "0", "--http-port", "0"),
                ],
                stderr=log,
                env=environment() | quick,
                cwd=folder,
            )

    def wait_until_ready(self) -> "Served":
        """Wait for requests to be welcome."""
        wait_until(lambda: self._ready.exists() or self.process.poll() is not None, "the receiver")
        assert self.process.poll() is None, self._log.read_text()[-3000:]
        told = json.loads(self._ready.read_text())
        self.landing_pid = told["landing_pid"]
        self.ports = {"grpc": told["grpc_port"], "http": told["http_port"]}
        return self

    def stop(self) -> int:
        """Stop as Ctrl-C does and give the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_SECONDS)

    def end(self) -> None:
        """Make sure that nothing of it is left."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if hasattr(self, "landing_pid"):
            wait_until(lambda: gone(self.landing_pid), "landing to end")

    def ask(self, table: Table, sql: str) -> list[Row]:
        """Ask the lake in SQL."""
        with session() as connection:
            define_snapshot(connection, take_snapshot(open_lake(self.lake), table))
            found: list[Row] = pa.table(connection.sql(sql)).to_pylist()
            return found


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Give a receiver that is gone afterwards."""
    started = Served(folder)
    try:
        yield started.wait_until_ready()
    finally:
        started.end()


def sent_by(arguments: Sequence[str], folder: Path = ROOT) -> Sent:
    """Run a sender and give the requests that it says it made."""
    made = subprocess.run(
        arguments, stdout=subprocess.PIPE, env=environment(), cwd=folder, timeout=120, check=True
    )
    told = (line.split() for line in made.stdout.decode().splitlines())
    return [(signal, base64.b64decode(content)) for signal, content in told]


def expected_rows(signal: str, sent: Sent) -> list[Row]:
    """Give the rows that requests must become, but for when and as what they came."""
    requests = [content for name, content in sent if name == signal]
    times = [1] * len(requests)
    ids = [bytes(16)] * len(requests)
    rows = ORACLES[signal](requests, ids, times, MOST_ATTRIBUTES)
    unknown = ("ingest_batch_id", "ingest_time_unix_nano", "date")
    return [{name: row[name] for name in row if name not in unknown} for row in rows]


def assert_sql_gives_back(receiver: Served, signal: str, expected: list[Row]) -> list[Row]:
    """Wait for rows to land, find each of those expected among them, and give them."""
    table = TABLES[signal]

    def landed() -> list[Row]:
        every = receiver.ask(table, f"SELECT * FROM {table.name}")
        return every if len(every) >= len(expected) else []

    got = wait_until(landed, f"{len(expected)} rows of {signal}")
    left: list[Any] = [plainly(row) for row in got]
    for row in expected:
        wanted = plainly(row)
        place = next((at for at, one in enumerate(left) if agree(wanted, one)), None)
        assert place is not None, nearest(wanted, left)
        del left[place]
    assert left == []
    return list(got)


def agree(wanted: Row, row: Row) -> bool:
    return all(wanted[name] == row[name] for name in wanted)


def nearest(wanted: Row, rows: Sequence[Row]) -> str:
    """Say in what the row that comes nearest differs."""
    differences = [
        {name: (wanted[name], row[name]) for name in wanted if wanted[name] != row[name]}
        for row in rows
    ]
    least = min(differences, key=len, default={})
    return f"{wanted} is missing; the nearest differs in (wanted, got): {least}"


@contextlib.contextmanager
def forwarding(folder: Path, target: int) -> Iterator[dict[str, int]]:
    """Run a rotel agent that forwards to a gRPC port; give its own ports."""
    agent = installed_rotel()
    ports = dict(zip(("grpc", "http"), free_ports(2), strict=True))
    arguments = [
        *(str(agent), "start", "--pid-file", str(folder / "rotel.pid")),
        *("--otlp-grpc-endpoint", f"127.0.0.1:{ports['grpc']}"),
        *("--otlp-http-endpoint", f"127.0.0.1:{ports['http']}"),
        *("--exporter", "otlp", "--otlp-exporter-endpoint", f"http://127.0.0.1:{target}"),
    ]
    with (folder / "rotel.log").open("wb") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log, cwd=folder)
    try:
        for port in ports.values():
            wait_until(lambda at=port: process.poll() is not None or is_open(at), "rotel")  # type: ignore[misc]
        assert process.poll() is None, (folder / "rotel.log").read_text()[-3000:]
        yield ports
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_ports(count: int) -> list[int]:
    """Give ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


def is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def installed_rotel() -> Path:
    """Give the agent, installed outside the repository and kept; skips, with the reason, without.

    Installed whole or not at all.
    """
    folder = Path(tempfile.gettempdir()) / f"tailgate-{ROTEL.replace('==', '-')}-{os.getuid()}"
    if not folder.exists():
        partial = Path(tempfile.mkdtemp(prefix=folder.name))
        pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet"]
        made = subprocess.run(
            [*pip, "--retries=0", "--target", str(partial), ROTEL],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if made.returncode:
            shutil.rmtree(partial)
            pytest.skip(f"pip cannot install {ROTEL} here: {made.stderr.strip()[-300:]}")
        try:
            partial.rename(folder)
        except OSError:  # another run was first
            shutil.rmtree(partial)
    return folder / "rotel" / "rotel-agent"
