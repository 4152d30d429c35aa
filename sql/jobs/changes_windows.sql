-- One row a service, operation and window (or version), oldest first; durations in ns.
WITH flat AS (
  SELECT
    hour * 60 AS minute,
    60 AS minutes,
    *
  FROM latency_hours
  WHERE $by_hours
    AND hour >= $first_minute // 60
    AND hour * 60 < $end_minute
  UNION ALL BY NAME
  SELECT
    1 AS minutes,
    * EXCLUDE (service_instance_id)
  FROM latency_minutes
  WHERE NOT $by_hours
    AND minute >= $first_minute
    AND minute < $end_minute
),

chosen AS (
  SELECT
    service_name,
    COALESCE(operation, '') AS operation,
    COALESCE(service_version, '') AS service_version,
    CASE WHEN $by_version THEN 0 ELSE minute // $step_minutes END AS step,
    CASE WHEN $by_version THEN COALESCE(service_version, '') ELSE '' END AS release,
    minute,
    minute + minutes AS end_minute,
    outcome,
    bucket,
    requests,
    duration_sum_nano
  FROM flat
  WHERE LIST_CONTAINS($kinds, kind)
    AND (NOT $has_service_name OR service_name = $service_name)
    AND (NOT $has_service_version OR service_version = $service_version)
    AND (NOT $has_deployment_environment OR deployment_environment = $deployment_environment)
    AND (NOT $has_operation OR operation = $operation)
),

points AS (
  SELECT
    service_name,
    operation,
    step,
    release,
    STRING_AGG(DISTINCT service_version, ', ' ORDER BY service_version) AS service_version,
    MIN(minute) AS first_minute,
    MAX(end_minute) AS end_minute,
    SUM(requests) AS requests,
    SUM(CASE WHEN outcome IN ('http_5xx', 'error') THEN requests ELSE 0 END) AS errors
  FROM chosen
  GROUP BY ALL
),

buckets AS (
  SELECT
    service_name,
    operation,
    step,
    release,
    bucket,
    SUM(requests) AS requests,
    SUM(duration_sum_nano) AS duration_sum_nano
  FROM chosen
  WHERE bucket IS NOT NULL
  GROUP BY ALL
),

ranked AS (
  SELECT
    *,
    SUM(requests) OVER up_to / SUM(requests) OVER own AS share
  FROM buckets
  WINDOW
    own AS (PARTITION BY service_name, operation, step, release),
    up_to AS (PARTITION BY service_name, operation, step, release ORDER BY bucket)
),

-- Where the quantile lies, a bucket stands for its mean: at most a bucket's width, 1.1 %, off.
quantiles AS (
  SELECT
    service_name,
    operation,
    step,
    release,
    ARG_MIN(duration_sum_nano / requests, bucket) FILTER (share >= 0.5 - 1e-12) AS p50,
    ARG_MIN(duration_sum_nano / requests, bucket) FILTER (share >= 0.95 - 1e-12) AS p95,
    ARG_MIN(duration_sum_nano / requests, bucket) FILTER (share >= 0.99 - 1e-12) AS p99
  FROM ranked
  GROUP BY ALL
)

SELECT
  points.service_name,
  points.operation,
  points.service_version,
  points.step,
  points.first_minute,
  points.end_minute,
  points.requests,
  quantiles.p50,
  quantiles.p95,
  quantiles.p99,
  points.errors / points.requests AS error_ratio
FROM points
LEFT JOIN quantiles
  ON points.service_name = quantiles.service_name
    AND points.operation = quantiles.operation
    AND points.step = quantiles.step
    AND points.release = quantiles.release
ORDER BY
  points.step,
  points.first_minute,
  points.release,
  points.service_name,
  points.operation
