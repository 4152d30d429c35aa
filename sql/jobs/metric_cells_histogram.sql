-- One row an interval of a histogram and a bucket of it, in the columns of metric_requests.
-- Bounds are in thousand-millionths of the base unit: a duration's, in ns. The source stands where
-- an operation would.
WITH chosen AS (
  SELECT
    metric_intervals.*,
    sources.place,
    sources.factor * 1e9 AS scaled
  FROM metric_intervals
  JOIN metric_sources AS sources
    ON sources.name = metric_intervals.name
    AND sources.unit = COALESCE(metric_intervals.unit, '')
  WHERE LIST_CONTAINS(CAST($names AS VARCHAR[]), metric_intervals.name)
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
    AND LEN(
      LIST_FILTER(
        LIST_ZIP(sources.without_keys, sources.without_patterns),
        LAMBDA pair: COALESCE(attributes[pair[1]], '') GLOB pair[2]
      )
    ) = 0
)
SELECT
  (chosen.time_unix_nano - 1) // 60000000000 AS minute,
  chosen.service_instance_id,
  chosen.service_name,
  chosen.service_version,
  chosen.deployment_environment,
  CAST(chosen.place AS VARCHAR) AS operation,
  CAST(2 AS INTEGER) AS kind,
  'ok' AS outcome,
  buckets.spacing,
  buckets.lower * chosen.scaled AS lower_nano,
  buckets.upper * chosen.scaled AS upper_nano,
  buckets.count AS requests,
  CAST(0 AS DOUBLE) AS duration_sum_nano,
  buckets.resolution_limited
FROM chosen
JOIN metric_histogram_buckets AS buckets
  ON buckets.name = chosen.name
  AND buckets.series_id = chosen.series_id
  AND buckets.time_unix_nano = chosen.time_unix_nano
