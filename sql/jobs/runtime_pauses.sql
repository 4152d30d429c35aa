-- One row a pause that no data point tells: spans named cpython.gc, and events of bcc's ugc.
-- ugc tells when a pause began in seconds since its own start.
SELECT
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  CAST($place AS INTEGER) AS source,
  start_time_unix_nano,
  duration_nano,
  sampling_weight AS weight
FROM spans
WHERE name = $span_name
  AND service_name GLOB $service
  AND start_time_unix_nano >= $first_minute * 60000000000
  AND start_time_unix_nano < $end_minute * 60000000000
  AND duration_nano >= 0
UNION ALL
SELECT
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  CAST($place + 1 AS INTEGER) AS source,
  time_unix_nano + CAST(1e9 * COALESCE(TRY_CAST(fields['START'] AS DOUBLE), 0) AS BIGINT)
    AS start_time_unix_nano,
  duration_nano,
  CAST(1 AS DOUBLE) AS weight
FROM ebpf_events
WHERE tool = $tool
  AND service_name GLOB $service
  AND time_unix_nano >= $first_minute * 60000000000
  AND time_unix_nano < $end_minute * 60000000000
  AND duration_nano >= 0
