-- One row an instance, a version, a minute, a thing and a source: the level of a gauge or of a sum.
-- A point on a whole minute is of the minute that it ends, as what counters added until then is.
-- A series counts by its mean in the minute; the source's fold says what becomes of several.
-- A series that is silent for less than five minutes stands at its last level; one that is silent
-- to the end makes levels that it was a part of unknown. A partition that instances share is of the
-- one that told of it last. Values that are no numbers are left out, and counted.
WITH chosen AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    metric_type,
    series_id,
    time_unix_nano,
    ingest_time_unix_nano,
    ingest_batch_id,
    sources.place,
    sources.fold,
    sources.is_shared,
    LIST_FILTER(
      LIST_TRANSFORM(CAST($partition_keys AS VARCHAR[]), LAMBDA key: attributes[key]),
      LAMBDA found: found IS NOT NULL
    )[1] AS partition,
    COALESCE(value_double, CAST(value_int AS DOUBLE)) * sources.factor AS value
  FROM metrics
  JOIN metric_sources AS sources
    ON sources.name = metrics.name
    AND sources.unit = COALESCE(metrics.unit, '')
  WHERE LIST_CONTAINS(CAST($names AS VARCHAR[]), metrics.name)
    AND metrics.service_name GLOB $service
    AND (
      metric_type = 'gauge'
      OR (metric_type = 'sum' AND is_monotonic IS NOT TRUE AND aggregation_temporality = 2)
    )
    AND COALESCE(flags, 0) & 1 = 0
    AND time_unix_nano > $first_minute * 60000000000
    AND time_unix_nano <= $end_minute * 60000000000
    AND LEN(
      LIST_FILTER(
        LIST_ZIP(CAST($attribute_keys AS VARCHAR[]), CAST($attribute_values AS VARCHAR[])),
        LAMBDA pair: COALESCE(attributes[pair[1]], '') <> pair[2]
      )
    ) = 0
    AND LEN(
      LIST_FILTER(
        LIST_ZIP(sources.without_keys, sources.without_patterns),
        LAMBDA pair: COALESCE(attributes[pair[1]], '') GLOB pair[2]
      )
    ) = 0
), once AS (
  SELECT
    * EXCLUDE (ingest_time_unix_nano, ingest_batch_id),
    (time_unix_nano - 1) // 60000000000 AS minute
  FROM chosen
  QUALIFY ROW_NUMBER() OVER (
      PARTITION BY place, series_id, time_unix_nano
      ORDER BY ingest_time_unix_nano, ingest_batch_id
    ) = 1
), by_series AS (
  SELECT
    place,
    series_id,
    minute,
    ANY_VALUE(service_name) AS service_name,
    ANY_VALUE(service_version) AS service_version,
    ANY_VALUE(service_instance_id) AS service_instance_id,
    ANY_VALUE(deployment_environment) AS deployment_environment,
    ANY_VALUE(is_shared) AS is_shared,
    ANY_VALUE(partition) AS partition,
    MAX(time_unix_nano) AS told_unix_nano,
    COALESCE(
      NULLIF(ANY_VALUE(fold), ''),
      CASE WHEN ANY_VALUE(metric_type) = 'sum' THEN 'add' ELSE 'mean' END
    ) AS fold,
    -- Lists in an order: a sum of floating-point numbers depends on it.
    LIST_AVG(LIST_SORT(LIST(value) FILTER (ISFINITE(value)))) AS level,
    COUNT(*) FILTER (NOT ISFINITE(value)) AS left_out
  FROM once
  GROUP BY place, series_id, minute
), followed AS (
  SELECT
    *,
    LEAD(minute) OVER (PARTITION BY place, series_id ORDER BY minute) AS next_minute
  FROM by_series
), standing AS (
  SELECT
    * REPLACE (
      CASE WHEN far = 0 THEN left_out ELSE 0 END AS left_out,
      minute + far AS minute
    ),
    far = 0 AS is_sent
  FROM (
    SELECT
      *,
      UNNEST(
        range(
          0,
          CASE WHEN fold = 'mean' THEN 1 ELSE LEAST(COALESCE(next_minute - minute, 5), 5) END
        )
      ) AS far
    FROM followed
  )
), held AS (
  SELECT
    *,
    -- Of what is shared, an instance stands at its last level while another one tells the rest.
    CASE WHEN is_shared THEN BOOL_OR(is_sent) OVER every ELSE is_sent END AS is_told
  FROM standing
  JOIN metric_things
    USING (place, series_id)
  WINDOW every AS (PARTITION BY place, service_name, deployment_environment, thing, minute)
  QUALIFY NOT is_shared
    OR ROW_NUMBER() OVER (
      PARTITION BY place, service_name, deployment_environment, thing, minute,
        CASE WHEN thing <> '' THEN partition END,
        CASE WHEN thing = '' OR partition IS NULL THEN series_id END
      ORDER BY told_unix_nano DESC, series_id
    ) = 1
)
SELECT
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  thing AS operation,
  minute,
  place AS source,
  CASE
    WHEN fold <> 'mean' AND BOOL_OR(level IS NULL OR (next_minute IS NULL AND NOT is_sent))
      THEN NULL
    WHEN fold = 'add'
      THEN LIST_SUM(LIST_SORT(LIST(level)))
    WHEN fold = 'most'
      THEN MAX(level)
    ELSE LIST_AVG(LIST_SORT(LIST(level)))
  END AS top,
  CAST(1 AS DOUBLE) AS below,
  CAST(1 AS DOUBLE) AS spread,
  CAST(SUM(left_out) AS BIGINT) AS left_out
FROM held
GROUP BY
  service_name,
  service_version,
  service_instance_id,
  deployment_environment,
  thing,
  minute,
  place,
  fold
HAVING BOOL_OR(is_told)
