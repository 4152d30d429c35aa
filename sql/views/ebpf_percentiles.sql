-- One row a tool, a metric, a unit, a set of keys, a service and a version: percentiles.
-- Values are whole numbers: a bucket holds those from its low to its high, both included, and
-- inside it each is as likely. _low and _high bound the bucket; NULL where it has an open end, and
-- then the percentile is NULL too. Of prints that repeat what was printed before the last counts.
WITH
  printed AS (
    SELECT
      *,
      CASE WHEN high_inclusive THEN bucket_high ELSE bucket_high - 1 END AS high,
      MAX(time_unix_nano) OVER (
        PARTITION BY
          tool,
          metric,
          unit,
          keys,
          service_name,
          service_version,
          service_instance_id,
          host_name,
          pid,
          comm,
          source_file,
          ingest_batch_id
      ) AS last_time_unix_nano
    FROM ebpf_histograms
  ),
  buckets AS (
    SELECT
      tool,
      metric,
      unit,
      keys,
      service_name,
      service_version,
      bucket_low AS low,
      high,
      CAST(SUM(count) AS DOUBLE) AS count
    FROM printed
    WHERE count > 0
      AND (NOT is_cumulative OR time_unix_nano = last_time_unix_nano)
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
  ),
  ranked AS (
    SELECT
      *,
      SUM(count) OVER (
        PARTITION BY tool, metric, unit, keys, service_name, service_version
        ORDER BY low NULLS FIRST, high NULLS LAST
        ROWS UNBOUNDED PRECEDING
      ) AS reached,
      SUM(count) OVER (
        PARTITION BY tool, metric, unit, keys, service_name, service_version
      ) AS total
    FROM buckets
  ),
  wanted AS (
    SELECT
      *,
      UNNEST([0.5, 0.9, 0.95, 0.99, 1.0]) AS quantile
    FROM ranked
  ),
  found AS (
    SELECT
      *,
      low + LEAST((CAST(quantile AS DOUBLE) * total - (reached - count)) / count, 1) * (high - low)
        AS value
    FROM wanted
    -- A product that rounding lifted above a whole rank is that rank.
    WHERE CAST(quantile AS DOUBLE) * total > (reached - count) * (1 + 1e-12)
      AND CAST(quantile AS DOUBLE) * total <= reached * (1 + 1e-12)
  )
SELECT
  tool,
  metric,
  unit,
  keys,
  service_name,
  service_version,
  CAST(MAX(total) AS BIGINT) AS count,
  MAX(value) FILTER (WHERE quantile = 0.5) AS p50,
  MAX(low) FILTER (WHERE quantile = 0.5) AS p50_low,
  MAX(high) FILTER (WHERE quantile = 0.5) AS p50_high,
  MAX(value) FILTER (WHERE quantile = 0.9) AS p90,
  MAX(low) FILTER (WHERE quantile = 0.9) AS p90_low,
  MAX(high) FILTER (WHERE quantile = 0.9) AS p90_high,
  MAX(value) FILTER (WHERE quantile = 0.95) AS p95,
  MAX(low) FILTER (WHERE quantile = 0.95) AS p95_low,
  MAX(high) FILTER (WHERE quantile = 0.95) AS p95_high,
  MAX(value) FILTER (WHERE quantile = 0.99) AS p99,
  MAX(low) FILTER (WHERE quantile = 0.99) AS p99_low,
  MAX(high) FILTER (WHERE quantile = 0.99) AS p99_high,
  MAX(low) FILTER (WHERE quantile = 1) AS max_low,
  MAX(high) FILTER (WHERE quantile = 1) AS max_high
FROM found
GROUP BY tool, metric, unit, keys, service_name, service_version
