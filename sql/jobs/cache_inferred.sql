-- One row a GET of a cache whose span does not say whether it hit: what its parent did next tells.
-- A GET that a read of a database and then a SET of its key follow under the same parent missed;
-- one that they do not follow hit. hit is NULL where no SET is seen or keys cannot be told apart.
WITH calls AS (
  SELECT
    service_name,
    trace_id,
    span_id,
    parent_span_id,
    COALESCE(
      attributes['cache.name'],
      LIST_FILTER(
        LIST_TRANSFORM(CAST($cache_attribute AS VARCHAR[]), LAMBDA key: attributes[key]),
        LAMBDA told: told IS NOT NULL
      )[1],
      attributes['cache.system'],
      db_system
    ) AS cache,
    LIST_CONTAINS(CAST($cache_systems AS VARCHAR[]), db_system) AS is_cache,
    UPPER(
      COALESCE(
        db_operation,
        NULLIF(SPLIT_PART(db_query_text, ' ', 1), ''),
        SPLIT_PART(name, ' ', 1)
      )
    ) AS operation,
    COALESCE(
      cache_key,
      LIST_FILTER(
        LIST_TRANSFORM(CAST($key_attribute AS VARCHAR[]), LAMBDA key: attributes[key]),
        LAMBDA told: told IS NOT NULL
      )[1],
      NULLIF(NULLIF(SPLIT_PART(db_query_text, ' ', 2), '?'), ''),
      ''
    ) AS key,
    cache_hit IS NULL
      AND COALESCE(
        attributes['cache.hit'],
        attributes['cache.result'],
        LIST_FILTER(
          LIST_TRANSFORM(CAST($hit_attribute AS VARCHAR[]), LAMBDA key: attributes[key]),
          LAMBDA told: told IS NOT NULL
        )[1],
        attributes['db.response.returned_rows']
      ) IS NULL AS is_unknown,
    start_time_unix_nano AS began,
    start_time_unix_nano + duration_nano AS ended
  FROM spans
  WHERE kind = 3
    AND db_system IS NOT NULL
    AND parent_span_id IS NOT NULL
    AND duration_nano >= 0
    AND start_time_unix_nano >= $since_unix_nano
    AND start_time_unix_nano < $until_unix_nano
    AND start_time_unix_nano <= ingest_time_unix_nano + 86400000000000
    AND (
      $sample_share >= 1
      OR (HASH(trace_id) % 1000000) < CAST($sample_share * 1000000 AS UBIGINT)
    )
  -- A span that was sent twice is one call.
  QUALIFY ROW_NUMBER() OVER (
      PARTITION BY trace_id, span_id
      ORDER BY ingest_time_unix_nano, ingest_batch_id
    ) = 1
), asking AS (
  SELECT DISTINCT
    trace_id
  FROM calls
  WHERE is_cache AND is_unknown AND LIST_CONTAINS(['GET', 'GETS', 'GETEX'], operation)
), alone AS (
  SELECT
    trace_id,
    parent_span_id AS span_id
  FROM spans
  WHERE parent_span_id IS NOT NULL
    AND trace_id IN (SELECT asking.trace_id FROM asking)
  GROUP BY trace_id, parent_span_id
  HAVING COUNT(DISTINCT span_id) = 1
), wrapped AS (
  -- An INTERNAL span with one child stands for its child.
  SELECT DISTINCT
    spans.trace_id,
    spans.span_id AS parent_span_id,
    spans.parent_span_id AS block_id
  FROM spans
  JOIN alone
    ON alone.trace_id = spans.trace_id
    AND alone.span_id = spans.span_id
  WHERE spans.kind = 1
    AND spans.parent_span_id IS NOT NULL
), placed AS (
  SELECT
    calls.*,
    COALESCE(wrapped.block_id, calls.parent_span_id) AS block_id
  FROM calls
  JOIN asking USING (trace_id)
  LEFT JOIN wrapped USING (trace_id, parent_span_id)
), gets AS (
  SELECT
    *,
    ROW_NUMBER() OVER (
      PARTITION BY trace_id, block_id, cache, key
      ORDER BY ended, began, span_id
    ) AS place,
    COUNT(*) OVER (PARTITION BY trace_id, block_id, cache) AS together
  FROM placed
  WHERE is_cache AND LIST_CONTAINS(['GET', 'GETS', 'GETEX'], operation)
), last_gets AS (
  -- Of those that end at once the last: a join by time must have one to find.
  SELECT
    *
  FROM gets
  QUALIFY place = MAX(place) OVER (PARTITION BY trace_id, block_id, cache, key, ended)
), sets AS (
  SELECT
    *
  FROM placed
  WHERE is_cache
    AND LIST_CONTAINS(['SET', 'SETEX', 'PSETEX', 'SETNX', 'ADD', 'CAS', 'REPLACE'], operation)
), reads AS (
  -- Of the reads that have ended by then, when the last one began.
  SELECT
    trace_id,
    block_id,
    ended,
    MAX(began) OVER (PARTITION BY trace_id, block_id ORDER BY ended) AS began
  FROM placed
  WHERE NOT is_cache AND NOT LIST_CONTAINS(CAST($writing AS VARCHAR[]), operation)
), filled AS (
  SELECT
    sets.trace_id,
    sets.block_id,
    sets.cache,
    sets.key,
    sets.span_id,
    reads.began AS read_began
  FROM sets
  ASOF JOIN reads
    ON reads.trace_id = sets.trace_id
    AND reads.block_id = sets.block_id
    AND sets.began >= reads.ended
), loads AS (
  SELECT
    last_gets.trace_id,
    last_gets.block_id,
    last_gets.cache,
    last_gets.key,
    last_gets.place,
    last_gets.began,
    COUNT(DISTINCT filled.span_id) AS sets
  FROM filled
  ASOF JOIN last_gets
    ON last_gets.trace_id = filled.trace_id
    AND last_gets.block_id = filled.block_id
    AND last_gets.cache = filled.cache
    AND last_gets.key = filled.key
    AND filled.read_began >= last_gets.ended
  GROUP BY ALL
), set_by AS (
  SELECT DISTINCT
    service_name,
    cache
  FROM calls
  WHERE is_cache
    AND LIST_CONTAINS(['SET', 'SETEX', 'PSETEX', 'SETNX', 'ADD', 'CAS', 'REPLACE'], operation)
), set_after AS (
  SELECT
    trace_id,
    block_id,
    cache,
    key,
    MAX(began) AS last_set
  FROM sets
  GROUP BY ALL
)
SELECT
  gets.service_name,
  gets.cache,
  gets.trace_id,
  gets.span_id,
  CASE
    WHEN set_by.cache IS NULL OR (gets.key = '' AND gets.together > 1)
      THEN NULL
    -- Calls at once of one key are filled by as many SETs, whichever came first.
    ELSE NOT COALESCE(
      loads.place = gets.place
        OR (loads.place - gets.place < loads.sets AND gets.ended > loads.began),
      FALSE
    )
  END AS hit,
  COALESCE(set_after.last_set >= gets.ended AND loads.place IS NULL, FALSE) AS is_set_unread
FROM gets
ASOF LEFT JOIN loads
  ON loads.trace_id = gets.trace_id
  AND loads.block_id = gets.block_id
  AND loads.cache = gets.cache
  AND loads.key = gets.key
  AND gets.place <= loads.place
LEFT JOIN set_by
  ON set_by.service_name = gets.service_name
  AND set_by.cache = gets.cache
LEFT JOIN set_after
  ON set_after.trace_id = gets.trace_id
  AND set_after.block_id = gets.block_id
  AND set_after.cache = gets.cache
  AND set_after.key = gets.key
WHERE gets.is_unknown
