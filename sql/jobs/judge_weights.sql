-- One row: whether requests in a window stand for more than themselves, as sampled ones do.
SELECT
  COALESCE(BOOL_OR(requests <> requests_squared), FALSE) AS weighted
FROM latency_minutes
WHERE minute >= $first_minute
  AND minute < $end_minute
