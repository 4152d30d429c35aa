-- One row an instance, a version, a source, a minute and a bucket of the rollups: pauses in it.
SELECT
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  '' AS operation,
  start_time_unix_nano // 60000000000 AS minute,
  source,
  CASE
    WHEN duration_nano = 0 THEN -2147483648
    ELSE CAST(CEIL(64 * LOG2(duration_nano)) - 1 AS INTEGER)
  END AS bucket,
  LIST_SUM(LIST(weight ORDER BY weight)) AS below,
  FALSE AS is_limited
FROM pauses
GROUP BY ALL
