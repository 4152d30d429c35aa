-- One row a log record, in the column names of duckdb-otlp, attributes as JSON text.
SELECT
  make_timestamp_ns(time_unix_nano) AS time_unix_nano,
  make_timestamp_ns(observed_time_unix_nano) AS observed_time_unix_nano,
  trace_id,
  span_id,
  service_name,
  service_namespace,
  service_instance_id,
  severity_number,
  severity_text,
  event_name,
  body,
  CAST(to_json(resource_attributes) AS VARCHAR) AS resource_attributes,
  scope_name,
  scope_version,
  CAST(to_json(scope_attributes) AS VARCHAR) AS scope_attributes,
  CAST(to_json(attributes) AS VARCHAR) AS log_attributes,
  dropped_attributes_count,
  flags
FROM logs
