-- One row a service, an instance and a minute: events, and those beyond a threshold, by spans.
SELECT
  service_name,
  CONCAT_WS('/', service_name, COALESCE(service_instance_id, '')) AS instance,
  start_time_unix_nano // 60000000000 AS minute,
  SUM(sampling_weight) AS total,
  SUM(sampling_weight * sampling_weight) AS total_squared,
  SUM(CASE WHEN is_bad THEN sampling_weight ELSE 0 END) AS bad,
  SUM(CASE WHEN is_bad THEN sampling_weight ELSE 0 END) AS bad_least,
  SUM(CASE WHEN is_bad THEN sampling_weight ELSE 0 END) AS bad_most
FROM (
  SELECT
    *,
    CASE
      WHEN $has_threshold THEN duration_nano > $threshold_nano
      ELSE outcome IN ('http_5xx', 'error')
    END AS is_bad
  FROM span_facts
)
WHERE LIST_CONTAINS([2, 5], kind)
  AND clock NOT IN ('absent', 'future')
  AND (NOT $has_threshold OR duration_nano >= 0)
  AND service_name GLOB $service
  AND COALESCE(operation, '') GLOB $operation
  AND start_time_unix_nano >= $first_minute * 60000000000
  AND start_time_unix_nano < $end_minute * 60000000000
  AND (NOT $has_service_name OR service_name = $service_name)
  AND (NOT $has_service_version OR service_version = $service_version)
  AND (NOT $has_service_instance_id OR service_instance_id = $service_instance_id)
  AND (NOT $has_deployment_environment OR deployment_environment = $deployment_environment)
  AND (NOT $has_operation OR operation = $operation_is)
GROUP BY ALL
ORDER BY ALL
