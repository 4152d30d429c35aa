-- One row an instance, a gauge, a pool and a bucket of time: its least, its mean and its most.
-- Series of one gauge, such as the pools of a heap, are added up.
WITH points AS (
  SELECT
    metrics.service_name,
    COALESCE(metrics.service_version, '') AS service_version,
    COALESCE(metrics.service_instance_id, '') AS service_instance_id,
    name,
    CASE
      WHEN LIST_CONTAINS(CAST($pool_gauges AS VARCHAR[]), name)
        THEN COALESCE(
          LIST_FILTER(
            LIST_TRANSFORM(CAST($pool_keys AS VARCHAR[]), LAMBDA key: metrics.attributes[key]),
            LAMBDA told: told IS NOT NULL
          )[1],
          ''
        )
      ELSE ''
    END AS pool,
    series_id,
    time_unix_nano,
    -- A point is the level at the end of its interval, also where it is read a little late.
    (time_unix_nano - COALESCE(phase_nano, 0) - 1 - $bucket // 10) // $bucket AS bucket,
    (time_unix_nano - COALESCE(phase_nano, 0) - 1 - $bucket // 10) % $bucket / $bucket + 0.1
      AS place,
    COALESCE(value_double, CAST(value_int AS DOUBLE)) AS value
  FROM metrics
  LEFT JOIN capacity_phases AS phases
    ON phases.service_name = metrics.service_name
    AND phases.service_instance_id = COALESCE(metrics.service_instance_id, '')
  WHERE LIST_CONTAINS(CAST($gauges AS VARCHAR[]), name)
    AND metrics.service_name GLOB $service
    AND (
      NOT $has_environment
      OR COALESCE(metrics.deployment_environment, $environment) = $environment
    )
    AND metric_type IN ('gauge', 'sum')
    AND COALESCE(flags, 0) & 1 = 0
    AND time_unix_nano > $since
    AND time_unix_nano <= $until
    AND ISFINITE(COALESCE(value_double, CAST(value_int AS DOUBLE)))
    AND COALESCE(attributes['type'], '') NOT IN ('vms', 'non_heap')
    AND COALESCE(attributes['jvm.memory.type'], 'heap') = 'heap'
    AND COALESCE(
      attributes['db.client.connection.state'],
      attributes['state'],
      'used'
    ) IN ('used', 'active', 'busy', 'user', 'system')
    AND COALESCE(
      attributes['cpu.mode'],
      attributes['process.cpu.state'],
      attributes['container.cpu.state'],
      ''
    ) NOT IN ('idle', 'wait', 'iowait', 'steal')
  QUALIFY ROW_NUMBER() OVER (
      PARTITION BY name, metrics.service_name, metric_type, series_id, time_unix_nano
      ORDER BY ingest_time_unix_nano, ingest_batch_id
    ) = 1
), by_series AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    name,
    pool,
    bucket,
    series_id,
    MIN(value) AS least,
    LIST_AVG(LIST(value ORDER BY time_unix_nano)) AS mean,
    MAX(value) AS most,
    LIST_AVG(LIST(place ORDER BY time_unix_nano)) AS place
  FROM points
  GROUP BY ALL
)
SELECT
  service_name,
  service_version,
  service_instance_id,
  name,
  pool,
  bucket,
  LIST_SUM(LIST(least ORDER BY series_id)) AS least,
  LIST_SUM(LIST(mean ORDER BY series_id)) AS mean,
  LIST_SUM(LIST(most ORDER BY series_id)) AS most,
  -- Where in the bucket its points are, 0 for its start and 1 for its end.
  LIST_AVG(LIST(place ORDER BY series_id)) AS place
FROM by_series
GROUP BY ALL
ORDER BY ALL
