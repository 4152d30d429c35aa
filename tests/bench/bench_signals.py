"""Landing each signal, against upb parsing alone; and JSON against protobuf over HTTP."""

import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from collectors.otlp.http_endpoints import PATHS
from collectors.otlp.http_responses import JSON, PROTOBUF
from collectors.otlp.signals import (
    LOG_RECORDS,
    METRIC_POINTS,
    PROFILE_DATA,
    TRACES,
    Signal,
)
from load import Requests, Sent, drive
from measure import Measure
from pipeline.lake import open_lake, take_snapshot
from pipeline.schema import LOGS, METRICS, PROFILE_SAMPLES, SPANS, Table
from processes import Memory, serving
from signal_load import Template, drive_http, histograms, logs, numbers, profiles
from tests.importing.otlp_files import as_json

MIB = 1 << 20
SECONDS = 15.0
PEER_SECONDS = 2.0

# What one request holds: what SDKs and the Collector send by default, and no more than 1 MiB.
POINTS, RECORDS, SAMPLES, SPANS_EACH = 2000, 1000, 5000, 512

Drive = Callable[[dict[str, int]], Sent]


def main(seconds: float = SECONDS) -> list[Measure]:
    """Measure each signal."""
    number, record = numbers(POINTS), logs(RECORDS)
    return [
        *landing("number points", METRIC_POINTS, METRICS, number, "points/s", 300_000, seconds),
        *landing(
            "histogram points", METRIC_POINTS, METRICS, histograms(500), "points/s", None, seconds
        ),
        *landing("log records", LOG_RECORDS, LOGS, record, "records/s", 150_000, seconds),
        *landing(
            "profile samples",
            PROFILE_DATA,
            PROFILE_SAMPLES,
            profiles(SAMPLES),
            "samples/s",
            None,
            seconds,
        ),
        *json_against_protobuf(seconds),
    ]


def landing(
    what: str,
    signal: Signal,
    table: Table,
    template: Template,
    unit: str,
    goal: float | None,
    seconds: float,
) -> list[Measure]:
    """Measure what lands of a signal while a sender on the same cores sends as fast as it may."""
    method = f"/{signal.service}/Export"

    def send(ports: dict[str, int]) -> Sent:
        port = ports["grpc_port"]
        return drive(port, template.next, template.items, seconds, method=method)

    rate, most_bytes = landed(send, table, template.items, rows_of(signal, table, template.first))
    upb = upb_rate(signal, template)
    return [
        Measure(
            f"landed {what} for {seconds:.0f} s, {template.items} a request",
            rate,
            unit,
            "upb parsing alone, one core",
            rate / upb,
            goal,
        ),
        Measure("  most memory of one process", most_bytes / MIB, "MiB", goal=1024, at_most=True),
    ]


def landed(send: Drive, table: Table, items: int, rows: int) -> tuple[float, int]:
    """Give how many items landed in a second, and the most memory of one process, in bytes.

    Args:
        send: sends for a while.
        table: where the items land.
        items: of a request.
        rows: that a request becomes in that table.
    """
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake"
        with serving(lake) as (ports, process), Memory(process) as memory:
            started = time.monotonic()
            sent = send(ports)
            opened = open_lake(lake)
            while take_snapshot(opened, table).rows < sent.spans // items * rows:
                assert time.monotonic() - started < 20 * sent.seconds, "landing does not keep up"
                time.sleep(0.1)
            return sent.spans / (time.monotonic() - started), memory.largest_process()


def rows_of(signal: Signal, table: Table, payload: bytes) -> int:
    """Give how many rows of a table a request becomes."""
    rows, _ = signal.decode([payload], [bytes(16)], [time.time_ns()], 1024)
    return int(rows[table.name].num_rows)


def upb_rate(signal: Signal, template: Template) -> float:
    """Measure how many items upb alone parses in a second."""
    made = [template.next() for _ in range(8)]
    started = time.monotonic()
    rounds = 0
    while time.monotonic() - started < PEER_SECONDS:
        for request in made:
            signal.request.FromString(request)
        rounds += 1
    return rounds * len(made) * template.items / (time.monotonic() - started)


def json_against_protobuf(seconds: float) -> list[Measure]:
    """Measure spans that land over HTTP in both encodings of the same requests."""
    requests = Requests(SPANS_EACH)
    made = [requests.next() for _ in range(8)]
    bodies = {PROTOBUF: made, JSON: [as_json("traces", one) for one in made]}
    # A field that readers skip makes each request another: in JSON it must change what is kept.
    marks = {PROTOBUF: _other_bytes, JSON: _other_document}
    rates = {}
    for kind, given in bodies.items():
        count = itertools.count()

        def make(
            kind: str = kind, given: list[bytes] = given, count: "itertools.count[int]" = count
        ) -> bytes:
            number = next(count)
            return marks[kind](given[number % len(given)], number)

        def send(ports: dict[str, int], kind: str = kind, make: Callable[[], bytes] = make) -> Sent:
            port = ports["http_port"]
            return drive_http(port, PATHS[TRACES.name][0], kind, make, SPANS_EACH, seconds)

        rates[kind], _ = landed(send, SPANS, SPANS_EACH, SPANS_EACH)
    name = f"landed spans over HTTP for {seconds:.0f} s, {SPANS_EACH} a request"
    return [
        Measure(f"{name}, protobuf", rates[PROTOBUF], "spans/s"),
        Measure(
            f"{name}, JSON",
            rates[JSON],
            "spans/s",
            "the same in protobuf",
            rates[JSON] / rates[PROTOBUF],
        ),
    ]


def _other_bytes(request: bytes, number: int) -> bytes:
    return request + b"\xc2\x3e\x08" + number.to_bytes(8, "big")


def _other_document(request: bytes, number: int) -> bytes:
    """Put a schema's address into the first resource; its place is the document's beginning."""
    begin = b'{"resourceSpans": [{'
    assert request.startswith(begin)
    return begin + b'"schemaUrl": "urn:%d", ' % number + request[len(begin) :]
