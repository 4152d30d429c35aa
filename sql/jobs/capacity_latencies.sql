-- One row an instance and a bucket of time: the median and p95 of the requests that ended in it.
-- The least duration that so large a part of the weight does not exceed.
WITH ranked AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    ended // $bucket AS bucket,
    (ended - started) / 1e9 AS duration_s,
    SUM(weight) OVER (
      PARTITION BY service_name, service_version, service_instance_id, ended // $bucket
      ORDER BY ended - started
    ) / SUM(weight) OVER (
      PARTITION BY service_name, service_version, service_instance_id, ended // $bucket
    ) AS share
  FROM capacity_requests
  WHERE ended >= $since
    AND ended < $until
)
SELECT
  service_name,
  service_version,
  service_instance_id,
  bucket,
  MIN(duration_s) FILTER (share >= 0.5 - 1e-9) AS latency_p50_s,
  MIN(duration_s) FILTER (share >= 0.95 - 1e-9) AS latency_p95_s
FROM ranked
GROUP BY ALL
ORDER BY ALL
