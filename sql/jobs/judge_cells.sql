-- One row a side, service, operation, instance and stratum: lists of its requests. A cell is a
-- minute (from bit 14 on), a bucket (from bit 2 on: 0 for zero, 4095 for none, else 2 above) and an
-- outcome (0 ok, 1 http_4xx, 2 error, 3 http_5xx); the same may stand there more than once.
WITH sides AS (
  SELECT
    CASE
      WHEN (NOT $baseline_has_service_name OR service_name = $baseline_service_name)
        AND (NOT $baseline_has_service_version OR service_version = $baseline_service_version)
        AND (
          NOT $baseline_has_service_instance_id
          OR service_instance_id = $baseline_service_instance_id
        )
        AND (
          NOT $baseline_has_deployment_environment
          OR deployment_environment = $baseline_deployment_environment
        )
        AND (NOT $baseline_has_operation OR operation = $baseline_operation)
        THEN 0
      WHEN $two_sides
        AND (NOT $canary_has_service_name OR service_name = $canary_service_name)
        AND (NOT $canary_has_service_version OR service_version = $canary_service_version)
        AND (
          NOT $canary_has_service_instance_id
          OR service_instance_id = $canary_service_instance_id
        )
        AND (
          NOT $canary_has_deployment_environment
          OR deployment_environment = $canary_deployment_environment
        )
        AND (NOT $canary_has_operation OR operation = $canary_operation)
        THEN 1
    END AS side,
    *
  FROM latency_minutes
  WHERE minute >= $first_minute
    AND minute < $end_minute
    AND LIST_CONTAINS($kinds, kind)
)
SELECT
  CASE WHEN $by_service THEN service_name ELSE '' END AS service_name,
  COALESCE(operation, '') AS operation,
  side,
  CONCAT_WS('/', service_name, COALESCE(service_instance_id, '')) AS instance,
  CONCAT_WS(
    '/',
    CASE WHEN $mix_by_service_version THEN COALESCE(service_version, '') END,
    CASE WHEN $mix_by_deployment_environment THEN COALESCE(deployment_environment, '') END,
    CASE WHEN $mix_by_kind THEN CAST(kind AS VARCHAR) END
  ) AS stratum,
  LIST(
    minute * 16384
    + CASE WHEN bucket IS NULL THEN 4095 WHEN bucket < -1 THEN 0 ELSE bucket + 2 END * 4
    + CASE outcome WHEN 'http_4xx' THEN 1 WHEN 'error' THEN 2 WHEN 'http_5xx' THEN 3 ELSE 0 END
  ) AS cell,
  LIST(requests) AS requests,
  CASE WHEN $weighted THEN LIST(requests_squared) END AS requests_squared
FROM sides
WHERE side IS NOT NULL
GROUP BY ALL
ORDER BY
  service_name,
  operation,
  side,
  instance,
  stratum
