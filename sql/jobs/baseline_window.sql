-- One row: the first and the last minute, in either of two hours, with a request that counts.
SELECT
  MIN(minute) AS first_minute,
  MAX(minute) + 1 AS end_minute
FROM latency_minutes
WHERE (
    (minute >= $first_hour * 60 AND minute < $first_hour * 60 + 60)
    OR (minute >= $last_hour * 60 AND minute < $last_hour * 60 + 60)
  )
  AND (NOT $has_service_name OR service_name = $service_name)
  AND (NOT $has_service_version OR service_version = $service_version)
  AND (NOT $has_service_instance_id OR service_instance_id = $service_instance_id)
  AND (NOT $has_deployment_environment OR deployment_environment = $deployment_environment)
  AND (NOT $has_operation OR operation = $operation)
  AND (NOT $has_outcome OR outcome = $outcome)
  AND LIST_CONTAINS($kinds, kind)
