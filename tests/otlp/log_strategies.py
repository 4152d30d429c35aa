"""Log requests as Hypothesis makes them: every field, any body, good ids and bad."""

from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from tests.otlp.trace_strategies import (
    attributes,
    good_span_id,
    good_trace_id,
    ids,
    texts,
    times,
    uint32,
    values,
    wild_times,
)


def records(wild: bool) -> st.SearchStrategy[LogRecord]:
    return st.builds(
        LogRecord,
        time_unix_nano=times | wild_times if wild else times,
        observed_time_unix_nano=times | wild_times if wild else times,
        severity_number=st.sampled_from((0, 1, 9, 17, 24)),
        severity_text=texts,
        body=st.none() | values,
        attributes=attributes,
        dropped_attributes_count=uint32,
        flags=uint32,
        trace_id=ids | good_trace_id,
        span_id=ids | good_span_id,
        event_name=texts,
    )


def requests(wild: bool) -> st.SearchStrategy[ExportLogsServiceRequest]:
    scopes = st.builds(
        ScopeLogs,
        scope=st.none()
        | st.builds(InstrumentationScope, name=texts, version=texts, attributes=attributes),
        schema_url=texts,
        log_records=st.lists(records(wild), max_size=3),
    )
    resources = st.builds(
        ResourceLogs,
        resource=st.none()
        | st.builds(Resource, attributes=attributes, dropped_attributes_count=uint32),
        schema_url=texts,
        scope_logs=st.lists(scopes, max_size=2),
    )
    return st.builds(ExportLogsServiceRequest, resource_logs=st.lists(resources, max_size=2))
