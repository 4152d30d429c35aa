-- One row an instance, a version and a minute: the level of a gauge, or of a sum that may fall.
-- A series counts by its mean in the minute; the series of a sum are added up, those of a gauge
-- stand for one another. Values that are no numbers are left out, and counted.
WITH once AS (
  SELECT
    *,
    COALESCE(value_double, CAST(value_int AS DOUBLE)) AS value
  FROM metrics
  WHERE LIST_CONTAINS(CAST($names AS VARCHAR[]), name)
    AND service_name GLOB $service
    AND (
      metric_type = 'gauge'
      OR (metric_type = 'sum' AND is_monotonic IS NOT TRUE AND aggregation_temporality = 2)
    )
    AND COALESCE(flags, 0) & 1 = 0
    AND time_unix_nano >= $first_minute * 60000000000
    AND time_unix_nano < $end_minute * 60000000000
    AND LEN(
      LIST_FILTER(
        LIST_ZIP(CAST($attribute_keys AS VARCHAR[]), CAST($attribute_values AS VARCHAR[])),
        LAMBDA pair: COALESCE(attributes[pair[1]], '') <> pair[2]
      )
    ) = 0
  QUALIFY ROW_NUMBER() OVER (
      PARTITION BY name, service_name, metric_type, series_id, time_unix_nano
      ORDER BY ingest_time_unix_nano, ingest_batch_id
    ) = 1
), by_series AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    name,
    metric_type,
    series_id,
    time_unix_nano // 60000000000 AS minute,
    ANY_VALUE(unit) AS unit,
    -- Lists in an order: a sum of floating-point numbers depends on it.
    LIST_AVG(LIST(value ORDER BY time_unix_nano) FILTER (ISFINITE(value))) AS level,
    COUNT(*) FILTER (NOT ISFINITE(value)) AS left_out
  FROM once
  GROUP BY ALL
), preferred AS (
  SELECT
    *
  FROM by_series
  QUALIFY LIST_POSITION(CAST($names AS VARCHAR[]), name)
    = MIN(LIST_POSITION(CAST($names AS VARCHAR[]), name)) OVER (PARTITION BY service_name)
)
SELECT
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  '' AS operation,
  minute,
  ANY_VALUE(unit) AS unit,
  CASE
    WHEN MAX(metric_type) = 'sum' THEN LIST_SUM(LIST(level ORDER BY series_id))
    ELSE LIST_AVG(LIST(level ORDER BY series_id))
  END AS top,
  CAST(1 AS DOUBLE) AS below,
  CAST(1 AS DOUBLE) AS spread,
  CAST(SUM(left_out) AS BIGINT) AS left_out
FROM preferred
GROUP BY
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  minute
