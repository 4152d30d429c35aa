-- One row an hour, an operation, an outcome and a bucket of the duration, instances together.
WITH flat AS (
  SELECT
    CAST((minute - minute % 60) / 60 AS BIGINT) AS hour,
    service_name,
    service_version,
    deployment_environment,
    operation,
    kind,
    outcome,
    bucket,
    requests,
    requests_squared,
    spans,
    duration_sum_nano,
    duration_min_nano,
    duration_max_nano
  FROM latency_minutes
)
SELECT
  hour,
  service_name,
  service_version,
  deployment_environment,
  operation,
  kind,
  outcome,
  bucket,
  SUM(requests) AS requests,
  SUM(requests_squared) AS requests_squared,
  SUM(spans) AS spans,
  SUM(duration_sum_nano) AS duration_sum_nano,
  MIN(duration_min_nano) AS duration_min_nano,
  MAX(duration_max_nano) AS duration_max_nano,
  DATE '1970-01-01' + CAST((hour - hour % 24) / 24 AS INTEGER) AS date
FROM flat
GROUP BY
  hour,
  service_name,
  service_version,
  deployment_environment,
  operation,
  kind,
  outcome,
  bucket
