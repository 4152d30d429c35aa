-- One row an instance, a version and a minute: slots of pools in use, of the slots that there are.
WITH told AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    time_unix_nano // 60000000000 AS minute,
    name,
    series_id,
    COALESCE(value_double, CAST(value_int AS DOUBLE)) AS value,
    CASE
      WHEN name IN ('db.client.connection.max', 'db.client.connections.max')
        OR name IN ('hikaricp.connections.max', 'tomcat.threads.config.max', 'executor.pool.max')
        THEN 'max'
      WHEN name IN ('hikaricp.connections.active', 'tomcat.threads.busy', 'executor.active')
        THEN 'used'
      WHEN name IN ('db.client.connection.count', 'db.client.connections.usage')
        AND COALESCE(attributes['db.client.connection.state'], attributes['state']) = 'used'
        THEN 'used'
    END AS part
  FROM metrics
  WHERE service_name GLOB $service
    AND time_unix_nano >= $first_minute * 60000000000
    AND time_unix_nano < $end_minute * 60000000000
    AND $call IS NOT NULL
), levels AS (
  SELECT
    * EXCLUDE (value),
    LIST_AVG(LIST(value ORDER BY value)) AS level
  FROM told
  WHERE part IS NOT NULL
    AND ISFINITE(value)
  GROUP BY ALL
)
SELECT
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  '' AS operation,
  minute,
  '' AS unit,
  LIST_SUM(LIST(level ORDER BY series_id) FILTER (part = 'used')) AS top,
  LIST_SUM(LIST(level ORDER BY series_id) FILTER (part = 'max')) AS below,
  1.0 / NULLIF(LIST_SUM(LIST(level ORDER BY series_id) FILTER (part = 'max')), 0) AS spread,
  CAST(0 AS BIGINT) AS left_out
FROM levels
GROUP BY ALL
HAVING COUNT(*) FILTER (part = 'used') > 0
  AND COUNT(*) FILTER (part = 'max') > 0
