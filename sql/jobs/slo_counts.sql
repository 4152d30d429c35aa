-- One row a service, an instance and a minute: events, and the bad ones among them, by rollups.
-- With a threshold an event is bad beyond it, where the buckets tell: bad_least counts those of
-- buckets wholly above, bad_most also those of the bucket that it lies in.
SELECT
  service_name,
  CONCAT_WS('/', service_name, COALESCE(service_instance_id, '')) AS instance,
  minute,
  SUM(requests) AS total,
  SUM(requests_squared) AS total_squared,
  SUM(
    CASE
      WHEN $has_threshold THEN requests * (CASE
        WHEN bucket = -2147483648 THEN 0
        ELSE 1 - LEAST(GREATEST($threshold_place - bucket, 0), 1)
      END)
      WHEN outcome IN ('http_5xx', 'error') THEN requests
      ELSE 0
    END
  ) AS bad,
  SUM(
    CASE
      WHEN $has_threshold AND bucket >= $threshold_place THEN requests
      WHEN NOT $has_threshold AND outcome IN ('http_5xx', 'error') THEN requests
      ELSE 0
    END
  ) AS bad_least,
  SUM(
    CASE
      WHEN $has_threshold AND bucket > $threshold_place - 1 THEN requests
      WHEN NOT $has_threshold AND outcome IN ('http_5xx', 'error') THEN requests
      ELSE 0
    END
  ) AS bad_most
FROM latency_minutes
WHERE LIST_CONTAINS([2, 5], kind)
  AND service_name GLOB $service
  AND COALESCE(operation, '') GLOB $operation
  AND minute >= $first_minute
  AND minute < $end_minute
  AND (NOT $has_threshold OR bucket IS NOT NULL)
  AND (NOT $has_service_name OR service_name = $service_name)
  AND (NOT $has_service_version OR service_version = $service_version)
  AND (NOT $has_service_instance_id OR service_instance_id = $service_instance_id)
  AND (NOT $has_deployment_environment OR deployment_environment = $deployment_environment)
  AND (NOT $has_operation OR operation = $operation_is)
GROUP BY ALL
ORDER BY ALL
