-- One row a service, a version and a number of requests in flight over all instances: for how long.
WITH events AS (
  SELECT
    service_name,
    service_version,
    -- Instances count from edges of their own: here all are on one clock again.
    UNNEST([started + phase_nano, ended + phase_nano]) AS time,
    UNNEST([weight, -weight]) AS added
  FROM capacity_requests
), levels AS (
  SELECT
    service_name,
    service_version,
    -- Weights add up to sums that differ in their last digits alone.
    ROUND(SUM(added) OVER swept, 3) AS level,
    COALESCE(LEAD(time) OVER swept, time) - time AS lasted
  FROM events
  WINDOW swept AS (
    PARTITION BY service_name, service_version
    ORDER BY time, added
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  )
)
SELECT
  service_name,
  service_version,
  level,
  CAST(SUM(lasted) AS DOUBLE) / 1e9 AS seconds
FROM levels
GROUP BY ALL
HAVING SUM(lasted) > 0
ORDER BY ALL
