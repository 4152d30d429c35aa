-- One row an instance, a version, a source and a minute: seconds in pauses, or how many they are.
-- below is the seconds that the instance was watched: from its first span to its last, or from the
-- start of the tool to its last pause. A pause belongs to the minute that it begins in.
WITH seen AS (
  SELECT
    pauses.service_name,
    pauses.service_version,
    pauses.service_instance_id,
    pauses.deployment_environment,
    pauses.source,
    MIN(spans.start_time_unix_nano) AS first_unix_nano,
    MAX(spans.end_time_unix_nano) AS last_unix_nano
  FROM (
    SELECT DISTINCT
      service_name,
      service_version,
      service_instance_id,
      deployment_environment,
      source
    FROM pauses
    WHERE source = $place
  ) AS pauses
  JOIN spans
    ON spans.service_name = pauses.service_name
    AND spans.service_version IS NOT DISTINCT FROM pauses.service_version
    AND spans.service_instance_id IS NOT DISTINCT FROM pauses.service_instance_id
    AND spans.deployment_environment IS NOT DISTINCT FROM pauses.deployment_environment
  WHERE spans.start_time_unix_nano >= $first_minute * 60000000000
    AND spans.start_time_unix_nano < $end_minute * 60000000000
  GROUP BY ALL
  UNION ALL
  SELECT
    pauses.service_name,
    pauses.service_version,
    pauses.service_instance_id,
    pauses.deployment_environment,
    pauses.source,
    MIN(ebpf_events.time_unix_nano) AS first_unix_nano,
    MAX(pauses.start_time_unix_nano + pauses.duration_nano) AS last_unix_nano
  FROM pauses
  JOIN ebpf_events
    ON ebpf_events.service_name = pauses.service_name
    AND ebpf_events.service_version IS NOT DISTINCT FROM pauses.service_version
    AND ebpf_events.service_instance_id IS NOT DISTINCT FROM pauses.service_instance_id
    AND ebpf_events.deployment_environment IS NOT DISTINCT FROM pauses.deployment_environment
    AND ebpf_events.tool = $tool
  WHERE pauses.source = $place + 1
  GROUP BY ALL
), minutes AS (
  SELECT
    *,
    UNNEST(range(first_unix_nano // 60000000000, (last_unix_nano - 1) // 60000000000 + 1)) AS minute
  FROM seen
), paused AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    source,
    start_time_unix_nano // 60000000000 AS minute,
    -- A list in an order: a sum of floating-point numbers depends on it.
    LIST_SUM(
      LIST(
        weight * CASE WHEN $counts_observations THEN 1 ELSE duration_nano / 1e9 END
        ORDER BY start_time_unix_nano, duration_nano, weight
      )
    ) AS added
  FROM pauses
  GROUP BY ALL
)
SELECT
  minutes.service_name,
  minutes.service_version,
  minutes.service_instance_id,
  minutes.deployment_environment,
  '' AS operation,
  CAST(minutes.minute AS BIGINT) AS minute,
  minutes.source,
  COALESCE(paused.added, 0) AS top,
  (
    LEAST(minutes.last_unix_nano, (minutes.minute + 1) * 60000000000)
    - GREATEST(minutes.first_unix_nano, minutes.minute * 60000000000)
  ) / 1e9 AS below,
  CAST(1 AS DOUBLE) AS spread,
  CAST(0 AS BIGINT) AS left_out
FROM minutes
LEFT JOIN paused
  ON paused.service_name = minutes.service_name
  AND paused.service_version IS NOT DISTINCT FROM minutes.service_version
  AND paused.service_instance_id IS NOT DISTINCT FROM minutes.service_instance_id
  AND paused.deployment_environment IS NOT DISTINCT FROM minutes.deployment_environment
  AND paused.source = minutes.source
  AND paused.minute = minutes.minute
