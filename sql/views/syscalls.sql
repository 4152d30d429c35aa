-- One row a service, a version and a system call: how often it was called and how long that took.
-- time_nano is NULL where no time was counted. Of counts that repeat those before the last counts.
WITH printed AS (
  SELECT
    *,
    COALESCE(value_double, CAST(value_int AS DOUBLE)) AS value,
    CASE LOWER(unit)
      WHEN 's' THEN 1e9
      WHEN 'seconds' THEN 1e9
      WHEN 'ms' THEN 1e6
      WHEN 'msecs' THEN 1e6
      WHEN 'milliseconds' THEN 1e6
      WHEN 'us' THEN 1e3
      WHEN 'usecs' THEN 1e3
      WHEN 'microseconds' THEN 1e3
      WHEN 'ns' THEN 1e0
      WHEN 'nsecs' THEN 1e0
      WHEN 'nanoseconds' THEN 1e0
    END AS unit_nano,
    MAX(time_unix_nano) OVER (
      PARTITION BY
        tool,
        metric,
        keys,
        service_name,
        service_version,
        service_instance_id,
        host_name,
        source_file,
        ingest_batch_id
    ) AS last_time_unix_nano
  FROM ebpf_counts
  WHERE metric IN ('syscalls', 'syscall_time')
    AND keys['syscall'] IS NOT NULL
    AND status = 'ok'
)
SELECT
  service_name,
  service_version,
  keys['syscall'] AS syscall,
  CAST(COALESCE(SUM(value) FILTER (WHERE metric = 'syscalls'), 0) AS BIGINT) AS calls,
  CAST(ROUND(SUM(value * unit_nano) FILTER (WHERE metric = 'syscall_time')) AS BIGINT) AS time_nano,
  MIN(time_unix_nano - COALESCE(interval_nano, 0)) AS first_time_unix_nano,
  MAX(time_unix_nano) AS last_time_unix_nano
FROM printed
WHERE NOT is_cumulative
  OR time_unix_nano = last_time_unix_nano
GROUP BY 1, 2, 3
