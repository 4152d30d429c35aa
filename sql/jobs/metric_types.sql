-- One row a service, a metric, a type of its points and a unit, and whether they only rise.
SELECT DISTINCT
  service_name,
  name,
  metric_type,
  COALESCE(unit, '') AS unit,
  COALESCE(is_monotonic OR aggregation_temporality = 1, FALSE) AS is_counter
FROM metrics
WHERE LIST_CONTAINS(CAST($names AS VARCHAR[]), name)
ORDER BY ALL
