-- One row an instance, a version and a minute: reads of caches, and the hits among them.
SELECT
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  '' AS operation,
  start_time_unix_nano // 60000000000 AS minute,
  'ratio' AS unit,
  SUM(CASE WHEN cache_hit THEN sampling_weight ELSE 0 END) AS top,
  SUM(sampling_weight) AS below,
  SUM(sampling_weight * sampling_weight) / POW(SUM(sampling_weight), 2) AS spread,
  0 AS left_out
FROM spans
WHERE cache_hit IS NOT NULL
  AND service_name GLOB $service
  AND ($call = '' OR name GLOB $call)
  AND start_time_unix_nano >= $first_minute * 60000000000
  AND start_time_unix_nano < $end_minute * 60000000000
  AND start_time_unix_nano <= ingest_time_unix_nano + 86400000000000
GROUP BY
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  minute
