-- One row an instance, a version and a minute: the share of its fullest pool that is in use.
-- A pool of 2^31 - 1 slots, or of none, has no bounds and so no share: it is named, and so is one
-- of which an instance tells only the size or only the use. Values that are no numbers are left
-- out, and counted. A point on a whole minute is of the minute that it ends.
WITH once AS (
  SELECT
    metrics.service_name,
    metrics.service_version,
    metrics.service_instance_id,
    metrics.deployment_environment,
    (metrics.time_unix_nano - 1) // 60000000000 AS minute,
    parts.family,
    parts.part,
    metrics.series_id,
    metrics.time_unix_nano,
    COALESCE(
      LIST_FILTER(
        LIST_TRANSFORM(CAST($pool_keys AS VARCHAR[]), LAMBDA key: metrics.attributes[key]),
        LAMBDA found: found IS NOT NULL
      )[1],
      parts.family
    ) AS pool,
    COALESCE(value_double, CAST(value_int AS DOUBLE)) AS value
  FROM metrics
  JOIN pool_parts AS parts
    ON parts.name = metrics.name
  WHERE service_name GLOB $service
    AND time_unix_nano > $first_minute * 60000000000
    AND time_unix_nano <= $end_minute * 60000000000
    AND COALESCE(flags, 0) & 1 = 0
    AND (
      parts.state = ''
      OR LIST_CONTAINS(
        LIST_TRANSFORM(CAST($state_keys AS VARCHAR[]), LAMBDA key: metrics.attributes[key]),
        parts.state
      )
    )
    AND LEN(
      LIST_FILTER(
        LIST_ZIP(CAST($attribute_keys AS VARCHAR[]), CAST($attribute_values AS VARCHAR[])),
        -- What a pool may hold is told without the state that the slots in use have.
        LAMBDA pair: COALESCE(
            attributes[pair[1]],
            CASE WHEN parts.part = 'max' AND LIST_CONTAINS(CAST($state_keys AS VARCHAR[]), pair[1])
              THEN pair[2] ELSE '' END
          ) <> pair[2]
      )
    ) = 0
  QUALIFY ROW_NUMBER() OVER (
      PARTITION BY metrics.name, service_name, metric_type, series_id, time_unix_nano
      ORDER BY ingest_time_unix_nano, ingest_batch_id
    ) = 1
), levels AS (
  SELECT
    * EXCLUDE (value, time_unix_nano),
    -- Lists in an order: a sum of floating-point numbers depends on it.
    LIST_AVG(LIST(value ORDER BY time_unix_nano) FILTER (ISFINITE(value))) AS level,
    COUNT(*) FILTER (NOT ISFINITE(value)) AS left_out
  FROM once
  GROUP BY ALL
), pools AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    minute,
    family,
    pool,
    LIST_SUM(LIST(level ORDER BY series_id) FILTER (part = 'used')) AS used,
    LIST_SUM(LIST(level ORDER BY series_id) FILTER (part = 'max')) AS most,
    SUM(left_out) AS left_out
  FROM levels
  GROUP BY service_name, service_version, service_instance_id, deployment_environment, minute,
    family, pool
), shares AS (
  SELECT
    *,
    used IS NOT NULL AND (most >= 2147483647 OR most <= 0) AS is_unbounded,
    CASE WHEN most > 0 AND most < 2147483647 THEN used / most END AS share,
    -- Names are listed a line each, so none of them may have lines of its own.
    REGEXP_REPLACE(pool, '[[:cntrl:]]', ' ', 'g') AS line,
    family || '/' || line AS half,
    COUNT(used) OVER told = 0 AS is_without_use,
    COUNT(most) OVER told = 0 AS is_without_size
  FROM pools
  WHERE used IS NOT NULL
    OR most IS NOT NULL
  WINDOW told AS (
    PARTITION BY service_name, service_version, service_instance_id, deployment_environment,
      family, pool
  )
)
SELECT
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  '' AS operation,
  minute,
  MAX(share) AS top,
  CAST(1 AS DOUBLE) AS below,
  CAST(1 AS DOUBLE) AS spread,
  CAST(SUM(left_out) AS BIGINT) AS left_out,
  MIN(line) FILTER (share = most_share) AS worst,
  ARRAY_TO_STRING(LIST(DISTINCT line ORDER BY line) FILTER (is_unbounded), CHR(10)) AS unbounded,
  ARRAY_TO_STRING(LIST(DISTINCT half ORDER BY half) FILTER (is_without_use), CHR(10))
    AS without_use,
  ARRAY_TO_STRING(LIST(DISTINCT half ORDER BY half) FILTER (is_without_size), CHR(10))
    AS without_size
FROM (
  SELECT
    *,
    MAX(share) OVER (
      PARTITION BY service_name, service_version, service_instance_id, deployment_environment,
        minute
    ) AS most_share
  FROM shares
)
GROUP BY service_name, service_version, service_instance_id, deployment_environment, minute
