"""Traces, metrics and logs through the Python SDK: ``python send_signals.py PORT grpc|http GZIP``.

Prints for each request that an exporter sends: the signal and, in base64, the request's bytes.
"""

import base64
import importlib
import logging
import sys
import threading
from typing import Any

import grpc
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import (
    ExponentialBucketHistogramAggregation,
    View,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import StatusCode

EXPORTERS = {
    "traces": ("trace_exporter", "OTLPSpanExporter"),
    "metrics": ("metric_exporter", "OTLPMetricExporter"),
    "logs": ("_log_exporter", "OTLPLogExporter"),
}

# Exporters send from threads of their own.
TELLING = threading.Lock()


class TellingClient:
    """An exporter's client as it is, telling what it sends."""

    def __init__(self, signal: str, client: Any) -> None:
        self._signal, self._client = signal, client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def Export(self, request: Any, **more: Any) -> Any:  # noqa: N802
        """Send over gRPC."""
        self._tell(request.SerializeToString())
        return self._client.Export(request=request, **more)

    def export(self, content: bytes, *more: Any) -> Any:
        """Send over HTTP."""
        self._tell(content)
        return self._client.export(content, *more)

    def _tell(self, content: bytes) -> None:
        with TELLING:
            print(self._signal, base64.b64encode(content).decode(), flush=True)


def exporter(signal: str, port: str, protocol: str, gzip: bool, **more: Any) -> Any:
    """Give a signal's exporter."""
    module, name = EXPORTERS[signal]
    found = importlib.import_module(f"opentelemetry.exporter.otlp.proto.{protocol}.{module}")
    kinds: Any = grpc.Compression if protocol == "grpc" else Compression
    more["compression"] = kinds.Gzip if gzip else kinds.NoCompression
    endpoint = f"http://127.0.0.1:{port}"
    if protocol == "grpc":
        made = getattr(found, name)(endpoint=endpoint, insecure=True, **more)
    else:
        made = getattr(found, name)(endpoint=f"{endpoint}/v1/{signal}", **more)
    made._client = TellingClient(signal, made._client)
    return made


def record(provider: MeterProvider, tracer: Any) -> None:
    """Use every instrument there is, inside spans, so that there are exemplars."""
    meter = provider.get_meter("cart", "0.3.0", "https://example.com/schema", {"library": "hand"})
    orders = meter.create_counter("orders", "1", "orders placed")
    money = meter.create_counter("revenue", "EUR")
    active = meter.create_up_down_counter("carts.active")
    depth = meter.create_gauge("queue.depth", "{item}")
    seconds = meter.create_histogram("http.server.request.duration", "s", "of requests")
    delta = meter.create_histogram("rpc.server.duration", "ms")
    wide = meter.create_histogram("payload.size", "By")

    def temperatures(options: CallbackOptions) -> list[Observation]:
        return [Observation(20.5, {"room": "a"}), Observation(-3, {"room": "b"})]

    meter.create_observable_gauge("temperature", [temperatures])
    meter.create_observable_counter("cpu.time", [lambda options: [Observation(7)]], "s")
    meter.create_observable_up_down_counter("memory", [lambda options: [Observation(-9)]], "By")
    for number in range(12):
        with tracer.start_as_current_span(f"request {number % 3}") as span:
            route: dict[str, str | bool] = {
                "http.route": f"/cart/{number % 2}",
                "retry": number % 3 == 0,
            }
            orders.add(1, route)
            money.add(0.1 * number, {"currency": "€"})
            active.add(1 - number % 3, route)
            depth.set(number)
            seconds.record(0.003 * number, route | {"user": str(number)})
            delta.record(number, route)
            for value in (0, number * 1e6):
                wide.record(value, route)
            logging.getLogger("cart").warning("no stock of %s", number, extra={"sku": number})
            if number % 4 == 0:
                span.set_status(StatusCode.ERROR, "no stock")
                try:
                    raise KeyError(number)
                except KeyError as error:
                    span.record_exception(error)
                    logging.getLogger("cart").exception("no such cart")


def main(port: str, protocol: str, gzip: str) -> None:
    """Make spans, points of every kind and log records, and send them in several requests."""
    resource = Resource.create(
        {
            "service.name": "cart-py",
            "service.version": "2.0.1",
            "service.instance.id": "cart-py-1",
            "zones": ["a", "b"],
        }
    )
    settings = (port, protocol, gzip == "gzip")
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracers.add_span_processor(
        BatchSpanProcessor(exporter("traces", *settings), max_export_batch_size=5)
    )
    temporality = {Histogram: AggregationTemporality.DELTA}
    reader = PeriodicExportingMetricReader(
        exporter("metrics", *settings, preferred_temporality=temporality),
        export_interval_millis=float("inf"),
    )
    meters = MeterProvider(
        [reader],
        resource,
        views=[
            View(
                instrument_name="payload.size",
                aggregation=ExponentialBucketHistogramAggregation(max_size=10),
            ),
            View(instrument_name="http.server.request.duration", attribute_keys={"http.route"}),
        ],
        shutdown_on_exit=False,
    )
    loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
    loggers.add_log_record_processor(
        BatchLogRecordProcessor(exporter("logs", *settings), max_export_batch_size=5)
    )
    logging.getLogger("cart").addHandler(LoggingHandler(logger_provider=loggers))
    tracer = tracers.get_tracer("cart", "0.3.0")
    for _ in range(2):
        record(meters, tracer)
        assert meters.force_flush()
    for provider in (tracers, meters, loggers):
        provider.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
