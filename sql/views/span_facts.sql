-- One row a span with what is worked out from it: operation, outcome, root, milliseconds, clock.
SELECT
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  trace_id,
  span_id,
  parent_span_id,
  parent_span_id IS NULL AS is_root,
  COALESCE(http_request_method || ' ' || http_route, rpc_method, name) AS operation,
  name,
  kind,
  CASE
    WHEN http_response_status_code >= 500 THEN 'http_5xx'
    WHEN status_code = 2 THEN 'error'
    WHEN rpc_status_code NOT IN ('0', 'OK') THEN 'error'
    WHEN http_response_status_code BETWEEN 400 AND 499 THEN 'http_4xx'
    ELSE 'ok'
  END AS outcome,
  make_timestamp_ns(start_time_unix_nano) AS start_time,
  start_time_unix_nano,
  duration_nano,
  duration_nano / 1e6 AS duration_ms,
  CASE
    WHEN start_time_unix_nano <= 0 THEN 'absent'
    WHEN start_time_unix_nano > ingest_time_unix_nano + 86400000000000 THEN 'future'
    WHEN duration_nano < 0 THEN 'reversed'
    ELSE 'ok'
  END AS clock,
  sampling_weight,
  db_system,
  db_query_text,
  cache_hit,
  error_type,
  attributes,
  resource_attributes
FROM spans
