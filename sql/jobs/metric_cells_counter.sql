-- One row an instance, a version, a minute, a thing and a source: what counters, histograms added.
-- An interval belongs to the minute that it ends in; one of over an hour belongs to none. below is
-- the seconds that the instance was watched, or the observations of a histogram.
WITH counted AS (
  SELECT
    metric_intervals.*,
    sources.place,
    sources.factor,
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
  FROM metric_intervals
  JOIN metric_sources AS sources
    ON sources.name = metric_intervals.name
    AND sources.unit = COALESCE(metric_intervals.unit, '')
  WHERE LIST_CONTAINS(CAST($names AS VARCHAR[]), metric_intervals.name)
    AND service_name GLOB $service
    AND counts_by IS NOT NULL
    AND (metric_type <> 'sum' OR is_monotonic OR aggregation_temporality = 1)
    AND COALESCE(time_unix_nano - since_unix_nano, 0) <= 3600000000000
    AND LEN(
      LIST_FILTER(
        LIST_ZIP(CAST($attribute_keys AS VARCHAR[]), CAST($attribute_values AS VARCHAR[])),
        LAMBDA pair: COALESCE(attributes[pair[1]], '') <> pair[2]
      )
    ) = 0
    AND LEN(
      LIST_FILTER(
        LIST_ZIP(sources.without_keys, sources.without_patterns),
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
    COUNT(*) FILTER (NOT ISFINITE(added)) AS left_out
  FROM counted
  WHERE minute >= $first_minute
    AND minute < $end_minute
  GROUP BY ALL
)
SELECT
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  thing AS operation,
  minute,
  place AS source,
  LIST_SUM(LIST(added ORDER BY series_id)) AS top,
  CASE
    WHEN $per_observation THEN CAST(SUM(observed) AS DOUBLE)
    ELSE MAX(seconds)
  END AS below,
  CASE WHEN $per_observation THEN 1 / NULLIF(CAST(SUM(observed) AS DOUBLE), 0) ELSE 1 END AS spread,
  CAST(SUM(left_out) AS BIGINT) AS left_out
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
