-- One row a service, a version and an instance: its requests in the minutes of a window.
SELECT
  service_name,
  service_version,
  service_instance_id,
  SUM(requests) AS requests
FROM latency_minutes
WHERE kind IN (2, 5)
  AND minute >= $first_minute
  AND minute < $end_minute
GROUP BY 1, 2, 3
