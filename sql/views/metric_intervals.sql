-- One row a data point of a sum or a histogram, each once, with the interval that it counts.
-- counts_by says how: delta, the value itself; difference, less the previous_ columns; reset, the
-- value itself after a restart; start, the value itself of a series' first point; NULL, not at all.
-- The first point after a gap counts only if its series was started anew since.
WITH once AS (
  SELECT
    *,
    COALESCE(flags, 0) & 1 = 1 AS is_gap
  FROM metrics
  WHERE metric_type IN ('sum', 'histogram', 'exponential_histogram')
  QUALIFY ROW_NUMBER() OVER (
      PARTITION BY name, service_name, metric_type, series_id, time_unix_nano
      ORDER BY COALESCE(flags, 0) & 1, ingest_time_unix_nano, ingest_batch_id
    ) = 1
), lagged AS (
  SELECT
    *,
    LAG(is_gap) OVER series AS previous_is_gap,
    LAG(time_unix_nano) OVER series AS previous_time_unix_nano,
    LAG(start_time_unix_nano) OVER series AS previous_start_time_unix_nano,
    LAG(aggregation_temporality) OVER series AS previous_temporality,
    LAG(value_double) OVER series AS previous_value_double,
    LAG(value_int) OVER series AS previous_value_int,
    LAG(count) OVER series AS previous_count,
    LAG(sum) OVER series AS previous_sum,
    LAG(explicit_bounds) OVER series AS previous_explicit_bounds,
    LAG(bucket_counts) OVER series AS previous_bucket_counts,
    LAG(scale) OVER series AS previous_scale,
    LAG(zero_count) OVER series AS previous_zero_count,
    LAG(zero_threshold) OVER series AS previous_zero_threshold,
    LAG(positive_offset) OVER series AS previous_positive_offset,
    LAG(positive_bucket_counts) OVER series AS previous_positive_bucket_counts,
    LAG(negative_offset) OVER series AS previous_negative_offset,
    LAG(negative_bucket_counts) OVER series AS previous_negative_bucket_counts,
    MAX(CASE WHEN NOT is_gap THEN time_unix_nano END) OVER (
      PARTITION BY name, service_name, metric_type, series_id
      ORDER BY time_unix_nano
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS valued_time_unix_nano
  FROM once
  WINDOW series AS (
    PARTITION BY name, service_name, metric_type, series_id
    ORDER BY time_unix_nano
  )
), judged AS (
  SELECT
    *,
    start_time_unix_nano < time_unix_nano AS has_start,
    previous_is_gap IS NOT FALSE
      OR previous_temporality IS DISTINCT FROM aggregation_temporality AS is_first,
    start_time_unix_nano
      > COALESCE(previous_start_time_unix_nano, previous_time_unix_nano - 1) AS is_restarted,
    CASE
      WHEN metric_type <> 'sum'
        THEN count < previous_count
      -- What is no number is above and below nothing: what follows it is no restart.
      WHEN NOT ISFINITE(previous_value_double) OR NOT ISFINITE(value_double)
        THEN FALSE
      WHEN value_int IS NOT NULL AND previous_value_int IS NOT NULL
        THEN is_monotonic AND value_int < previous_value_int
      ELSE is_monotonic AND COALESCE(value_double, CAST(value_int AS DOUBLE))
        < COALESCE(previous_value_double, CAST(previous_value_int AS DOUBLE))
    END AS is_fallen
  FROM lagged
), counted AS (
  SELECT
    *,
    CASE
      WHEN is_gap
        THEN NULL
      WHEN aggregation_temporality = 1
        THEN 'delta'
      WHEN is_first
        THEN CASE
          WHEN has_start AND start_time_unix_nano >= COALESCE(valued_time_unix_nano, 0)
            THEN 'start'
        END
      WHEN metric_type = 'sum' AND is_monotonic IS NOT TRUE
        THEN 'difference'
      WHEN is_restarted
        THEN CASE WHEN has_start THEN 'reset' END
      WHEN is_fallen
        THEN 'reset'
      ELSE 'difference'
    END AS counts_by
  FROM judged
)
SELECT
  service_name,
  service_namespace,
  service_version,
  service_instance_id,
  deployment_environment,
  resource_attributes,
  scope_name,
  metric_type,
  name,
  unit,
  CASE unit
    WHEN 's' THEN 1e9
    WHEN 'ms' THEN 1e6
    WHEN 'us' THEN 1e3
    WHEN 'ns' THEN 1e0
  END AS unit_nano,
  attributes,
  series_id,
  aggregation_temporality,
  is_monotonic,
  time_unix_nano,
  CASE
    WHEN counts_by IN ('delta', 'start') AND has_start
      THEN start_time_unix_nano
    WHEN counts_by = 'reset' AND is_restarted
      THEN start_time_unix_nano
    ELSE previous_time_unix_nano
  END AS since_unix_nano,
  counts_by,
  aggregation_temporality = 2
    AND NOT is_gap
    AND NOT is_first
    AND COALESCE(is_restarted OR is_fallen, FALSE) AS is_reset,
  is_gap,
  value_double,
  value_int,
  count,
  sum,
  min,
  max,
  explicit_bounds,
  bucket_counts,
  scale,
  zero_count,
  COALESCE(zero_threshold, 0) AS zero_threshold,
  positive_offset,
  positive_bucket_counts,
  negative_offset,
  negative_bucket_counts,
  previous_value_double,
  previous_value_int,
  previous_count,
  previous_sum,
  previous_explicit_bounds,
  previous_bucket_counts,
  previous_scale,
  previous_zero_count,
  COALESCE(previous_zero_threshold, 0) AS previous_zero_threshold,
  previous_positive_offset,
  previous_positive_bucket_counts,
  previous_negative_offset,
  previous_negative_bucket_counts
FROM counted
