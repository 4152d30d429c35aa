-- One row a data point of a gauge, in duckdb-otlp's column names, maps as JSON.
SELECT
  make_timestamp_ns(time_unix_nano) AS time_unix_nano,
  make_timestamp_ns(start_time_unix_nano) AS start_time_unix_nano,
  name,
  description,
  unit,
  value_int AS int_value,
  value_double AS double_value,
  service_name,
  service_namespace,
  service_instance_id,
  CAST(to_json(resource_attributes) AS VARCHAR) AS resource_attributes,
  scope_name,
  scope_version,
  CAST(to_json(scope_attributes) AS VARCHAR) AS scope_attributes,
  CAST(to_json(attributes) AS VARCHAR) AS metric_attributes,
  flags,
  CAST(to_json(exemplars) AS VARCHAR) AS exemplars_json
FROM metrics
WHERE metric_type = 'gauge'
