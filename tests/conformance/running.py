"""``tailgate serve`` as a process under test, with settings of its own and a lake to ask."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.lake import open_lake, take_snapshot
from pipeline.lake.catalog import connect
from pipeline.schema import Table
from tests.otlp.receivers import PATIENCE_SECONDS, ROOT, gone, wait_until

COMMAND = (sys.executable, "-m", "pipeline.cli.main")

# Quick to land, so that tests are quick.
QUICK = {"journal": {"segment_seconds": 0.05}, "receiver": {"drain_seconds": 20.0}}


def plain_environment() -> dict[str, str]:
    """Give an environment that sets nothing of ours."""
    kept = {key: text for key, text in os.environ.items() if not key.startswith("TAILGATE_")}
    return kept | {"PYTHONPATH": str(ROOT)}


class Running:
    """A receiver's process.

    Attributes:
        lake, journal, log: where it keeps what.
        grpc_port, http_port, landing_pid: what its ready file tells.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, dict[str, Any]],
        arguments: Sequence[str] = (),
        command: Sequence[str] = COMMAND,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.lake, self.log = folder / "lake", folder / "serve.log"
        self.journal = self.lake / "_journal" / "default"
        self._ready = folder / "ready.json"
        self._ready.unlink(missing_ok=True)
        self.landing_pid = 0
        # Files that hold nothing of a service: they never will.
        self._without: defaultdict[str, set[Path]] = defaultdict(set)
        given = {
            f"TAILGATE_{section}_{key}".upper(): str(value)
            for section in {*QUICK, *settings}
            for key, value in (QUICK.get(section, {}) | settings.get(section, {})).items()
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(*command, "serve", "--no-upkeep", "--lake", str(self.lake)),
                    *("--ready-file", str(self._ready), "--grpc-port", "0", "--http-port", "0"),
                    *arguments,
                ],
                stderr=log,
                env=plain_environment() | given,
                cwd=folder,
            )

    def wait_until_ready(self) -> "Running":
        """Wait for requests to be welcome."""
        wait_until(lambda: self._ready.exists() or self.process.poll() is not None, "the receiver")
        assert self.process.poll() is None, self.said()[-3000:]
        told = json.loads(self._ready.read_text())
        self.grpc_port, self.http_port = told["grpc_port"], told["http_port"]
        self.landing_pid = told["landing_pid"]
        return self

    def ask(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Ask the lake as it is now."""
        with connect(open_lake(self.lake)) as connection:
            answer = connection.execute(sql, list(values))
            names = [column[0] for column in answer.description or ()]
            return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    def rows(self, table: Table, service: str) -> list[dict[str, Any]]:
        """Give a service's rows in a table, as they are now."""
        snapshot = take_snapshot(open_lake(self.lake), table)
        files = [file.path for file in snapshot.files if file.path not in self._without[service]]
        found: list[dict[str, Any]] = []
        for file in files:
            rows = pq.read_table(
                file, filters=[("service_name", "=", service)], partitioning=None
            ).to_pylist()
            self._without[service] |= set() if rows else {file}
            found += rows
        return found

    def landed(self, table: Table, service: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until a service has so many rows in a table, and give all that it has."""

        def found() -> list[dict[str, Any]]:
            rows = self.rows(table, service)
            return rows if len(rows) >= count else []

        return wait_until(found, f"{count} rows of {service} in {table.name}")  # type: ignore[no-any-return]

    def repaired(self) -> dict[str, int]:
        """Give what landing says it repaired, by reason."""
        return self._landing("warnings")

    def _landing(self, name: str) -> dict[str, int]:
        with contextlib.suppress(OSError, ValueError):
            found: dict[str, int] = json.loads((self.journal / "landing.json").read_text())[name]
            return found
        return {}

    def said(self) -> str:
        """Give what it logged."""
        return self.log.read_text(encoding="utf-8")

    def raw(self, port: int | None = None) -> socket.socket:
        """Connect to its HTTP port, or another, without a word."""
        return socket.create_connection(("127.0.0.1", port or self.http_port), PATIENCE_SECONDS)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop and give the exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """End it without a word, and landing with it, so that nothing more happens to the disk."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.landing_pid, signal.SIGKILL)
        self.process.kill()
        self.end()

    def end(self) -> None:
        """Make sure that nothing of it is left."""
        if self.landing_pid:
            # A test that failed may have left it stopped, and then it could not end.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.landing_pid, signal.SIGCONT)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.landing_pid:
            wait_until(lambda: gone(self.landing_pid), "landing to end")


@contextlib.contextmanager
def running(
    folder: Path,
    settings: dict[str, dict[str, Any]] | None = None,
    arguments: Sequence[str] = (),
    command: Sequence[str] = COMMAND,
) -> Iterator[Running]:
    """Give a receiver that is gone afterwards."""
    started = Running(folder, settings or {}, arguments, command)
    try:
        yield started.wait_until_ready()
    finally:
        started.end()
