"""Metrics and logs in the column names of others: ClickHouse's exporter and duckdb-otlp."""

import contextlib
import json

import pyarrow as pa
import pytest

from pipeline.jobs.job import define_view
from pipeline.lake.catalog import connect, session
from pipeline.schema import LOGS

NOON = 1_795_608_000_000_000_000
MAP = "MAP(VARCHAR, VARCHAR)"

# A change of one of these is a change of schema_version.
_OTEL_HEAD = {
    "ResourceAttributes": MAP,
    "ResourceSchemaUrl": "VARCHAR",
    "ScopeName": "VARCHAR",
    "ScopeVersion": "VARCHAR",
    "ScopeAttributes": MAP,
    "ScopeSchemaUrl": "VARCHAR",
    "ServiceName": "VARCHAR",
    "MetricName": "VARCHAR",
    "MetricDescription": "VARCHAR",
    "MetricUnit": "VARCHAR",
    "Attributes": MAP,
    "StartTimeUnix": "TIMESTAMP_NS",
    "TimeUnix": "TIMESTAMP_NS",
}
_EXEMPLARS = {
    "Exemplars.FilteredAttributes": f"{MAP}[]",
    "Exemplars.TimeUnix": "TIMESTAMP_NS[]",
    "Exemplars.Value": "DOUBLE[]",
    "Exemplars.SpanId": "VARCHAR[]",
    "Exemplars.TraceId": "VARCHAR[]",
}
_NUMBER = {"Value": "DOUBLE", "Flags": "BIGINT", **_EXEMPLARS}
_ENDS = {
    "Flags": "BIGINT",
    "Min": "DOUBLE",
    "Max": "DOUBLE",
    "AggregationTemporality": "INTEGER",
}
_OTLP_HEAD = {
    "time_unix_nano": "TIMESTAMP_NS",
    "start_time_unix_nano": "TIMESTAMP_NS",
    "name": "VARCHAR",
    "description": "VARCHAR",
    "unit": "VARCHAR",
}
_OTLP_SENDER = {
    "service_name": "VARCHAR",
    "service_namespace": "VARCHAR",
    "service_instance_id": "VARCHAR",
}
_OTLP_MAPS = {
    "resource_attributes": "VARCHAR",
    "scope_name": "VARCHAR",
    "scope_version": "VARCHAR",
    "scope_attributes": "VARCHAR",
}
_OTLP_POINT = {**_OTLP_SENDER, **_OTLP_MAPS, "metric_attributes": "VARCHAR", "flags": "BIGINT"}
_OTLP_TAIL = {**_OTLP_POINT, "exemplars_json": "VARCHAR"}
_OTLP_NUMBER = {**_OTLP_HEAD, "int_value": "BIGINT", "double_value": "DOUBLE", **_OTLP_TAIL}
_OTLP_COUNTS = {
    **_OTLP_HEAD,
    "count": "BIGINT",
    "sum": "DOUBLE",
    "min": "DOUBLE",
    "max": "DOUBLE",
}

