-- One row a print of bpftrace and a bucket of its pauses, in the columns of metric_requests.
-- The source stands where an operation would.
SELECT
  (time_unix_nano - 1) // 60000000000 AS minute,
  service_instance_id,
  service_name,
  service_version,
  deployment_environment,
  CAST($place AS VARCHAR) AS operation,
  CAST(2 AS INTEGER) AS kind,
  'ok' AS outcome,
  CASE WHEN upper_nano <= 1 THEN 'zero' ELSE 'linear' END AS spacing,
  CAST(lower_nano AS DOUBLE) AS lower_nano,
  CAST(upper_nano AS DOUBLE) AS upper_nano,
  added AS requests,
  CAST(0 AS DOUBLE) AS duration_sum_nano,
  -- Of bpftrace's powers of two and of most of its steps; told once for all of them.
  TRUE AS resolution_limited
FROM gc_prints
WHERE part = 'bucket' AND added > 0
