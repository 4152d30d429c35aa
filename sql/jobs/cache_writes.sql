-- One row a write of a cached key: when, by whom, and the version that it made where one is told.
-- An invalidation is a removal: it writes nothing, and ends what was kept.
WITH told AS (
  SELECT
    service_name,
    COALESCE(
      cache_key,
      LIST_FILTER(
        LIST_TRANSFORM(CAST($key_attribute AS VARCHAR[]), LAMBDA key: attributes[key]),
        LAMBDA told: told IS NOT NULL
      )[1]
    ) AS key,
    start_time_unix_nano + duration_nano AS ended,
    LIST_FILTER(
      LIST_TRANSFORM(CAST($version_attribute AS VARCHAR[]), LAMBDA key: attributes[key]),
      LAMBDA told: told IS NOT NULL
    )[1] AS item_version,
    LOWER(
      COALESCE(
        attributes['cache.operation'],
        LIST_FILTER(
          LIST_TRANSFORM(CAST($operation_attribute AS VARCHAR[]), LAMBDA key: attributes[key]),
          LAMBDA told: told IS NOT NULL
        )[1]
      )
    ) AS operation,
    LIST_FILTER(
      LIST_TRANSFORM(CAST($hit_attribute AS VARCHAR[]), LAMBDA key: attributes[key]),
      LAMBDA told: told IS NOT NULL
    )[1] AS said,
    LIST_FILTER(
      LIST_TRANSFORM(CAST($write_attribute AS VARCHAR[]), LAMBDA key: attributes[key]),
      LAMBDA told: told IS NOT NULL
    )[1] AS mark,
    sampling_weight AS weight,
    trace_id,
    span_id,
    ingest_time_unix_nano,
    ingest_batch_id
  FROM spans
  WHERE start_time_unix_nano >= $since_unix_nano
    AND start_time_unix_nano < $until_unix_nano
    AND start_time_unix_nano <= ingest_time_unix_nano + 86400000000000
    AND duration_nano >= 0
    AND cache_hit IS NULL
)
SELECT
  service_name,
  key,
  ended,
  item_version,
  COALESCE(operation IN ('invalidate', 'delete'), FALSE) AS is_removal,
  weight
FROM told
WHERE key IS NOT NULL
  AND said IS NULL
  AND (operation IN ('write', 'update', 'invalidate', 'delete') OR mark IS NOT NULL)
-- A span that was sent twice is one write.
QUALIFY ROW_NUMBER() OVER (
    PARTITION BY trace_id, span_id
    ORDER BY ingest_time_unix_nano, ingest_batch_id
  ) = 1
ORDER BY key, ended, item_version, is_removal, weight
