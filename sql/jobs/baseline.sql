-- One row a group and a bucket: whole hours from latency_hours, the rest from latency_minutes.
WITH flat AS (
  SELECT
    minute AS first_minute,
    minute + 1 AS end_minute,
    service_name,
    service_version,
    service_instance_id,
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
  WHERE minute >= $first_minute
    AND minute < $end_minute
    AND NOT (minute >= $first_hour * 60 AND minute < $end_hour * 60)
  UNION ALL
  SELECT
    hour * 60 AS first_minute,
    hour * 60 + 60 AS end_minute,
    service_name,
    service_version,
    CAST(NULL AS VARCHAR) AS service_instance_id,
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
  FROM latency_hours
  WHERE hour >= $first_hour
    AND hour < $end_hour
)
SELECT
  CASE WHEN $by_service_name THEN service_name END AS service_name,
  CASE WHEN $by_service_version THEN service_version END AS service_version,
  CASE WHEN $by_service_instance_id THEN service_instance_id END AS service_instance_id,
  CASE WHEN $by_deployment_environment THEN deployment_environment END AS deployment_environment,
  CASE WHEN $by_operation THEN operation END AS operation,
  CASE WHEN $by_kind THEN kind END AS kind,
  CASE WHEN $by_outcome THEN outcome END AS outcome,
  bucket,
  SUM(requests) AS requests,
  SUM(requests_squared) AS requests_squared,
  CAST(SUM(spans) AS BIGINT) AS spans,
  SUM(CASE WHEN outcome IN ('http_5xx', 'error') THEN requests ELSE 0 END) AS errors,
  SUM(duration_sum_nano) AS duration_sum_nano,
  MIN(duration_min_nano) AS duration_min_nano,
  MAX(duration_max_nano) AS duration_max_nano,
  MIN(first_minute) AS first_minute,
  MAX(end_minute) AS end_minute
FROM flat
WHERE (NOT $has_service_name OR service_name = $service_name)
  AND (NOT $has_service_version OR service_version = $service_version)
  AND (NOT $has_service_instance_id OR service_instance_id = $service_instance_id)
  AND (NOT $has_deployment_environment OR deployment_environment = $deployment_environment)
  AND (NOT $has_operation OR operation = $operation)
  AND (NOT $has_outcome OR outcome = $outcome)
  AND LIST_CONTAINS($kinds, kind)
GROUP BY ALL
