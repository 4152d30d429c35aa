-- One row a type of the points of a metric, and whether they only rise.
SELECT DISTINCT
  metric_type,
  COALESCE(is_monotonic OR aggregation_temporality = 1, FALSE) AS is_counter
FROM metrics
WHERE LIST_CONTAINS(CAST($names AS VARCHAR[]), name)
ORDER BY ALL
