"""The signals the receiver takes: how each is asked for, checked and decoded.

Adding one is a module with ``check`` and ``decode`` and a line in SIGNALS.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from collectors.otlp import spans
from pipeline.schema import SPANS, Table

Decode = Callable[
    [Sequence[bytes], Sequence[bytes], Sequence[int], int], tuple[pa.Table, Counter[str]]
]


@dataclass(frozen=True)
class Signal:
    """One kind of telemetry.

    Attributes:
        number: how journal frames name it; never reused.
        name: in messages to people.
        service: the gRPC service whose Export takes it.
        request: the request's message type.
        response: the response's message type.
        rejected_field: the field of ``partial_success`` that counts what was rejected.
        table: where its rows land.
        check: counts what a request holds and what of it cannot be kept.
        decode: makes rows of requests.
    """

    number: int
    name: str
    service: str
    request: Any
    response: Any
    rejected_field: str
    table: Table
    check: Callable[[bytes], spans.Rejection]
    decode: Decode


TRACES = Signal(
    number=1,
    name="traces",
    service="opentelemetry.proto.collector.trace.v1.TraceService",
    request=trace_service_pb2.ExportTraceServiceRequest,
    response=trace_service_pb2.ExportTraceServiceResponse,
    rejected_field="rejected_spans",
    table=SPANS,
    check=spans.check,
    decode=spans.decode,
)

SIGNALS = (TRACES,)

SIGNAL_OF_NUMBER = {signal.number: signal for signal in SIGNALS}
