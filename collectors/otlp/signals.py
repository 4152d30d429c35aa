"""The signals the receiver takes: how each is asked for, checked and decoded.

Adding one is a module with ``check`` and ``decode`` and a line in SIGNALS.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from collectors.otlp import logs, metrics, profiles, spans
from collectors.otlp.attributes import SeveralKindsError
from collectors.otlp.cuts import cut_texts
from collectors.otlp.rejection import Rejection
from pipeline.errors import BadRequest
from pipeline.schema import (
    LOGS,
    METRICS,
    PROFILE_FRAMES,
    PROFILE_SAMPLES,
    PROFILE_STACKS,
    PROFILES,
    SPANS,
    Table,
)

Rows = dict[str, pa.Table]

MOST_CHARACTERS = 65_536


@dataclass(frozen=True)
class Signal:
    """One kind of telemetry.

    Attributes:
        number: how journal frames name it; never reused.
        name: in messages to people.
        fields: what its requests' fields are called after: resource_<fields>, scope_<fields>.
        service: the gRPC service whose Export takes it.
        request: the request's message type.
        response: the response's message type.
        rejected_field: the field of ``partial_success`` that counts what was rejected.
        tables: where its rows land.
        check: counts what a request holds and what of it cannot be kept.
        read: makes rows of requests, by table name, and counts what was repaired.
    """

    number: int
    name: str
    fields: str
    service: str
    request: Any
    response: Any
    rejected_field: str
    tables: tuple[Table, ...]
    check: Callable[[bytes], Rejection]
    read: Callable[..., tuple[Rows, Counter[str]]]

    def decode(
        self,
        payloads: Sequence[bytes],
        batch_ids: Sequence[bytes],
        times_unix_nano: Sequence[int],
        max_attributes: int,
        max_characters: int = MOST_CHARACTERS,
    ) -> tuple[Rows, Counter[str]]:
        """Make rows of requests.

        Args:
            payloads: n requests.
            batch_ids: their content hashes.
            times_unix_nano: when each was received.
            max_attributes: attributes kept on one item.
            max_characters: the longest text that is kept whole.

        Returns:
            Rows by table name, and how many values were repaired or dropped, by reason.

        Raises:
            BadRequest: one of them is not such a request.
            TooWideError: their rows together would be too wide.
        """
        try:
            rows, warnings = self.read(payloads, batch_ids, times_unix_nano, max_attributes)
        except (SeveralKindsError, BadRequest) as error:
            # upb settles it: what it writes has each field once.
            known_only = isinstance(error, BadRequest)
            plain = [self._rewritten(one, known_only) for one in payloads]
            rows, warnings = self.read(plain, batch_ids, times_unix_nano, max_attributes)
        for name, table in rows.items():
            rows[name], cut = cut_texts(table, max_characters)
            warnings["texts_cut"] += cut
        return rows, warnings

    def _rewritten(self, payload: bytes, known_only: bool) -> bytes:
        """Write a request as upb understands it.

        Args:
            payload: its bytes.
            known_only: leave out fields that nobody knows. In groups among them upb lets pass
                what ptars takes for damage.

        Raises:
            BadRequest: it is not such a request.
        """
        try:
            message = self.request.FromString(payload)
        except DecodeError as error:
            raise BadRequest(f"not an OTLP {self.name} request ({error})") from error
        if known_only:
            message.DiscardUnknownFields()
        rewritten: bytes = message.SerializeToString()
        return rewritten


def _into(
    table: Table, decode: Callable[..., tuple[pa.Table, Counter[str]]]
) -> Callable[..., tuple[Rows, Counter[str]]]:
    """Name the one table that a signal's rows go to."""

    def read(*arguments: Any) -> tuple[Rows, Counter[str]]:
        rows, warnings = decode(*arguments)
        return {table.name: rows}, warnings

    return read


TRACES = Signal(
    number=1,
    name="traces",
    fields="spans",
    service="opentelemetry.proto.collector.trace.v1.TraceService",
    request=trace_service_pb2.ExportTraceServiceRequest,
    response=trace_service_pb2.ExportTraceServiceResponse,
    rejected_field="rejected_spans",
    tables=(SPANS,),
    check=spans.check,
    read=_into(SPANS, spans.decode),
)

METRIC_POINTS = Signal(
    number=2,
    name="metrics",
    fields="metrics",
    service="opentelemetry.proto.collector.metrics.v1.MetricsService",
    request=metrics_service_pb2.ExportMetricsServiceRequest,
    response=metrics_service_pb2.ExportMetricsServiceResponse,
    rejected_field="rejected_data_points",
    tables=(METRICS,),
    check=metrics.check,
    read=_into(METRICS, metrics.decode),
)

LOG_RECORDS = Signal(
    number=3,
    name="logs",
    fields="logs",
    service="opentelemetry.proto.collector.logs.v1.LogsService",
    request=logs_service_pb2.ExportLogsServiceRequest,
    response=logs_service_pb2.ExportLogsServiceResponse,
    rejected_field="rejected_log_records",
    tables=(LOGS,),
    check=logs.check,
    read=_into(LOGS, logs.decode),
)

PROFILE_DATA = Signal(
    number=4,
    name="profiles",
    fields="profiles",
    service="opentelemetry.proto.collector.profiles.v1development.ProfilesService",
    request=profiles_service_pb2.ExportProfilesServiceRequest,
    response=profiles_service_pb2.ExportProfilesServiceResponse,
    rejected_field="rejected_profiles",
    tables=(PROFILES, PROFILE_SAMPLES, PROFILE_STACKS, PROFILE_FRAMES),
    check=profiles.check,
    read=profiles.decode,
)

SIGNALS = (TRACES, METRIC_POINTS, LOG_RECORDS, PROFILE_DATA)

SIGNAL_OF_NUMBER = {signal.number: signal for signal in SIGNALS}
