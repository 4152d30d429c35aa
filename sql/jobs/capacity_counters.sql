-- One row an instance, a counter of CPU time and a bucket: what it added, and the time it watched.
-- The stamp of a point is the end of its interval; what it added is spread over that evenly.
WITH points AS (
  SELECT
    rates.service_name,
    COALESCE(rates.service_version, '') AS service_version,
    COALESCE(rates.service_instance_id, '') AS service_instance_id,
    name,
    series_id,
    time_unix_nano - COALESCE(phase_nano, 0) AS ended,
    time_unix_nano - COALESCE(phase_nano, 0)
      - CAST(ROUND(interval_seconds * 1e9) AS BIGINT) AS started,
    delta * CASE unit
      WHEN 'ms' THEN 1e-3
      WHEN 'us' THEN 1e-6
      WHEN 'ns' THEN 1e-9
      ELSE 1
    END AS seconds
  FROM metric_rates AS rates
  LEFT JOIN capacity_phases AS phases
    ON phases.service_name = rates.service_name
    AND phases.service_instance_id = COALESCE(rates.service_instance_id, '')
  WHERE LIST_CONTAINS(CAST($counters AS VARCHAR[]), name)
    AND rates.service_name GLOB $service
    AND delta >= 0
    AND interval_seconds BETWEEN 0.001 AND 3600
    AND time_unix_nano > $since
    AND time_unix_nano < $until + 3600000000000
    AND COALESCE(
      attributes['cpu.mode'],
      attributes['process.cpu.state'],
      attributes['container.cpu.state'],
      attributes['state'],
      ''
    ) NOT IN ('idle', 'wait', 'iowait', 'steal')
), spread AS (
  SELECT
    *,
    UNNEST(GENERATE_SERIES(started // $bucket, (ended - 1) // $bucket)) AS bucket
  FROM points
), shares AS (
  SELECT
    *,
    LEAST(ended, (bucket + 1) * $bucket) - GREATEST(started, bucket * $bucket) AS inside
  FROM spread
), by_series AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    name,
    bucket,
    series_id,
    LIST_SUM(LIST(seconds * inside / (ended - started) ORDER BY ended)) AS seconds,
    SUM(inside) / 1e9 AS watched_s,
    MEDIAN(ended - started) / 1e9 AS interval_s
  FROM shares
  GROUP BY ALL
)
SELECT
  service_name,
  service_version,
  service_instance_id,
  name,
  bucket,
  LIST_SUM(LIST(seconds ORDER BY series_id)) AS seconds,
  MIN(watched_s) AS watched_s,
  MEDIAN(interval_s) AS interval_s
FROM by_series
GROUP BY ALL
ORDER BY ALL
