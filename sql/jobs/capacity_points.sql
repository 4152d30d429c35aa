-- One row a point of a counter of CPU time: what it added, in seconds, from when to when; NULL
-- where its unit is none of time.
SELECT
  service_name,
  COALESCE(service_version, '') AS service_version,
  COALESCE(service_instance_id, '') AS service_instance_id,
  name,
  unit,
  series_id,
  time_unix_nano - CAST(ROUND(interval_seconds * 1e9) AS BIGINT) AS started,
  time_unix_nano AS ended,
  delta * CASE
    WHEN COALESCE(unit, '') IN ('', 's', 'seconds') THEN 1
    WHEN unit IN ('ms', 'milliseconds') THEN 1e-3
    WHEN unit IN ('us', 'microseconds') THEN 1e-6
    WHEN unit IN ('ns', 'nanoseconds') THEN 1e-9
  END AS seconds
FROM metric_rates
WHERE LIST_CONTAINS(CAST($counters AS VARCHAR[]), name)
  AND service_name GLOB $service
  AND (NOT $has_environment OR COALESCE(deployment_environment, $environment) = $environment)
  AND delta >= 0
  AND ISFINITE(delta)
  AND interval_seconds BETWEEN 0.001 AND 3600
  AND time_unix_nano > $since
  AND time_unix_nano < $until + 3600000000000
  AND COALESCE(
    attributes['cpu.mode'],
    attributes['process.cpu.state'],
    attributes['container.cpu.state'],
    attributes['state'],
    ''
  ) NOT IN ('idle', 'wait', 'iowait', 'steal')
