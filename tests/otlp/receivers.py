"""A receiver as a process under test: started, asked, waited for, ended."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pyarrow.parquet as pq
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from pipeline.lake import open_lake, take_snapshot
from pipeline.schema import SPANS

ROOT = Path(__file__).parents[2]
RUNNER = Path(__file__).with_name("run_receiver.py")
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

# How long a loaded machine may take for what takes a second on a quiet one.
PATIENCE_SECONDS = 60.0


def wait_until(met: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait for something to become true and give it."""
    ends = time.monotonic() + seconds
    while not (found := met()):
        assert time.monotonic() < ends, f"waited {seconds} s for {what}"
        time.sleep(0.02)
    return found


def environment() -> dict[str, str]:
    """Give the environment in which the project can be imported."""
    return os.environ | {"PYTHONPATH": str(ROOT)}


def rows(lake: Path, *columns: str) -> list[dict[str, Any]]:
    """Read the spans of a lake's latest version."""
    files = take_snapshot(open_lake(lake), SPANS).files
    found: list[dict[str, Any]] = []
    for file in files:
        found += pq.ParquetFile(file.path).read(columns=list(columns) or None).to_pylist()
    return found


def span_ids(lake: Path) -> Counter[str]:
    """Count the spans of a lake by id."""
    return Counter(row["span_id"] for row in rows(lake, "span_id"))


@dataclass
class Answer:
    """What a sender is told.

    Attributes:
        code: the status.
        message: its text.
        rejected: spans rejected by a partial success.
        partial_message: why.
        details: what stands in the status' details.
    """

    code: grpc.StatusCode
    message: str = ""
    rejected: int = 0
    partial_message: str = ""
    details: list[Message] = field(default_factory=list)

    @property
    def retry_seconds(self) -> float | None:
        """Give when to send again; None where that is not told."""
        for detail in self.details:
            if isinstance(detail, error_details_pb2.RetryInfo):
                return float(detail.retry_delay.ToTimedelta().total_seconds())
        return None


class Sender:
    """A client that sends bytes as they are."""

    def __init__(self, port: int) -> None:
        options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=options)
        self._export = self.channel.unary_unary(EXPORT)

    def begin(self, payload: bytes, compression: grpc.Compression | None = None) -> Any:
        """Send without waiting."""
        return self._export.future(payload, timeout=PATIENCE_SECONDS, compression=compression)

    def send(self, payload: bytes, compression: grpc.Compression | None = None) -> Answer:
        """Send and wait for the answer."""
        return answer(self.begin(payload, compression))

    def deliver(self, payload: bytes) -> Answer:
        """Send as an exporter does: again, while it is told to."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while (told := self.send(payload)).code == grpc.StatusCode.UNAVAILABLE:
            assert time.monotonic() < ends, told
            time.sleep(0.05)
        return told


def answer(call: Any) -> Answer:
    """Read what a call was answered."""
    try:
        response = ExportTraceServiceResponse.FromString(call.result())
    except grpc.RpcError:
        return Answer(call.code(), call.details() or "", details=list(_details(call)))
    partial = response.partial_success
    assert response.HasField("partial_success") == bool(partial.error_message)
    return Answer(
        grpc.StatusCode.OK, rejected=partial.rejected_spans, partial_message=partial.error_message
    )


def _details(call: Any) -> Iterator[Message]:
    for key, packed in call.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(packed)
            assert status.code == call.code().value[0]
            for detail in status.details:
                for kind in (error_details_pb2.RetryInfo, error_details_pb2.BadRequest):
                    found = kind()
                    if detail.Unpack(found):
                        yield found


class Receiver:
    """A receiver's process."""

    def __init__(self, lake: Path, journal: str, sections: dict[str, Any]) -> None:
        self.lake = lake
        self.journal = lake / "_journal" / journal
        self.log = lake.with_name(f"{lake.name}.{journal}.log")
        arguments = [sys.executable, str(RUNNER), str(lake), journal, json.dumps(sections)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                arguments, stdout=subprocess.PIPE, stderr=log, env=environment(), cwd=ROOT
            )
        self.port = 0
        self.landing_pid = 0
        self.sender: Sender

    def wait_until_ready(self) -> "Receiver":
        """Wait for requests to be welcome."""
        assert self.process.stdout
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_SECONDS)
        line = self.process.stdout.readline() if ready else b""
        assert line, f"not ready: {self.log.read_text()[-3000:]}"
        told = json.loads(line)
        self.port, self.landing_pid = told["grpc_port"], told["landing_pid"]
        self.sender = Sender(self.port)
        return self

    def send(self, payload: bytes, compression: grpc.Compression | None = None) -> Answer:
        """Send a request."""
        return self.sender.send(payload, compression)

    def accept(self, *payloads: bytes) -> None:
        """Send requests that must be taken whole."""
        for payload in payloads:
            told = self.send(payload)
            assert told == Answer(grpc.StatusCode.OK), told

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop and wait for that; give the exit status."""
        if self.port:
            self.sender.channel.close()
        self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE_SECONDS)
        finally:
            self.end()

    def kill(self) -> None:
        """End it without a word."""
        if self.port:
            self.sender.channel.close()
        self.process.kill()
        self.end()

    def end(self) -> None:
        """Make sure that nothing of it is left; its landing ends when its input does."""
        if self.landing_pid:
            # A test that failed may have left it stopped, and then it could not end.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.landing_pid, signal.SIGCONT)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def landed(self, expected: Sequence[str]) -> Counter[str]:
        """Wait until these spans are in the lake, and give all that are, by id."""
        wanted = set(expected)
        wait_until(lambda: wanted <= span_ids(self.lake).keys(), "spans to land")
        return span_ids(self.lake)

    def said(self, text: str) -> bool:
        """Tell whether its log holds a text."""
        return text in self.log.read_text(encoding="utf-8")


def gone(pid: int) -> bool:
    """Tell whether a process is no more."""
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True
