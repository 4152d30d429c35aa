-- One row an instance, a counter of CPU time and a bucket: what it added, and the time it watched.
-- The stamp of a point is the end of its interval; what it added is spread over that evenly.
WITH points AS (
  SELECT
    sent.service_name,
    sent.service_version,
    sent.service_instance_id,
    sent.name,
    sent.series_id,
    sent.started - COALESCE(phases.phase_nano, 0) AS started,
    sent.ended - COALESCE(phases.phase_nano, 0) AS ended,
    sent.seconds
  FROM capacity_points AS sent
  LEFT JOIN capacity_phases AS phases USING (service_name, service_instance_id)
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
