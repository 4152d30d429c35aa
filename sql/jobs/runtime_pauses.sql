-- One row a pause that no data point tells: spans named cpython.gc, and events of bcc's ugc.
-- A span that was sent again counts once. ugc tells when a pause began in seconds since its own
-- start, which is at most a day before the window.
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
QUALIFY ROW_NUMBER() OVER (
    PARTITION BY trace_id, span_id
    ORDER BY ingest_time_unix_nano, ingest_batch_id
  ) = 1
UNION ALL
SELECT
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  CAST($place + 1 AS INTEGER) AS source,
  began_unix_nano AS start_time_unix_nano,
  duration_nano,
  CAST(1 AS DOUBLE) AS weight
FROM (
  SELECT
    *,
    time_unix_nano + CAST(1e9 * COALESCE(TRY_CAST(fields['START'] AS DOUBLE), 0) AS BIGINT)
      AS began_unix_nano
  FROM ebpf_events
  WHERE tool = $tool
    AND service_name GLOB $service
    AND time_unix_nano >= ($first_minute - 1440) * 60000000000
    AND time_unix_nano < $end_minute * 60000000000
    AND duration_nano >= 0
)
WHERE began_unix_nano >= $first_minute * 60000000000
  AND began_unix_nano < $end_minute * 60000000000
