-- One row an instance, a version and a minute: seconds in pauses, or how many they are.
-- below is the seconds that its prints are over; a print belongs to the minute that it ends in.
WITH prints AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    metric,
    time_unix_nano,
    MAX(interval_nano) / 1e9 AS seconds,
    -- A list in an order: a sum of floating-point numbers depends on it.
    LIST_SUM(LIST(added ORDER BY added)) AS added
  FROM gc_prints
  WHERE part = CASE WHEN $counts_observations THEN 'bucket' ELSE 'total' END
    AND interval_nano > 0
  GROUP BY service_name, service_version, service_instance_id, deployment_environment, metric,
    time_unix_nano
)
SELECT
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  '' AS operation,
  (time_unix_nano - 1) // 60000000000 AS minute,
  CAST($place AS INTEGER) AS source,
  LIST_SUM(LIST(added ORDER BY added)) * CASE WHEN $counts_observations THEN 1 ELSE 1e-9 END
    AS top,
  LIST_SUM(LIST(seconds ORDER BY seconds)) AS below,
  CAST(1 AS DOUBLE) AS spread,
  CAST(0 AS BIGINT) AS left_out
FROM prints
GROUP BY service_name, service_version, service_instance_id, deployment_environment, minute
