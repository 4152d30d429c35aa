-- One row a minute, an instance, an operation, an outcome and a bucket of the duration.
-- Spans without a start, or with one over a day after they were taken in, have no minute: left out.
-- A negative duration counts as a request, in no bucket and in no sum of durations.
WITH flat AS (
  SELECT
    CAST((start_time_unix_nano - start_time_unix_nano % 60000000000) / 60000000000 AS BIGINT)
      AS minute,
    service_instance_id,
    service_name,
    service_version,
    deployment_environment,
    COALESCE(http_request_method || ' ' || http_route, rpc_method, name) AS operation,
    kind,
    CASE
      WHEN http_response_status_code >= 500 THEN 'http_5xx'
      WHEN status_code = 2 THEN 'error'
      WHEN NOT rpc_status_code IN ('0', 'OK') THEN 'error'
      WHEN http_response_status_code BETWEEN 400 AND 499 THEN 'http_4xx'
      ELSE 'ok'
    END AS outcome,
    CASE
      WHEN duration_nano > 0
        THEN CAST(CEIL(LOG2(CAST(duration_nano AS DOUBLE)) * 64) - 1 AS INTEGER)
      WHEN duration_nano = 0
        THEN CAST(-2147483648 AS INTEGER)
    END AS bucket,
    sampling_weight,
    CASE WHEN duration_nano >= 0 THEN duration_nano END AS duration_nano
  FROM spans
  WHERE start_time_unix_nano > 0
    AND start_time_unix_nano <= ingest_time_unix_nano + 86400000000000
)
SELECT
  minute,
  service_instance_id,
  service_name,
  service_version,
  deployment_environment,
  operation,
  kind,
  outcome,
  bucket,
  SUM(sampling_weight) AS requests,
  SUM(sampling_weight * sampling_weight) AS requests_squared,
  COUNT(*) AS spans,
  SUM(duration_nano * sampling_weight) AS duration_sum_nano,
  MIN(duration_nano) AS duration_min_nano,
  MAX(duration_nano) AS duration_max_nano,
  DATE '1970-01-01' + CAST((minute - minute % 1440) / 1440 AS INTEGER) AS date
FROM flat
GROUP BY
  minute,
  service_instance_id,
  service_name,
  service_version,
  deployment_environment,
  operation,
  kind,
  outcome,
  bucket
