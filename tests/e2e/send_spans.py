"""Spans through the Python SDK's gRPC exporter: ``python send_spans.py PORT COMPRESSION COUNT``.

Prints, in base64, each request that the exporter made.
"""

import base64
import sys
from collections.abc import Sequence

import grpc
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags, TraceState


class TellingExporter(OTLPSpanExporter):
    """The exporter as it is, telling what it sends."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send, and print the request."""
        result = super().export(spans)
        if result is not SpanExportResult.SUCCESS:
            sys.exit(1)
        print(base64.b64encode(encode_spans(spans).SerializeToString()).decode(), flush=True)
        return result


def main(port: str, compression: str, count: str) -> None:
    """Make spans with every kind of field."""
    chosen = grpc.Compression.Gzip if compression == "gzip" else grpc.Compression.NoCompression
    exporter = TellingExporter(
        endpoint=f"http://127.0.0.1:{port}", insecure=True, compression=chosen
    )
    about = {
        "service.name": "cart-py",
        "service.version": "2.0.1",
        "deployment.environment": "test",
        "service.instance.id": "cart-py-1",
    }
    provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=20))
    tracer = provider.get_tracer(
        "cart", "0.3.0", "https://example.com/schema", {"library.kind": "hand"}
    )
    state = TraceState([("ot", "th:8"), ("vendor", "1")])
    caller = SpanContext(2**127 + 1, 2**63 + 1, True, TraceFlags(1), state)
    for number in range(int(count)):
        with tracer.start_as_current_span(
            "GET /cart",
            context=trace.set_span_in_context(trace.NonRecordingSpan(caller)),
            kind=SpanKind.SERVER,
            links=[Link(caller, {"why": "retry"})],
            attributes={
                "http.method": "GET",
                "http.route": "/cart/{id}",
                "http.status_code": 503,
                "cache.hit": number % 2 == 0,
                "load.ratio": 0.1 + number,
                "tags": ["a", "é"],
                "sizes": [1.0, 2.5],
                "large": 2**63 - 1,
            },
        ) as root:
            with tracer.start_as_current_span("SELECT", kind=SpanKind.CLIENT) as child:
                child.set_attribute("db.system", "postgresql")
                child.add_event("retry", {"attempt": 2})
                child.record_exception(KeyError("no cart"))
                child.set_status(StatusCode.ERROR, "no cart")
            root.set_status(StatusCode.OK)
    provider.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
