-- One row an interval of a histogram and a bucket of it, in the columns of metric_requests.
-- Bounds are in thousand-millionths of the metric's unit, or of a second: a duration's, in ns.
WITH chosen AS (
  SELECT
    *,
    CASE WHEN $in_seconds THEN COALESCE(unit_nano, 1e9) ELSE 1e9 END AS factor
  FROM metric_intervals
  WHERE LIST_CONTAINS(CAST($names AS VARCHAR[]), name)
    AND service_name GLOB $service
    AND counts_by IS NOT NULL
    AND metric_type IN ('histogram', 'exponential_histogram')
    AND COALESCE(time_unix_nano - since_unix_nano, 0) <= 3600000000000
    AND LEN(
      LIST_FILTER(
        LIST_ZIP(CAST($attribute_keys AS VARCHAR[]), CAST($attribute_values AS VARCHAR[])),
        LAMBDA pair: COALESCE(attributes[pair[1]], '') <> pair[2]
      )
    ) = 0
), preferred AS (
  SELECT
    *
  FROM chosen
  QUALIFY LIST_POSITION(CAST($names AS VARCHAR[]), name)
    = MIN(LIST_POSITION(CAST($names AS VARCHAR[]), name)) OVER (PARTITION BY service_name)
)
SELECT
  (preferred.time_unix_nano - 1) // 60000000000 AS minute,
  preferred.service_instance_id,
  preferred.service_name,
  preferred.service_version,
  preferred.deployment_environment,
  preferred.unit AS operation,
  CAST(2 AS INTEGER) AS kind,
  'ok' AS outcome,
  buckets.spacing,
  buckets.lower * preferred.factor AS lower_nano,
  buckets.upper * preferred.factor AS upper_nano,
  buckets.count AS requests,
  CAST(0 AS DOUBLE) AS duration_sum_nano,
  buckets.resolution_limited
FROM preferred
JOIN metric_histogram_buckets AS buckets
  ON buckets.name = preferred.name
  AND buckets.series_id = preferred.series_id
  AND buckets.time_unix_nano = preferred.time_unix_nano
