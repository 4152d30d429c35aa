-- One row an instance, a version, a type of profile and a minute: what of it is in the collector.
-- Profiles without native frames never show it, so only of instances where it is seen is its share
-- told; of others beside them, the name alone.
WITH stacks AS (
  SELECT
    stack_id,
    BOOL_OR(
      LEN(
        LIST_FILTER(
          functions,
          -- Compilers and profilers add to a name: gc_collect_main.constprop.0, or its library.
          LAMBDA name: LIST_CONTAINS(
              CAST($collectors AS VARCHAR[]),
              SPLIT_PART(SPLIT_PART(name, ' ', 1), '.', 1)
            )
        )
      ) > 0
    ) AS is_collecting
  FROM profile_stacks
  GROUP BY stack_id
), sampled AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    time_unix_nano // 60000000000 AS minute,
    CAST(LIST_POSITION(CAST($types AS VARCHAR[]), profile_type) - 1 AS INTEGER) AS source,
    CAST(value AS DOUBLE) AS value,
    COALESCE(samples, 1) AS samples,
    -- Of several values that a sample has, one: time before counts.
    CASE WHEN sample_unit = 'nanoseconds' THEN '0' ELSE '1' END || sample_type AS kind,
    COALESCE(is_collecting, FALSE) AS is_collecting
  FROM profile_samples
  LEFT JOIN stacks USING (stack_id)
  WHERE LIST_CONTAINS(CAST($types AS VARCHAR[]), profile_type)
    AND NOT is_cumulative
    AND value > 0
    AND service_name GLOB $service
    AND time_unix_nano >= $first_minute * 60000000000
    AND time_unix_nano < $end_minute * 60000000000
), shown AS (
  SELECT
    *,
    BOOL_OR(is_collecting) OVER whose AS is_shown,
    BOOL_OR(is_collecting) OVER every AS is_any_shown,
    MIN(kind) OVER every AS chosen_kind
  FROM sampled
  WINDOW
    every AS (PARTITION BY service_name, service_version, source),
    whose AS (
      PARTITION BY service_name, service_version, service_instance_id, deployment_environment,
        source
    )
)
SELECT
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  '' AS operation,
  minute,
  source,
  -- Whole numbers of nanoseconds or samples: their sum is the same in any order.
  CASE WHEN is_shown THEN COALESCE(SUM(value) FILTER (is_collecting), 0) END AS top,
  CASE WHEN is_shown THEN SUM(value) END AS below,
  1 / SUM(samples) AS spread,
  0 AS left_out,
  CASE WHEN NOT is_shown THEN service_instance_id END AS unshown
FROM shown
WHERE is_any_shown AND kind = chosen_kind
GROUP BY
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  minute,
  source,
  is_shown
