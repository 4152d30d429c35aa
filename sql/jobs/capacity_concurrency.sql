-- One row an instance and a bucket of time: requests in flight, their mean and their most.
-- A sweep over starts and ends: where they coincide ends come first. The mean is the exact
-- integral, which by Little's law is completions a second times the mean duration.
WITH edges AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    UNNEST(
      GENERATE_SERIES(
        GREATEST(MIN(started), $since) // $bucket,
        (LEAST(MAX(ended), $until) - 1) // $bucket
      )
    ) * $bucket AS time
  FROM capacity_requests
  GROUP BY
    service_name,
    service_version,
    service_instance_id
), events AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    started AS time,
    weight AS added
  FROM capacity_requests
  UNION ALL
  SELECT
    service_name,
    service_version,
    service_instance_id,
    ended AS time,
    -weight AS added
  FROM capacity_requests
  UNION ALL
  SELECT
    service_name,
    service_version,
    service_instance_id,
    time,
    0 AS added
  FROM edges
), levels AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    time,
    time // $bucket AS bucket,
    SUM(added) OVER swept AS level,
    COALESCE(LEAD(time) OVER swept, time) AS until_time
  FROM events
  WINDOW swept AS (
    PARTITION BY service_name, service_version, service_instance_id
    ORDER BY time, added
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  )
)
SELECT
  service_name,
  service_version,
  service_instance_id,
  bucket,
  LIST_SUM(
    LIST(level * (LEAST(until_time, (bucket + 1) * $bucket) - time) ORDER BY time)
  ) / $bucket AS concurrency_mean,
  MAX(level) AS concurrency_peak
FROM levels
WHERE time >= $since
  AND time < $until
GROUP BY ALL
ORDER BY ALL
