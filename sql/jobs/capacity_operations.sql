-- One row an instance, a bucket of time and an operation: requests completed, and their self time.
SELECT
  service_name,
  service_version,
  service_instance_id,
  ended // $bucket AS bucket,
  operation,
  LIST_SUM(LIST(weight ORDER BY weight)) AS completions,
  LIST_SUM(LIST(weight * self_nano / 1e9 ORDER BY weight, self_nano)) AS self_time_s,
  COUNT(*) AS requests
FROM capacity_requests
WHERE ended >= $since
  AND ended < $until
GROUP BY ALL
ORDER BY ALL
