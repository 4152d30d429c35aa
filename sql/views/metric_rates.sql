-- One row a point of a sum, with what it added since the last point of its series, a second too.
-- delta is NULL at a gap and where it is not known since when it counts; delta_int is exact.
WITH counted AS (
  SELECT
    *,
    CASE
      WHEN counts_by = 'difference'
        THEN CAST(value_int AS HUGEINT) - previous_value_int
      WHEN counts_by IS NOT NULL
        THEN CAST(value_int AS HUGEINT)
    END AS delta_int,
    CASE
      WHEN counts_by = 'difference'
        THEN COALESCE(value_double, CAST(value_int AS DOUBLE))
          - COALESCE(previous_value_double, CAST(previous_value_int AS DOUBLE))
      WHEN counts_by IS NOT NULL
        THEN value_double
    END AS delta_double,
    (time_unix_nano - since_unix_nano) / 1e9 AS interval_seconds
  FROM metric_intervals
  WHERE metric_type = 'sum'
)
SELECT
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  name,
  unit,
  attributes,
  series_id,
  aggregation_temporality,
  is_monotonic,
  make_timestamp_ns(time_unix_nano) AS time,
  time_unix_nano,
  interval_seconds,
  COALESCE(CAST(delta_int AS DOUBLE), delta_double) AS delta,
  delta_int,
  COALESCE(CAST(delta_int AS DOUBLE), delta_double)
    / CASE WHEN interval_seconds > 0 THEN interval_seconds END AS rate_per_second,
  is_reset,
  is_gap
FROM counted
