-- One row an instance and a span of time: median and p95 of the requests that ended in it.
-- A span is six buckets, or as many as have 80 requests, or so many that 24 spans are left. Where
-- requests that wait come together, a quantile of a short time is too low, by a share that halves
-- as the time doubles: what the span is above the mean of its halves is added once more (the
-- jackknife's way), where a half has the 40 requests of which p95 is not the slowest. The least
-- duration that so large a part of the weight does not exceed, where one more request is slower.
WITH ended AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    ended,
    ended // $bucket AS bucket,
    (ended - started) / 1e9 AS duration_s,
    weight
  FROM capacity_requests
  WHERE ended >= $since
    AND ended < $until
), merging AS (
  SELECT
    service_name,
    service_version,
    CAST(
      GREATEST(
        1,
        LEAST(
          GREATEST(6, CEIL(80 * COUNT(DISTINCT (service_instance_id, bucket)) / COUNT(*))),
          FLOOR(COUNT(DISTINCT (service_instance_id, bucket)) / 24)
        )
      ) AS BIGINT
    ) AS merged
  FROM ended
  GROUP BY ALL
), parts AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    bucket // merged AS block,
    merged,
    UNNEST([0, 1 + 2 * (ended % ($bucket * merged)) // ($bucket * merged)]) AS part,
    duration_s,
    weight
  FROM ended
  JOIN merging USING (service_name, service_version)
), ranked AS (
  SELECT
    *,
    SUM(weight) OVER (spans ORDER BY duration_s)
      / (SUM(weight) OVER spans + AVG(weight) OVER spans) AS share
  FROM parts
  WINDOW spans AS (
    PARTITION BY service_name, service_version, service_instance_id, block, part
  )
), quantiles AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    block,
    merged,
    part,
    COUNT(*) AS requests,
    COALESCE(MIN(duration_s) FILTER (share >= 0.5 - 1e-9), MAX(duration_s)) AS p50_s,
    COALESCE(MIN(duration_s) FILTER (share >= 0.95 - 1e-9), MAX(duration_s)) AS p95_s
  FROM ranked
  GROUP BY ALL
), spans AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    block,
    merged,
    MAX(requests) AS requests,
    MAX(p50_s) FILTER (part = 0) AS p50_s,
    MAX(p95_s) FILTER (part = 0) AS p95_s,
    LIST_AVG(LIST(p50_s ORDER BY part) FILTER (part > 0)) AS half_p50_s,
    LIST_AVG(LIST(p95_s ORDER BY part) FILTER (part > 0)) AS half_p95_s
  FROM quantiles
  GROUP BY ALL
)
SELECT
  service_name,
  service_version,
  service_instance_id,
  block,
  merged,
  requests,
  CASE
    WHEN requests >= 80 THEN GREATEST(2 * p50_s - half_p50_s, p50_s / 2)
    ELSE p50_s
  END AS latency_p50_s,
  CASE
    WHEN requests >= 80 THEN GREATEST(2 * p95_s - half_p95_s, p95_s / 2)
    ELSE p95_s
  END AS latency_p95_s
FROM spans
ORDER BY ALL
