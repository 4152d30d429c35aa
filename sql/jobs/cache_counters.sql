-- One row an instance, a cache and a minute: the hits and misses that counters say were added.
-- An interval belongs to the minute that it ends in; one of over an hour belongs to none. Points
-- that are no number or have no recorded value are left out and counted; so are lookups pending.
-- is_half: only hits or only misses are sent, and neither is counted.
WITH counted AS (
  SELECT
    service_name,
    COALESCE(service_version, '') AS service_version,
    COALESCE(service_instance_id, resource_attributes['server.address'], '') AS service_instance_id,
    COALESCE(deployment_environment, '') AS deployment_environment,
    -- Each convention apart: two of them may count the same lookups.
    REGEXP_REPLACE(name, '([._](hits|misses))?(_total)?$', '') AS source,
    COALESCE(
      attributes['cache.name'],
      LIST_FILTER(
        LIST_TRANSFORM(CAST($cache_attribute AS VARCHAR[]), LAMBDA key: attributes[key]),
        LAMBDA told: told IS NOT NULL
      )[1],
      attributes['cache'],
      attributes['name'],
      ''
    ) AS cache,
    CASE
      WHEN LIST_CONTAINS(CAST($hit_names AS VARCHAR[]), name)
        THEN 'hit'
      WHEN LIST_CONTAINS(CAST($miss_names AS VARCHAR[]), name)
        THEN 'miss'
      ELSE LOWER(COALESCE(attributes['result'], attributes['type'], attributes['state']))
    END AS result,
    name,
    series_id,
    time_unix_nano,
    (time_unix_nano - 1) // 60000000000 AS minute,
    is_gap,
    CASE
      WHEN counts_by = 'difference'
        THEN COALESCE(
          CAST(CAST(value_int AS HUGEINT) - previous_value_int AS DOUBLE),
          COALESCE(value_double, CAST(value_int AS DOUBLE))
            - COALESCE(previous_value_double, CAST(previous_value_int AS DOUBLE))
        )
      WHEN counts_by IS NOT NULL
        THEN COALESCE(value_double, CAST(value_int AS DOUBLE))
    END AS added
  FROM metric_intervals
  WHERE metric_type = 'sum'
    AND (
      LIST_CONTAINS(CAST($hit_names AS VARCHAR[]), name)
      OR LIST_CONTAINS(CAST($miss_names AS VARCHAR[]), name)
      OR LIST_CONTAINS(CAST($result_names AS VARCHAR[]), name)
    )
    -- Of Memcached's operations those that look up; increments and decrements change a value.
    AND COALESCE(attributes['operation'], attributes['command'], 'get') = 'get'
    AND (is_monotonic OR aggregation_temporality = 1)
    AND COALESCE(time_unix_nano - since_unix_nano, 0) <= 3600000000000
    AND (NOT $has_service_name OR service_name = $service_name)
    AND (NOT $has_service_version OR service_version = $service_version)
    AND (NOT $has_service_instance_id OR service_instance_id = $service_instance_id)
    AND (NOT $has_deployment_environment OR deployment_environment = $deployment_environment)
    AND (
      NOT $has_attributes
      OR LEN(
        LIST_FILTER(
          LIST_ZIP(CAST($attribute_keys AS VARCHAR[]), CAST($attribute_values AS VARCHAR[])),
          LAMBDA pair: COALESCE(resource_attributes[pair[1]], '') <> pair[2]
        )
      ) = 0
    )
), halved AS (
  SELECT
    *,
    -- Of two counters one alone is no ratio; where results share one, none of a kind is 0.
    NOT LIST_CONTAINS(CAST($result_names AS VARCHAR[]), name)
      AND (COUNT(*) FILTER (result = 'hit') OVER caches = 0
        OR COUNT(*) FILTER (result = 'miss') OVER caches = 0) AS is_half
  FROM counted
  WHERE time_unix_nano >= $since_unix_nano
    AND time_unix_nano < $until_unix_nano
  WINDOW caches AS (PARTITION BY service_name, source, cache)
)
SELECT
  service_name,
  source,
  cache,
  service_version,
  service_instance_id,
  deployment_environment,
  minute,
  -- Lists in an order: a sum of floating-point numbers depends on it.
  COALESCE(
    LIST_SUM(
      LIST(added ORDER BY series_id, time_unix_nano)
        FILTER (result = 'hit' AND NOT is_half AND ISFINITE(added) AND added >= 0)
    ),
    0
  ) AS hits,
  COALESCE(
    LIST_SUM(
      LIST(added ORDER BY series_id, time_unix_nano)
        FILTER (result = 'miss' AND NOT is_half AND ISFINITE(added) AND added >= 0)
    ),
    0
  ) AS misses,
  COALESCE(
    LIST_SUM(
      LIST(added ORDER BY series_id, time_unix_nano)
        FILTER (result = 'pending' AND ISFINITE(added) AND added >= 0)
    ),
    0
  ) AS pending,
  COUNT(*) FILTER (
    LIST_CONTAINS(['hit', 'miss'], result) AND (is_gap OR NOT ISFINITE(added) OR added < 0)
  ) AS left_out,
  BOOL_OR(is_half) AS is_half
FROM halved
GROUP BY
  service_name,
  source,
  cache,
  service_version,
  service_instance_id,
  deployment_environment,
  minute
ORDER BY
  service_name,
  source,
  cache,
  service_version,
  service_instance_id,
  deployment_environment,
  minute
