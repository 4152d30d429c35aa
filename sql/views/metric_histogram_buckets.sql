-- One row an interval of a histogram and a bucket that something fell in; lower, upper is an order.
-- Bounds are in the metric's own unit, narrowed to min and max where these were sent. A falling
-- bucket is a reset; points of unlike bounds have no difference.
WITH explicit AS (
  SELECT
    name,
    series_id,
    time_unix_nano,
    min,
    max,
    explicit_bounds,
    bucket_counts,
    CASE
      WHEN counts_by <> 'difference'
        THEN bucket_counts
      WHEN explicit_bounds = previous_explicit_bounds
        THEN list_transform(
          list_zip(bucket_counts, previous_bucket_counts),
          lambda pair: pair[1] - pair[2]
        )
    END AS added
  FROM metric_intervals
  WHERE metric_type = 'histogram'
    AND counts_by IS NOT NULL
), explicit_rows AS (
  SELECT
    name,
    series_id,
    time_unix_nano,
    min,
    max,
    explicit_bounds,
    COALESCE(list_min(added) < 0, FALSE) AS is_reset,
    UNNEST(CASE WHEN list_min(added) < 0 THEN bucket_counts ELSE added END) AS count,
    UNNEST(range(1, len(added) + 1)) AS place
  FROM explicit
), exponents AS (
  SELECT
    *,
    -- What doubles reach from zero up.
    LEAST(GREATEST(index * POW(2, -common_scale), -1074), 1023) AS low_exponent,
    LEAST(GREATEST((index + 1) * POW(2, -common_scale), -1074), 1023) AS high_exponent
  FROM metric_exponential_counts
), bounded AS (
  SELECT
    name,
    series_id,
    time_unix_nano,
    'linear' AS spacing,
    COALESCE(
      explicit_bounds[place - 1],
      min,
      CASE WHEN explicit_bounds[place] >= 0 THEN 0 ELSE explicit_bounds[place] END
    ) AS lower,
    COALESCE(explicit_bounds[place], max, explicit_bounds[place - 1]) AS upper,
    place > len(explicit_bounds) AND max IS NULL AS is_open,
    min,
    max,
    count,
    is_reset
  FROM explicit_rows
  WHERE count > 0
  UNION ALL
  SELECT
    name,
    series_id,
    time_unix_nano,
    CASE WHEN sign = 0 THEN 'zero' ELSE 'log' END AS spacing,
    CASE sign
      WHEN 1 THEN POW(2, low_exponent)
      WHEN 0 THEN -common_threshold
      ELSE -POW(2, high_exponent)
    END AS lower,
    CASE sign
      WHEN 1 THEN POW(2, high_exponent)
      WHEN 0 THEN common_threshold
      ELSE -POW(2, low_exponent)
    END AS upper,
    FALSE AS is_open,
    min,
    max,
    count,
    is_reset
  FROM exponents
), narrowed AS (
  SELECT
    name,
    series_id,
    time_unix_nano,
    spacing,
    LEAST(GREATEST(lower, min), upper) AS lower,
    GREATEST(LEAST(upper, max), lower) AS upper,
    is_open,
    count,
    is_reset
  FROM bounded
)
SELECT
  name,
  series_id,
  time_unix_nano,
  spacing,
  lower,
  upper,
  count,
  is_reset,
  is_open OR upper - lower > 0.05 * LEAST(ABS(lower), ABS(upper)) AS resolution_limited
FROM narrowed
