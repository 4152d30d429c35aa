"""Releases of the shop through the Python SDK: ``send_releases.py PORT CANARY_SHARE CHECKOUTS``.

Half an hour of a gateway's requests in a few seconds: the SDK is told when a span started and
ended, and the times are those of the shop's own model. Besides 1.4.1 there is a canary a fault,
1.4.2-FAULT, each with its share of the traffic against 1.4.1 and so many checkouts. Says ``half``
when half of the spans were acknowledged, goes on at a line from its input, says how many there were
and ends with 0 when all were acknowledged. Seeds are fixed: the same spans each time, but for ids.
"""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

sys.path.insert(0, str(Path(__file__).parents[2] / "data"))

from shop_model import (
    STEPS,
    Faults,
    checkout_error_share,
    drift_factor,
    host_factor,
    host_of,
    step_ms,
)

SEED = 7
MINUTES = 30
INSTANCES = 4
BASELINE = "1.4.1"
FAULTS: dict[str, dict[str, float]] = {
    "none": {},
    "slow-operation": {"slow-operation": 1.75},
    "slow-tail": {"slow-tail": 3.0},
    "errors": {"errors": 0.1},
}
# For so many checkouts somebody looks at a cart.
_CHECKOUTS_A_CART = 4

# 2026-03-02T12:00Z; the minutes are long over.
_START_NANO = 1_772_452_800 * 10**9
_MINUTE_NANO = 60 * 10**9

# Retries of a batch go on for so long: a receiver may be killed and come back.
_PATIENCE_S = 60
_STEPS = {step.name: step for step in STEPS}
_VISITED = {
    "POST /checkout": ("route", "check basket", "charge card", "validate"),
    "GET /cart": ("route", "validate"),
}


@dataclass(frozen=True)
class Request:
    """A request: when, where, how long and how it went."""

    start_nano: int
    duration_nano: int
    version: str
    instance: int
    operation: str
    failed: bool


def requests_of(version: str, faults: Faults, operation: str, count: int) -> Iterator[Request]:
    """Draw a version's requests of an operation, evenly over the minutes."""
    random = Random(f"{SEED}/{version}/{operation}")
    for number in range(count):
        since_nano = (number * MINUTES * _MINUTE_NANO) // count
        instance = random.randint(1, INSTANCES)
        slow = host_factor(SEED, host_of(instance)) * drift_factor(SEED, since_nano / 1e9)
        steps = [_STEPS[name] for name in _VISITED[operation]]
        took_ms = slow * math.fsum(step_ms(step, random.gauss(0, 1), faults) for step in steps)
        failed = operation == "POST /checkout" and random.random() < checkout_error_share(faults)
        start_nano = _START_NANO + since_nano
        yield Request(start_nano, int(took_ms * 1e6), version, instance, operation, failed)


def requests(canary_share: float, checkouts: int) -> list[Request]:
    """Draw all requests, in order of time; a canary has so many checkouts."""
    more = (1 - canary_share) / canary_share
    counts = {"POST /checkout": checkouts, "GET /cart": checkouts // _CHECKOUTS_A_CART}
    found = [
        request
        for operation, count in counts.items()
        for version, faults, times in [
            (BASELINE, {}, more),
            *((f"1.4.2-{name}", faults, 1.0) for name, faults in FAULTS.items()),
        ]
        for request in requests_of(version, faults, operation, round(count * times))
    ]
    return sorted(found, key=lambda each: each.start_nano)


def provider(port: str, version: str, instance: int) -> TracerProvider:
    """Give an instance's own SDK, as its process would have it."""
    exporter = OTLPSpanExporter(
        endpoint=f"http://127.0.0.1:{port}",
        insecure=True,
        timeout=_PATIENCE_S,
        compression=grpc.Compression.Gzip,
    )
    about = {
        "service.name": "gateway",
        "service.version": version,
        "service.instance.id": f"gateway-{version}-{instance}",
        "host.name": host_of(instance),
    }
    made = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(exporter, 100_000, 200, 512))
    return made


def send(tracer: Tracer, request: Request) -> None:
    """Make one span."""
    method, route = request.operation.split()
    attributes = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": 500 if request.failed else 200,
    }
    span = tracer.start_span(
        request.operation, None, SpanKind.SERVER, attributes, start_time=request.start_nano
    )
    if request.failed:
        span.set_status(Status(StatusCode.ERROR))
    span.end(request.start_nano + request.duration_nano)


def main(port: str, canary_share: str, checkouts: str) -> int:
    """Send; return 0 where all was acknowledged."""
    versions = [BASELINE, *(f"1.4.2-{name}" for name in FAULTS)]
    providers = {
        (version, instance): provider(port, version, instance)
        for version in versions
        for instance in range(1, INSTANCES + 1)
    }
    tracers = {key: each.get_tracer("shop") for key, each in providers.items()}
    every = requests(float(canary_share), int(checkouts))
    half = len(every) // 2
    for request in every[:half]:
        send(tracers[request.version, request.instance], request)
    good = all(each.force_flush() for each in providers.values())
    print("half", flush=True)
    sys.stdin.readline()
    for request in every[half:]:
        send(tracers[request.version, request.instance], request)
    good &= all(each.force_flush(1000 * _PATIENCE_S) for each in providers.values())
    for each in providers.values():
        each.shutdown()
    print(len(every), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
