-- One row an instance, a version, a minute, a thing and a source: what counters, histograms added.
-- An interval belongs to the minute that it ends in; one of over an hour belongs to none. below is
-- the seconds that the instance was watched, or the observations of a histogram. Of deltas no point
-- is sent where nothing was counted: there the instance is watched while it sends points of any
-- metric, and nothing was added.
WITH told AS (
  SELECT
    metric_intervals.* REPLACE (
      -- A series that begins late had nothing to count when its like were read before.
      CASE
        WHEN counts_by = 'start'
          THEN GREATEST(
            since_unix_nano,
            COALESCE(MAX(time_unix_nano) OVER earlier, since_unix_nano)
          )
        ELSE since_unix_nano
      END AS since_unix_nano
    ),
    sources.place,
    sources.factor,
    sources.without_keys,
    sources.without_patterns
  FROM metric_intervals
  JOIN metric_sources AS sources
    ON sources.name = metric_intervals.name
    AND sources.unit = COALESCE(metric_intervals.unit, '')
  WHERE LIST_CONTAINS(CAST($names AS VARCHAR[]), metric_intervals.name)
    AND service_name GLOB $service
    AND counts_by IS NOT NULL
    AND (metric_type <> 'sum' OR is_monotonic OR aggregation_temporality = 1)
  WINDOW earlier AS (
    PARTITION BY service_name, service_version, service_instance_id, deployment_environment, place
    ORDER BY time_unix_nano
    RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
  )
), counted AS (
  SELECT
    *,
    (time_unix_nano - 1) // 60000000000 AS minute,
    (time_unix_nano - since_unix_nano) / 1e9 AS seconds,
    CASE
      WHEN metric_type = 'sum' AND counts_by = 'difference'
        THEN COALESCE(
          CAST(CAST(value_int AS HUGEINT) - previous_value_int AS DOUBLE),
          COALESCE(value_double, CAST(value_int AS DOUBLE))
            - COALESCE(previous_value_double, CAST(previous_value_int AS DOUBLE))
        )
      WHEN metric_type = 'sum'
        THEN COALESCE(value_double, CAST(value_int AS DOUBLE))
      WHEN $counts_observations
        THEN CASE WHEN counts_by = 'difference' THEN count - previous_count ELSE count END
      WHEN counts_by = 'difference'
        THEN sum - previous_sum
      ELSE sum
    END AS added,
    CASE
      WHEN counts_by = 'difference' THEN count - previous_count
      ELSE count
    END AS observed
  FROM told
  WHERE COALESCE(time_unix_nano - since_unix_nano, 0) <= 3600000000000
    AND LEN(
      LIST_FILTER(
        LIST_ZIP(CAST($attribute_keys AS VARCHAR[]), CAST($attribute_values AS VARCHAR[])),
        LAMBDA pair: COALESCE(attributes[pair[1]], '') <> pair[2]
      )
    ) = 0
    AND LEN(
      LIST_FILTER(
        LIST_ZIP(without_keys, without_patterns),
        LAMBDA pair: COALESCE(attributes[pair[1]], '') GLOB pair[2]
      )
    ) = 0
), by_series AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    place,
    series_id,
    minute,
    -- Lists in an order: a sum of floating-point numbers depends on it.
    LIST_SUM(LIST(added * factor ORDER BY time_unix_nano) FILTER (ISFINITE(added))) AS added,
    SUM(observed) FILTER (ISFINITE(added)) AS observed,
    LIST_SUM(LIST(seconds ORDER BY time_unix_nano)) AS seconds,
    COUNT(*) FILTER (NOT ISFINITE(added)) AS left_out,
    BOOL_OR(aggregation_temporality = 1) AS is_delta
  FROM counted
  WHERE minute >= $first_minute
    AND minute < $end_minute
  GROUP BY ALL
), cells AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    thing,
    minute,
    place,
    LIST_SUM(LIST(added ORDER BY series_id)) AS top,
    SUM(observed) AS observed,
    MAX(seconds) AS seconds,
    CAST(SUM(left_out) AS BIGINT) AS left_out,
    BOOL_OR(is_delta) AS is_delta
  FROM by_series
  JOIN metric_things
    USING (place, series_id)
  GROUP BY
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    thing,
    minute,
    place
), deltas AS (
  SELECT DISTINCT
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    thing,
    place
  FROM cells
  WHERE is_delta AND NOT $per_observation
), sent AS (
  SELECT DISTINCT
    metrics.service_name,
    metrics.service_version,
    metrics.service_instance_id,
    metrics.deployment_environment,
    metrics.time_unix_nano
  FROM metrics
  SEMI JOIN deltas
    ON deltas.service_name = metrics.service_name
    AND deltas.service_version IS NOT DISTINCT FROM metrics.service_version
    AND deltas.service_instance_id IS NOT DISTINCT FROM metrics.service_instance_id
    AND deltas.deployment_environment IS NOT DISTINCT FROM metrics.deployment_environment
  WHERE metrics.service_name GLOB $service
    AND metrics.time_unix_nano > ($first_minute - 5) * 60000000000
    AND metrics.time_unix_nano <= $end_minute * 60000000000
), watched AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    (time_unix_nano - 1) // 60000000000 AS minute,
    CAST(SUM(gap_nano) AS DOUBLE) / 1e9 AS seconds
  FROM (
    SELECT
      *,
      time_unix_nano - LAG(time_unix_nano) OVER (
        PARTITION BY service_name, service_version, service_instance_id, deployment_environment
        ORDER BY time_unix_nano
      ) AS gap_nano
    FROM sent
  )
  -- One that is silent for longer is not there, as levels have it.
  WHERE gap_nano <= 300000000000
    AND time_unix_nano > $first_minute * 60000000000
  GROUP BY ALL
), idle AS (
  SELECT
    deltas.*,
    watched.minute,
    watched.seconds
  FROM deltas
  JOIN watched
    ON watched.service_name = deltas.service_name
    AND watched.service_version IS NOT DISTINCT FROM deltas.service_version
    AND watched.service_instance_id IS NOT DISTINCT FROM deltas.service_instance_id
    AND watched.deployment_environment IS NOT DISTINCT FROM deltas.deployment_environment
), every AS (
  SELECT
    *
  FROM cells
  UNION ALL BY NAME
  SELECT
    *
  FROM idle
)
SELECT
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  thing AS operation,
  minute,
  place AS source,
  CASE WHEN COUNT(is_delta) > 0 THEN ANY_VALUE(top) ELSE 0 END AS top,
  CASE
    WHEN $per_observation THEN CAST(SUM(observed) AS DOUBLE)
    ELSE MAX(seconds)
  END AS below,
  CASE WHEN $per_observation THEN 1 / NULLIF(CAST(SUM(observed) AS DOUBLE), 0) ELSE 1 END AS spread,
  COALESCE(ANY_VALUE(left_out), 0) AS left_out
FROM every
GROUP BY
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  thing,
  minute,
  place
