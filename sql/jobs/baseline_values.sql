-- One row a group and a duration, of those groups' buckets that stand in deciding_buckets.
WITH flat AS (
  SELECT
    CASE WHEN $by_service_name THEN service_name END AS service_name,
    CASE WHEN $by_service_version THEN service_version END AS service_version,
    CASE WHEN $by_service_instance_id THEN service_instance_id END AS service_instance_id,
    CASE WHEN $by_deployment_environment THEN deployment_environment END
      AS deployment_environment,
    CASE WHEN $by_operation THEN operation END AS operation,
    CASE WHEN $by_kind THEN kind END AS kind,
    CASE WHEN $by_outcome THEN outcome END AS outcome,
    CASE
      WHEN duration_nano > 0
        THEN CAST(CEIL(LOG2(CAST(duration_nano AS DOUBLE)) * 64) - 1 AS INTEGER)
      WHEN duration_nano = 0
        THEN CAST(-2147483648 AS INTEGER)
    END AS bucket,
    sampling_weight,
    CASE WHEN duration_nano >= 0 THEN duration_nano END AS duration_nano
  FROM span_facts
  WHERE start_time_unix_nano >= $since_unix_nano
    AND start_time_unix_nano < $until_unix_nano
    AND clock IN ('ok', 'reversed')
    AND (NOT $has_service_name OR service_name = $service_name)
    AND (NOT $has_service_version OR service_version = $service_version)
    AND (NOT $has_service_instance_id OR service_instance_id = $service_instance_id)
    AND (NOT $has_deployment_environment OR deployment_environment = $deployment_environment)
    AND (NOT $has_operation OR operation = $operation)
    AND (NOT $has_outcome OR outcome = $outcome)
    AND LIST_CONTAINS($kinds, kind)
)
SELECT
  deciding_buckets.row_index,
  flat.duration_nano,
  SUM(flat.sampling_weight) AS requests,
  SUM(flat.sampling_weight * flat.sampling_weight) AS requests_squared,
  COUNT(*) AS spans
FROM flat
JOIN deciding_buckets
  ON flat.bucket = deciding_buckets.bucket
  AND flat.service_name IS NOT DISTINCT FROM deciding_buckets.service_name
  AND flat.service_version IS NOT DISTINCT FROM deciding_buckets.service_version
  AND flat.service_instance_id IS NOT DISTINCT FROM deciding_buckets.service_instance_id
  AND flat.deployment_environment IS NOT DISTINCT FROM deciding_buckets.deployment_environment
  AND flat.operation IS NOT DISTINCT FROM deciding_buckets.operation
  AND flat.kind IS NOT DISTINCT FROM deciding_buckets.kind
  AND flat.outcome IS NOT DISTINCT FROM deciding_buckets.outcome
GROUP BY
  deciding_buckets.row_index,
  flat.duration_nano
