-- One row a saved baseline and group of it, oldest first: points of series; durations in ns.
SELECT
  service_name,
  operation,
  dimensions['service.version'] AS service_version,
  dimensions['service.instance.id'] AS service_instance_id,
  dimensions['deployment.environment.name'] AS deployment_environment,
  dimensions['kind'] AS kind,
  dimensions['outcome'] AS outcome,
  until_unix_nano AS time_unix_nano,
  requests,
  duration_nano_p50 AS p50,
  duration_nano_p95 AS p95,
  duration_nano_p99 AS p99,
  error_ratio,
  requests_per_second
FROM baselines
WHERE baseline = $baseline
  AND until_unix_nano >= $since_unix_nano
  AND until_unix_nano <= $until_unix_nano
  AND (NOT $has_service_name OR service_name = $service_name)
  AND (NOT $has_service_version OR service_version = $service_version)
  AND (
    NOT $has_deployment_environment
    OR dimensions['deployment.environment.name'] = $deployment_environment
  )
  AND (NOT $has_operation OR operation = $operation)
-- A window that was saved twice is one observation: the last one saved stands.
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY since_unix_nano, until_unix_nano, CAST(dimensions AS VARCHAR)
  ORDER BY saved_time_unix_nano DESC
) = 1
ORDER BY
  time_unix_nano,
  since_unix_nano,
  saved_time_unix_nano,
  service_version
