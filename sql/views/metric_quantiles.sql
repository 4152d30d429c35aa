-- One row an interval of a histogram or a point of a summary, and a quantile of it.
-- Histograms have 0.5, 0.95 and 0.99, summaries those that were sent. lower and upper bound the
-- bucket that the value is in: inside it is as likely everywhere, or, where the buckets are
-- exponential, on the log scale. resolution_limited: that bucket is wider than 5 percent.
WITH ranked AS (
  SELECT
    *,
    SUM(count) OVER (
      PARTITION BY name, series_id, time_unix_nano
      ORDER BY lower, upper
      ROWS UNBOUNDED PRECEDING
    ) AS reached,
    CAST(SUM(count) OVER (PARTITION BY name, series_id, time_unix_nano) AS DOUBLE) AS total
  FROM metric_histogram_buckets
), wanted AS (
  SELECT
    *,
    UNNEST([0.5, 0.95, 0.99]) AS quantile
  FROM ranked
), found AS (
  SELECT
    *,
    LEAST((CAST(quantile AS DOUBLE) * total - (reached - count)) / count, 1) AS part
  FROM wanted
  -- A product that rounding lifted above a whole rank is that rank.
  WHERE CAST(quantile AS DOUBLE) * total > (reached - count) * (1 + 1e-12)
    AND CAST(quantile AS DOUBLE) * total <= reached * (1 + 1e-12)
), valued AS (
  SELECT
    *,
    CASE
      WHEN spacing = 'zero'
        THEN LEAST(GREATEST(0, lower), upper)
      WHEN spacing = 'log' AND lower < upper
        THEN SIGN(lower) * POW(
          2,
          LOG2(ABS(lower)) + part * (LOG2(ABS(upper)) - LOG2(ABS(lower)))
        )
      ELSE lower + part * (upper - lower)
    END AS value
  FROM found
), joined AS (
  SELECT
    series.*,
    valued.total,
    CAST(valued.quantile AS DOUBLE) AS quantile,
    valued.value,
    valued.lower,
    valued.upper,
    valued.resolution_limited,
    series.is_reset OR valued.is_reset AS has_reset
  FROM metric_intervals AS series
  JOIN valued
    ON valued.name = series.name
    AND valued.series_id = series.series_id
    AND valued.time_unix_nano = series.time_unix_nano
), summaries AS (
  SELECT
    *,
    UNNEST(quantile_values) AS pair
  FROM metrics
  WHERE metric_type = 'summary'
    AND COALESCE(flags, 0) & 1 = 0
  QUALIFY ROW_NUMBER() OVER (
      PARTITION BY name, service_name, metric_type, series_id, time_unix_nano
      ORDER BY ingest_time_unix_nano, ingest_batch_id
    ) = 1
), both_kinds AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    metric_type,
    name,
    unit,
    unit_nano,
    attributes,
    series_id,
    time_unix_nano,
    since_unix_nano,
    CAST(total AS BIGINT) AS count,
    quantile,
    value,
    lower,
    upper,
    resolution_limited,
    has_reset AS is_reset
  FROM joined
  UNION ALL
  SELECT
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
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
    time_unix_nano,
    start_time_unix_nano AS since_unix_nano,
    count,
    pair.quantile,
    pair.value,
    NULL AS lower,
    NULL AS upper,
    NULL AS resolution_limited,
    FALSE AS is_reset
  FROM summaries
)
SELECT
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  metric_type,
  name,
  unit,
  attributes,
  series_id,
  make_timestamp_ns(time_unix_nano) AS time,
  time_unix_nano,
  (time_unix_nano - since_unix_nano) / 1e9 AS interval_seconds,
  count,
  quantile,
  value,
  value * unit_nano / 1e9 AS value_seconds,
  lower,
  upper,
  lower * unit_nano / 1e9 AS lower_seconds,
  upper * unit_nano / 1e9 AS upper_seconds,
  resolution_limited,
  is_reset
FROM both_kinds
