-- One row a service and a version: squared coefficients of variation of arrivals, of own work and
-- of durations, and the mean duration. Arrivals are the times between requests of an instance
-- within a bucket, so that a ramp is no burst; own work and durations are those of the quieter half
-- of the buckets, where little of them is waiting.
WITH arrivals AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    started // $bucket AS bucket,
    operation,
    started - LAG(started) OVER (
      PARTITION BY service_name, service_version, service_instance_id, started // $bucket
      ORDER BY started
    ) AS apart,
    self_nano,
    ended - started AS duration_nano,
    COUNT(*) OVER (
      PARTITION BY service_name, service_version, service_instance_id, started // $bucket
    ) AS requests
  FROM capacity_requests
), buckets AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    bucket,
    VAR_SAMP(apart) / POWER(AVG(apart), 2) AS arrival_scv,
    COUNT(apart) AS gaps
  FROM arrivals
  GROUP BY ALL
  HAVING COUNT(apart) >= 10
    AND AVG(apart) > 0
), bursts AS (
  SELECT
    service_name,
    service_version,
    LIST_SUM(LIST(arrival_scv * gaps ORDER BY arrival_scv, gaps)) / SUM(gaps) AS arrival_scv
  FROM buckets
  GROUP BY ALL
), quiet AS (
  SELECT
    service_name,
    service_version,
    self_nano,
    duration_nano
  FROM arrivals
  QUALIFY requests <= MEDIAN(requests) OVER (PARTITION BY service_name, service_version)
), work AS (
  SELECT
    service_name,
    service_version,
    LIST(CAST(self_nano AS DOUBLE) ORDER BY self_nano) AS work,
    LIST(CAST(duration_nano AS DOUBLE) ORDER BY duration_nano) AS durations
  FROM quiet
  GROUP BY ALL
  HAVING SUM(self_nano) > 0
)
SELECT
  service_name,
  service_version,
  arrival_scv,
  LIST_VAR_SAMP(work) / POWER(LIST_AVG(work), 2) AS service_scv,
  LIST_VAR_SAMP(durations) / POWER(LIST_AVG(durations), 2) AS duration_scv,
  LIST_AVG(durations) / 1e9 AS duration_s
FROM bursts
JOIN work USING (service_name, service_version)
ORDER BY ALL
