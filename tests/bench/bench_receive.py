"""Receiving and landing: acknowledged against a bare server, landed against upb and rotel."""

import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from load import Requests, drive
from measure import Measure
from pipeline.lake import open_lake, take_snapshot
from pipeline.schema import SPANS
from processes import Memory, bare_server, receiver, stopped

MIB = 1 << 20
SECONDS = 30.0
ROTEL = "rotel==0.0.1a15"


def main() -> list[Measure]:
    """Measure for small and large requests."""
    measures = []
    for spans in (512, 8192):
        measures += acknowledged(spans)
        measures += landed(spans)
    return measures


def acknowledged(spans: int) -> list[Measure]:
    """Measure durable acknowledgements against a bare server on the same bytes."""
    requests = Requests(spans)
    # Made before, so that the client's own work is the same small share in all.
    made = [requests.next() for _ in range(max(4, 65_536 // spans))]
    numbers = itertools.count()

    def make() -> bytes:
        """Make a request unlike all before it, by a field that readers skip."""
        number = next(numbers)
        return made[number % len(made)] + b"\xc2\x3e\x08" + number.to_bytes(8, "big")

    rates = {}
    for kind in ("echo", "sink"):
        with bare_server(kind) as port:
            drive(port, make, spans, 1.0)
            rates[kind] = drive(port, make, spans, 5.0).rate
    with (
        tempfile.TemporaryDirectory() as folder,
        receiver(Path(folder) / "lake", upkeep=False) as (port, process),
    ):
        drive(port, make, spans, 1.0)
        # Landing would share the cores: it waits, so that acknowledging alone is measured.
        (landing,) = process.children()
        landing.suspend()
        own = drive(port, make, spans, 4.0).rate
        landing.resume()
    name = f"acknowledged, durable, {spans} spans a request"
    return [
        Measure(name, own, "spans/s", "bare grpc.aio echo", own / rates["echo"], 0.5, "ratio"),
        Measure(name, own, "spans/s", "bare grpc.aio that drops", own / rates["sink"]),
    ]


def landed(spans: int) -> list[Measure]:
    """Measure what lands while a sender on the same cores sends as fast as it is taken."""
    requests = Requests(spans)
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake"
        with receiver(lake) as (port, process), Memory(process) as memory:
            started = time.monotonic()
            sent = drive(port, requests.next, spans, SECONDS)
            opened = open_lake(lake)
            while take_snapshot(opened, SPANS).rows < sent.spans:
                assert time.monotonic() - started < 10 * SECONDS, "landing does not keep up"
                time.sleep(0.1)
            seconds = time.monotonic() - started
        rate = sent.spans / seconds
    upb = _upb_rate(requests)
    name = f"landed as Parquet for {SECONDS:.0f} s, {spans} spans a request"
    early, late = memory.total(5, 15), memory.total(seconds - 10, seconds)
    measures = [
        Measure(name, rate, "spans/s", "upb parsing alone, one core", rate / upb, 200_000),
        Measure(
            "  most memory of one process",
            memory.largest_process() / MIB,
            "MiB",
            "",
            None,
            1024,
            "value",
            True,
        ),
        Measure("  memory of all, last 10 s", late / MIB, "MiB", "5 to 15 s", late / early),
    ]
    rotel = _rotel_rate(spans)
    if rotel:
        measures.append(Measure("  the same", rate, "spans/s", f"{ROTEL} to a sink", rate / rotel))
    return measures


def _upb_rate(requests: Requests) -> float:
    """Measure how many spans upb alone parses in a second."""
    made = [requests.next() for _ in range(max(4, 65_536 // requests.spans))]
    started = time.monotonic()
    rounds = 0
    while time.monotonic() - started < 3:
        for request in made:
            ExportTraceServiceRequest.FromString(request)
        rounds += 1
    return rounds * len(made) * requests.spans / (time.monotonic() - started)


def _rotel_rate(spans: int) -> float | None:
    """Measure what the rotel agent takes while it forwards to a sink; None where it is not."""
    agent = _rotel()
    if agent is None:
        return None
    requests = Requests(spans)
    with bare_server("sink") as sink, tempfile.TemporaryDirectory() as folder:
        port = 24317
        process = subprocess.Popen(
            [
                *(str(agent), "start", "--otlp-grpc-endpoint", f"127.0.0.1:{port}"),
                *("--otlp-http-endpoint", "127.0.0.1:24318", "--pid-file", f"{folder}/pid"),
                *("--otlp-grpc-max-recv-msg-size-mib", "64", "--exporter", "otlp"),
                *("--otlp-exporter-endpoint", f"http://127.0.0.1:{sink}"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with stopped(process):
            time.sleep(2)
            if process.poll() is not None:
                return None
            return drive(port, requests.next, spans, 10.0).rate


def _rotel() -> Path | None:
    """Install rotel in a folder of its own, once; None where that fails."""
    folder = Path(tempfile.gettempdir()) / f"tailgate-bench-{ROTEL}"
    found = sorted(folder.glob("lib/*/site-packages/rotel/rotel-agent"))
    if not found:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=False)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", ROTEL]
        subprocess.run(pip, check=False)
        found = sorted(folder.glob("lib/*/site-packages/rotel/rotel-agent"))
    return found[0] if found else None
