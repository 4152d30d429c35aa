-- One row a service, an operation, an outcome and a bucket of its SDK's, minutes together.
-- Instances stay apart only where they are asked for.
SELECT
  $first_minute AS minute,
  MIN(minute) AS first_minute,
  MAX(minute) + 1 AS end_minute,
  CASE WHEN $uses_instances THEN service_instance_id END AS service_instance_id,
  service_name,
  service_version,
  deployment_environment,
  operation,
  kind,
  outcome,
  spacing,
  lower_nano,
  upper_nano,
  CAST(SUM(requests) AS BIGINT) AS requests,
  SUM(duration_sum_nano) AS duration_sum_nano,
  resolution_limited
FROM metric_requests
WHERE minute >= $first_minute
  AND minute < $end_minute
  AND (NOT $has_service_name OR service_name = $service_name)
  AND (NOT $has_service_version OR service_version = $service_version)
  AND (NOT $has_service_instance_id OR service_instance_id = $service_instance_id)
  AND (NOT $has_deployment_environment OR deployment_environment = $deployment_environment)
  AND (NOT $has_operation OR operation = $operation)
  AND (NOT $has_outcome OR outcome = $outcome)
  AND LIST_CONTAINS($kinds, kind)
GROUP BY ALL
