-- One row a write of a cached key: when, by whom, and the version that it made where one is told.
SELECT
  service_name,
  COALESCE(cache_key, attributes[$key_attribute]) AS key,
  start_time_unix_nano + duration_nano AS ended,
  attributes[$version_attribute] AS item_version,
  sampling_weight AS weight
FROM spans
WHERE start_time_unix_nano >= $since_unix_nano
  AND start_time_unix_nano < $until_unix_nano
  AND duration_nano >= 0
  AND cache_hit IS NULL
  AND COALESCE(cache_key, attributes[$key_attribute]) IS NOT NULL
  AND (
    LOWER(attributes['cache.operation']) IN ('write', 'update', 'invalidate', 'delete')
    OR attributes[$write_attribute] IS NOT NULL
  )
-- A span that was sent twice is one write.
QUALIFY ROW_NUMBER() OVER (
    PARTITION BY trace_id, span_id
    ORDER BY ingest_time_unix_nano, ingest_batch_id
  ) = 1
ORDER BY key, ended, item_version
