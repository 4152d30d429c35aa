-- One row a data point of a summary, in the column names of the ClickHouse exporter.
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
  count AS "Count",
  sum AS "Sum",
  list_transform(quantile_values, lambda pair: pair.quantile) AS "ValueAtQuantiles.Quantile",
  list_transform(quantile_values, lambda pair: pair.value) AS "ValueAtQuantiles.Value",
  COALESCE(flags, 0) AS "Flags"
FROM metrics
WHERE metric_type = 'summary'
