-- One row a data point of a sum, in the column names of the ClickHouse exporter.
SELECT
  resource_attributes AS "ResourceAttributes",
  COALESCE(resource_schema_url, '') AS "ResourceSchemaUrl",
  COALESCE(scope_name, '') AS "ScopeName",
  COALESCE(scope_version, '') AS "ScopeVersion",
  scope_attributes AS "ScopeAttributes",
  COALESCE(scope_schema_url, '') AS "ScopeSchemaUrl",
  service_name AS "ServiceName",
  name AS "MetricName",
  COALESCE(description, '') AS "MetricDescription",
  COALESCE(unit, '') AS "MetricUnit",
  attributes AS "Attributes",
  make_timestamp_ns(COALESCE(start_time_unix_nano, 0)) AS "StartTimeUnix",
  make_timestamp_ns(time_unix_nano) AS "TimeUnix",
  COALESCE(value_double, CAST(value_int AS DOUBLE)) AS "Value",
  COALESCE(flags, 0) AS "Flags",
  list_transform(exemplars, lambda exemplar: exemplar.attributes)
    AS "Exemplars.FilteredAttributes",
  list_transform(exemplars, lambda exemplar: make_timestamp_ns(exemplar.time_unix_nano))
    AS "Exemplars.TimeUnix",
  list_transform(
    exemplars,
    lambda exemplar: COALESCE(exemplar.value_double, CAST(exemplar.value_int AS DOUBLE))
  ) AS "Exemplars.Value",
  list_transform(exemplars, lambda exemplar: COALESCE(exemplar.span_id, ''))
    AS "Exemplars.SpanId",
  list_transform(exemplars, lambda exemplar: COALESCE(exemplar.trace_id, ''))
    AS "Exemplars.TraceId",
  aggregation_temporality AS "AggregationTemporality",
  is_monotonic AS "IsMonotonic"
FROM metrics
WHERE metric_type = 'sum'