COLUMNS = {
    "otel_metrics_gauge": {**_OTEL_HEAD, **_NUMBER},
    "otel_metrics_sum": {
        **_OTEL_HEAD,
        **_NUMBER,
        "AggregationTemporality": "INTEGER",
        "IsMonotonic": "BOOLEAN",
    },
    "otel_metrics_histogram": {
        **_OTEL_HEAD,
        "Count": "BIGINT",
        "Sum": "DOUBLE",
        "BucketCounts": "BIGINT[]",
        "ExplicitBounds": "DOUBLE[]",
        **_EXEMPLARS,
        **_ENDS,
    },
    "otel_metrics_exponential_histogram": {
        **_OTEL_HEAD,
        "Count": "BIGINT",
        "Sum": "DOUBLE",
        "Scale": "INTEGER",
        "ZeroCount": "BIGINT",
        "PositiveOffset": "INTEGER",
        "PositiveBucketCounts": "BIGINT[]",
        "NegativeOffset": "INTEGER",
        "NegativeBucketCounts": "BIGINT[]",
        **_EXEMPLARS,
        **_ENDS,
    },
    "otel_metrics_summary": {
        **_OTEL_HEAD,
        "Count": "BIGINT",
        "Sum": "DOUBLE",
        "ValueAtQuantiles.Quantile": "DOUBLE[]",
        "ValueAtQuantiles.Value": "DOUBLE[]",
        "Flags": "BIGINT",
    },
    "otel_logs": {
        "Timestamp": "TIMESTAMP_NS",
        "TraceId": "VARCHAR",
        "SpanId": "VARCHAR",
        "TraceFlags": "UTINYINT",
        "SeverityText": "VARCHAR",
        "SeverityNumber": "UTINYINT",
        "ServiceName": "VARCHAR",
        "Body": "VARCHAR",
        "ResourceSchemaUrl": "VARCHAR",
        "ResourceAttributes": MAP,
        "ScopeSchemaUrl": "VARCHAR",
        "ScopeName": "VARCHAR",
        "ScopeVersion": "VARCHAR",
        "ScopeAttributes": MAP,
        "LogAttributes": MAP,
        "EventName": "VARCHAR",
    },
    "otlp_metrics_gauge": _OTLP_NUMBER,
    "otlp_metrics_sum": {
        **_OTLP_NUMBER,
        "aggregation_temporality": "INTEGER",
        "is_monotonic": "BOOLEAN",
    },
    "otlp_metrics_histogram": {
        **_OTLP_COUNTS,
        "bucket_counts": "BIGINT[]",
        "explicit_bounds": "DOUBLE[]",
        **_OTLP_TAIL,
        "aggregation_temporality": "INTEGER",
    },
    "otlp_metrics_exp_histogram": {
        **_OTLP_COUNTS,
        "scale": "INTEGER",
        "zero_count": "BIGINT",
        "zero_threshold": "DOUBLE",
        "positive_offset": "INTEGER",
        "positive_bucket_counts": "BIGINT[]",
        "negative_offset": "INTEGER",
        "negative_bucket_counts": "BIGINT[]",
        **_OTLP_TAIL,
        "aggregation_temporality": "INTEGER",
    },
    "otlp_metrics_summary": {
        **_OTLP_HEAD,
        "count": "BIGINT",
        "sum": "DOUBLE",
        "quantile_values_json": "VARCHAR",
        **_OTLP_POINT,
    },
    "otlp_logs": {
        "time_unix_nano": "TIMESTAMP_NS",
        "observed_time_unix_nano": "TIMESTAMP_NS",
        "trace_id": "VARCHAR",
        "span_id": "VARCHAR",
        **_OTLP_SENDER,
        "severity_number": "INTEGER",
        "severity_text": "VARCHAR",
        "event_name": "VARCHAR",
        "body": "VARCHAR",
        **_OTLP_MAPS,
        "log_attributes": "VARCHAR",
        "dropped_attributes_count": "BIGINT",
        "flags": "BIGINT",
    },
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_view_has_the_columns_that_others_know(lake, name):
    with connect(lake) as connection:
        relation = connection.sql(f'SELECT * FROM "{name}"')
        found = dict(zip(relation.columns, map(str, relation.types), strict=True))
    # As lists, because their order counts too.
    assert list(found.items()) == list(COLUMNS[name].items())


def test_every_kind_of_point_is_in_its_own_view_with_its_values(lake, land, number, histogram):
    exemplar = {
        "time_unix_nano": NOON,
        "value_int": 3,
        "trace_id": "a" * 32,
        "span_id": None,
        "attributes": [("k", "v")],
    }
    land(
        number(1, 5, metric_type="gauge", exemplars=[exemplar]),
        number(2, 1.5, unit="By"),
        histogram(3, explicit_bounds=[1.0], bucket_counts=[2, 1], start=0),
        histogram(4, metric_type="exponential_histogram", scale=3, zero_count=1, count=1),
        histogram(
            5, metric_type="summary", count=1, quantile_values=[{"quantile": 0.5, "value": 2.0}]
        ),
    )
    statements = {
        'SELECT Value, "Exemplars.Value", "Exemplars.SpanId", "Exemplars.FilteredAttributes"[1].k '
        "FROM otel_metrics_gauge": (5.0, [3.0], [""], "v"),
        "SELECT Value, MetricUnit, IsMonotonic, Flags FROM otel_metrics_sum": (1.5, "By", True, 0),
        "SELECT Count, BucketCounts, epoch_ns(StartTimeUnix) FROM otel_metrics_histogram": (
            3,
            [2, 1],
            NOON,
        ),
        "SELECT Scale, epoch_ns(StartTimeUnix) FROM otel_metrics_exponential_histogram": (3, 0),
        'SELECT "ValueAtQuantiles.Value" FROM otel_metrics_summary': ([2.0],),
        "SELECT int_value, double_value FROM otlp_metrics_gauge": (5, None),
        "SELECT double_value, aggregation_temporality FROM otlp_metrics_sum": (1.5, 2),
        "SELECT bucket_counts, scope_name FROM otlp_metrics_histogram": ([2, 1], "test"),
        "SELECT zero_count FROM otlp_metrics_exp_histogram": (1,),
        "SELECT quantile_values_json FROM otlp_metrics_summary": (
            '[{"quantile":0.5,"value":2.0}]',
        ),
    }
    with connect(lake) as connection:
        for statement, row in statements.items():
            assert connection.sql(statement).fetchall() == [row], statement
        ((text,),) = connection.sql("SELECT exemplars_json FROM otlp_metrics_gauge").fetchall()
    assert json.loads(text)[0]["attributes"] == {"k": "v"}


def test_logs_read_as_the_exporter_and_duckdb_otlp_write_them():
    log = {
        "service_name": "shop",
        "resource_attributes": [],
        "time_unix_nano": NOON,
        "severity_number": 17,
        "body": "no stock",
        "body_type": "string",
        "attributes": [("sku", "7")],
        "flags": 0x101,
        "ingest_batch_id": "ab" * 16,
        "ingest_time_unix_nano": NOON,
        "date": None,
    }
    fields = [field.with_nullable(True) for field in LOGS.arrow_schema]
    with contextlib.closing(session()) as connection:
        connection.register("logs", pa.Table.from_pylist([log], schema=pa.schema(fields)))
        for name in ("otel_logs", "otlp_logs"):
            define_view(connection, name)
        exported = (
            "SELECT epoch_ns(Timestamp), TraceId, TraceFlags, SeverityNumber, Body, "
            "LogAttributes['sku'] FROM otel_logs"
        )
        assert connection.sql(exported).fetchall() == [(NOON, "", 1, 17, "no stock", "7")]
        own = "SELECT trace_id, flags, log_attributes, severity_text FROM otlp_logs"
        assert connection.sql(own).fetchall() == [(None, 257, '{"sku":"7"}', None)]
