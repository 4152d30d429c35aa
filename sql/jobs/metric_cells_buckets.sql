-- One row an instance, a version, a minute, a source and a bucket of the rollups: observations.
SELECT
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  '' AS operation,
  minute,
  CAST(operation AS INTEGER) AS source,
  bucket,
  -- A list in an order: a sum of floating-point numbers depends on it.
  LIST_SUM(LIST(requests ORDER BY requests)) AS below,
  BOOL_OR(resolution_limited) AS is_limited
FROM metric_latency_buckets
WHERE bucket IS NOT NULL
  AND minute >= $first_minute
  AND minute < $end_minute
GROUP BY
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  minute,
  operation,
  bucket
