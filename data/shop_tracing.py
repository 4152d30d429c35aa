"""The OpenTelemetry SDK as a shop process uses it: resource, provider and inner spans."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from grpc import Compression
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, Status, StatusCode, Tracer

from shop_model import Known, host_of

# Big batches compress well and cost the receiver little; the queue holds minutes of a busy shop.
BATCH_SPANS_MOST = 4096
QUEUE_SPANS_MOST = 32768


@dataclass(frozen=True)
class Place:
    """Everything one process of the shop needs to know about itself."""

    service: str
    version: str
    instance: int
    seed: int
    endpoint: str
    gzip: bool
    export_delay_s: float
    faults: Mapping[str, float]
    databases: str
    compute: int = 0
    known: Known = field(default_factory=Known)

    @property
    def name(self) -> str:
        """The service.instance.id: service, version and number."""
        return f"{self.service}-{self.version}-{self.instance}"

    def to_json(self) -> str:
        """Write the place as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Place":
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "known": Known(**fields["known"])})


class RequestError(Exception):
    """A request that cannot be answered: a status and the kind of error, low in cardinality."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        """Keep the HTTP status, the `error.type` and a message for people."""
        super().__init__(message)
        self.status = status
        self.error_type = error_type


def resource_of(place: Place) -> Resource:
    """Describe one process; spans and metrics of it meet by service, version and instance."""
    return Resource.create(
        {
            "service.name": place.service,
            "service.namespace": "shop",
            "service.version": place.version,
            "service.instance.id": place.name,
            "deployment.environment.name": "sample",
            "host.name": host_of(place.instance),
        }
    )


def tracer_provider(place: Place, resource: Resource) -> TracerProvider:
    """Make the provider of one process; `shutdown()` on it sends what is still queued."""
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(
        endpoint=place.endpoint,
        compression=compression_of(place),
    )
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter,
            max_queue_size=QUEUE_SPANS_MOST,
            max_export_batch_size=BATCH_SPANS_MOST,
            schedule_delay_millis=place.export_delay_s * 1000,
        )
    )
    return provider


def compression_of(place: Place) -> Compression:
    """Return how what is sent is compressed."""
    return Compression.Gzip if place.gzip else Compression.NoCompression


@contextmanager
def inner_span(tracer: Tracer, name: str) -> Iterator[Span]:
    """Open an INTERNAL span; a `RequestError` inside marks it and goes on up."""
    # The SDK's own exception event carries a stack trace, which names files of this machine.
    with tracer.start_as_current_span(
        name, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except RequestError as failure:
            span.add_event(
                "exception",
                {"exception.type": failure.error_type, "exception.message": str(failure)},
            )
            span.set_attribute("error.type", failure.error_type)
            span.set_status(Status(StatusCode.ERROR, str(failure)))
            raise
