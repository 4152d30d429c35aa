"""Metrics of one process of the shop over OTLP, under the names of the semantic conventions.

What `tailgate capacity` reads: process.cpu.time, process.cpu.count, process.memory.usage, and
where an instance has slots, http.server.threads.max and http.server.threads.busy.
"""

import os
from collections.abc import Callable, Iterable

import psutil
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from shop_books import process_cpu_s
from shop_tracing import Place, compression_of
from shop_work import Workers

Told = Callable[[CallbackOptions], Iterable[Observation]]


def meter_provider(place: Place, resource: Resource, workers: Workers) -> MeterProvider:
    """Make the provider of one process; `shutdown()` on it sends the last values.

    A process that is to send none gets a provider without a reader.
    """
    seconds = place.known.metrics_s
    if not seconds:
        return MeterProvider([], resource=resource, shutdown_on_exit=False)
    exporter = OTLPMetricExporter(endpoint=place.endpoint, compression=compression_of(place))
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=seconds * 1000)
    provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    _observe_process(provider, place.version)
    _observe_requests(provider, place.version, workers)
    return provider


def _observe_process(provider: MeterProvider, version: str) -> None:
    meter = provider.get_meter("shop", version)
    # A sum counts from its start time, which is now: what the imports used is no part of it.
    before = process_cpu_s()

    def cpu_time(_: CallbackOptions) -> Iterable[Observation]:
        for mode, used_s, before_s in zip(("user", "system"), process_cpu_s(), before, strict=True):
            yield Observation(used_s - before_s, {"cpu.mode": mode})

    meter.create_observable_counter("process.cpu.time", [cpu_time], "s", "CPU seconds by mode")
    meter.create_observable_up_down_counter(
        "process.memory.usage", [_observed(resident_bytes)], "By", "physical memory in use"
    )
    meter.create_observable_up_down_counter(
        "process.cpu.count", [_observed(cores)], "{cpu}", "cores that the process may run on"
    )


def _observe_requests(provider: MeterProvider, version: str, workers: Workers) -> None:
    meter = provider.get_meter("shop", version)

    def active(_: CallbackOptions) -> Iterable[Observation]:
        for method, requests in workers.active.items():
            yield Observation(requests, {"http.request.method": method, "url.scheme": "http"})

    meter.create_observable_up_down_counter(
        "http.server.active_requests", [active], "{request}", "requests that are not answered yet"
    )
    if not workers.slots:
        return
    levels: tuple[tuple[str, str, str, Callable[[], int]], ...] = (
        ("http.server.threads.max", "{thread}", "worker slots", lambda: workers.slots),
        ("http.server.threads.busy", "{thread}", "worker slots in use", lambda: workers.busy),
        ("http.server.queue.length", "{request}", "requests that wait", lambda: workers.waiting),
    )
    for name, unit, what, level in levels:
        meter.create_observable_up_down_counter(name, [_observed(level)], unit, what)


def _observed(level: Callable[[], int]) -> Told:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(level())

    return observe


def resident_bytes() -> int:
    """Return the physical memory that this process holds."""
    return int(psutil.Process().memory_info().rss)


def cores() -> int:
    """Return how many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
