-- One row an instance, a version, a source and a minute: seconds in pauses, or how many they are.
-- below is the seconds that the instance was watched: from its first span to its last, or from the
-- start of each recording of the tool to its last pause. A pause belongs to the minute that it
-- begins in.
WITH seen AS (
  SELECT
    pauses.service_name,
    pauses.service_version,
    pauses.service_instance_id,
    pauses.deployment_environment,
    pauses.source,
    MIN(spans.start_time_unix_nano) AS first_unix_nano,
    LEAST(
      MAX(spans.end_time_unix_nano),
      -- A stream goes on, and a clock may be wrong: neither shows that pauses were told until then.
      MAX(spans.start_time_unix_nano) + 60000000000,
      $end_minute * 60000000000
    ) AS last_unix_nano
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
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    CAST($place + 1 AS INTEGER) AS source,
    GREATEST(time_unix_nano, $first_minute * 60000000000) AS first_unix_nano,
    LEAST(
      MAX(
        time_unix_nano
        + CAST(1e9 * COALESCE(TRY_CAST(fields['START'] AS DOUBLE), 0) AS BIGINT)
        + duration_nano
      ),
      $end_minute * 60000000000
    ) AS last_unix_nano
  FROM ebpf_events
  WHERE tool = $tool
    AND service_name GLOB $service
    AND time_unix_nano >= ($first_minute - 1440) * 60000000000
    AND time_unix_nano < $end_minute * 60000000000
    AND duration_nano >= 0
  GROUP BY service_name, service_version, service_instance_id, deployment_environment,
    time_unix_nano, source_file
), parts AS (
  SELECT
    *,
    UNNEST(range(first_unix_nano // 60000000000, (last_unix_nano - 1) // 60000000000 + 1)) AS minute
  FROM seen
  WHERE last_unix_nano > first_unix_nano
), minutes AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    source,
    minute,
    SUM(
      LEAST(last_unix_nano, (minute + 1) * 60000000000)
      - GREATEST(first_unix_nano, minute * 60000000000)
    ) AS watched_nano
  FROM parts
  GROUP BY ALL
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
  CAST(minutes.watched_nano AS DOUBLE) / 1e9 AS below,
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
