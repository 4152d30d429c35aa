-- One row an interval of an exponential histogram, a sign and an index of a bucket that holds any.
-- sign 0 is the zero bucket. Two points of unlike scale or zero threshold are compared at the
-- coarser; a falling bucket is a reset.
WITH exponential AS (
  SELECT
    name,
    series_id,
    time_unix_nano,
    counts_by = 'difference' AS is_difference,
    counts_by <> 'difference'
      OR (
        scale IS NOT DISTINCT FROM previous_scale
        AND zero_threshold = previous_zero_threshold
        AND positive_offset IS NOT DISTINCT FROM previous_positive_offset
        AND negative_offset IS NOT DISTINCT FROM previous_negative_offset
      ) AS is_aligned,
    CASE
      WHEN counts_by = 'difference'
        THEN LEAST(scale, previous_scale)
      ELSE scale
    END AS common_scale,
    CASE
      WHEN counts_by = 'difference'
        THEN GREATEST(zero_threshold, previous_zero_threshold)
      ELSE zero_threshold
    END AS common_threshold,
    min,
    max,
    scale,
    zero_count,
    positive_offset,
    positive_bucket_counts,
    negative_offset,
    negative_bucket_counts,
    previous_scale,
    previous_zero_count,
    previous_positive_offset,
    previous_positive_bucket_counts,
    previous_negative_offset,
    previous_negative_bucket_counts
  FROM metric_intervals
  WHERE metric_type = 'exponential_histogram'
    AND counts_by IS NOT NULL
), aligned AS (
  SELECT
    name,
    series_id,
    time_unix_nano,
    common_scale,
    common_threshold,
    min,
    max,
    UNNEST([1, 0, -1]) AS sign,
    UNNEST([positive_offset, 0, negative_offset]) AS first_index,
    UNNEST([positive_bucket_counts, [zero_count], negative_bucket_counts]) AS counts,
    UNNEST(
      CASE
        WHEN is_difference
          THEN [
            previous_positive_bucket_counts,
            [previous_zero_count],
            previous_negative_bucket_counts
          ]
        ELSE [[], [], []]
      END
    ) AS previous_counts
  FROM exponential
  WHERE is_aligned
), aligned_sides AS (
  SELECT
    *,
    list_transform(
      list_zip(counts, previous_counts),
      lambda pair: COALESCE(pair[1], 0) - COALESCE(pair[2], 0)
    ) AS added
  FROM aligned
), aligned_points AS (
  SELECT
    *,
    COALESCE(
      MIN(list_min(added)) OVER (PARTITION BY name, series_id, time_unix_nano) < 0,
      FALSE
    ) AS is_reset
  FROM aligned_sides
), aligned_rows AS (
  SELECT
    name,
    series_id,
    time_unix_nano,
    common_scale,
    common_threshold,
    min,
    max,
    sign,
    UNNEST(range(first_index, first_index + len(added))) AS index,
    UNNEST(CASE WHEN is_reset THEN counts ELSE added END) AS count,
    is_reset
  FROM aligned_points
), sides AS (
  SELECT
    *,
    UNNEST([1, 1, -1, -1]) AS sign,
    UNNEST([1, -1, 1, -1]) AS term,
    UNNEST([
      positive_offset,
      previous_positive_offset,
      negative_offset,
      previous_negative_offset
    ]) AS first_index,
    UNNEST([
      positive_bucket_counts,
      previous_positive_bucket_counts,
      negative_bucket_counts,
      previous_negative_bucket_counts
    ]) AS counts,
    UNNEST([scale, previous_scale, scale, previous_scale]) - common_scale AS steps
  FROM exponential
  WHERE NOT is_aligned
), indexed AS (
  SELECT
    name,
    series_id,
    time_unix_nano,
    common_scale,
    common_threshold,
    min,
    max,
    sign,
    term,
    steps,
    UNNEST(range(first_index, first_index + len(counts))) AS fine_index,
    UNNEST(counts) AS count
  FROM sides
), terms AS (
  SELECT
    name,
    series_id,
    time_unix_nano,
    common_scale,
    common_threshold,
    min,
    max,
    CASE
      WHEN POW(2, ((fine_index >> steps) + 1) * POW(2, -common_scale)) <= common_threshold
        THEN 0
      ELSE sign
    END AS sign,
    CASE
      WHEN POW(2, ((fine_index >> steps) + 1) * POW(2, -common_scale)) <= common_threshold
        THEN 0
      ELSE fine_index >> steps
    END AS index,
    term,
    count
  FROM indexed
  UNION ALL
  SELECT
    name,
    series_id,
    time_unix_nano,
    common_scale,
    common_threshold,
    min,
    max,
    0 AS sign,
    0 AS index,
    UNNEST([1, -1]) AS term,
    UNNEST([zero_count, previous_zero_count]) AS count
  FROM exponential
  WHERE NOT is_aligned
), summed AS (
  SELECT
    name,
    series_id,
    time_unix_nano,
    common_scale,
    common_threshold,
    min,
    max,
    sign,
    index,
    SUM(CASE WHEN term = 1 THEN count ELSE 0 END) AS count,
    SUM(term * count) AS added
  FROM terms
  GROUP BY ALL
), judged AS (
  SELECT
    *,
    MIN(added) OVER (PARTITION BY name, series_id, time_unix_nano) < 0 AS is_reset
  FROM summed
)
SELECT
  *
FROM aligned_rows
WHERE count > 0
UNION ALL
SELECT
  name,
  series_id,
  time_unix_nano,
  common_scale,
  common_threshold,
  min,
  max,
  sign,
  index,
  CAST(CASE WHEN is_reset THEN count ELSE added END AS BIGINT) AS count,
  is_reset
FROM judged
WHERE CASE WHEN is_reset THEN count ELSE added END > 0
