-- One row an instance, a bucket of time and an operation: requests completed, and their self time.
SELECT
  service_name,
  service_version,
  service_instance_id,
  ended // $bucket AS bucket,
  operation,
  LIST_SUM(LIST(weight ORDER BY weight)) AS completions,
  LIST_SUM(LIST(weight * self_nano / 1e9 ORDER BY weight, self_nano)) AS self_time_s,
  -- Of requests whose span tells the CPU time of its thread.
  COALESCE(
    LIST_SUM(LIST(weight * cpu_s ORDER BY weight, cpu_s) FILTER (cpu_s IS NOT NULL)),
    0
  ) AS span_cpu_s,
  COALESCE(LIST_SUM(LIST(weight ORDER BY weight) FILTER (cpu_s IS NOT NULL)), 0)
    AS span_cpu_requests,
  COUNT(*) AS requests
FROM capacity_requests
WHERE ended >= $since
  AND ended < $until
GROUP BY ALL
ORDER BY ALL
