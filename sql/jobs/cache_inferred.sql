-- One row a GET of a cache whose span does not say whether it hit: what its parent did next tells.
-- A GET that a read of an origin and then a SET of its key follow under the same parent, or in
-- INTERNAL spans below it, missed; one that they do not follow hit. hit is NULL where no SET is
-- seen, keys cannot be told apart, a SET of the key follows some other way, or the GET failed.
WITH RECURSIVE calls AS (
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
    COALESCE(LIST_CONTAINS(CAST($cache_systems AS VARCHAR[]), db_system), FALSE) AS is_cache,
    status_code = 2 AS is_failed,
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
    -- Origins are databases, and services that are asked by GET or by a remote call that no word
    -- of its name says writes.
    AND (
      db_system IS NOT NULL
      OR http_request_method = 'GET'
      OR (
        rpc_system IS NOT NULL
        AND NOT REGEXP_MATCHES(
          COALESCE(rpc_method, SPLIT_PART(name, '/', -1)),
          '^(?i)(add|create|delete|insert|publish|put|remove|save|send|set|update|upsert|write)'
        )
      )
    )
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
), filling AS (
  SELECT
    trace_id,
    span_id,
    parent_span_id,
    is_cache
  FROM calls
  WHERE CASE
      WHEN is_cache
        THEN LIST_CONTAINS(CAST($setting AS VARCHAR[]), operation)
      ELSE NOT LIST_CONTAINS(CAST($writing AS VARCHAR[]), operation)
    END
    AND trace_id IN (SELECT asking.trace_id FROM asking)
  QUALIFY BOOL_OR(is_cache) OVER (PARTITION BY trace_id)
), links AS MATERIALIZED (
  SELECT
    trace_id,
    span_id,
    MIN(parent_span_id) AS parent_span_id
  FROM spans
  WHERE kind = 1
    AND parent_span_id IS NOT NULL
    AND trace_id IN (SELECT filling.trace_id FROM filling)
  GROUP BY ALL
), lifted AS (
  -- SETs and reads in the block that they are called from, and in those around it.
  SELECT
    trace_id,
    span_id,
    parent_span_id AS block_id,
    0 AS depth
  FROM filling
  UNION ALL
  SELECT
    lifted.trace_id,
    lifted.span_id,
    links.parent_span_id,
    lifted.depth + 1
  FROM lifted
  JOIN links
    ON links.trace_id = lifted.trace_id
    AND links.span_id = lifted.block_id
  WHERE lifted.depth < 16
), around AS (
  SELECT
    calls.*,
    lifted.block_id,
    lifted.depth
  FROM calls
  JOIN lifted USING (trace_id, span_id)
), sets AS (
  SELECT
    *
  FROM around
  WHERE is_cache
), reads AS (
  -- Of the reads that have ended by then, when the last one began.
  SELECT
    trace_id,
    block_id,
    ended,
    MAX(began) OVER (PARTITION BY trace_id, block_id ORDER BY ended) AS began
  FROM around
  WHERE NOT is_cache
), filled AS (
  SELECT
    sets.trace_id,
    sets.block_id,
    sets.cache,
    sets.key,
    sets.span_id,
    sets.depth,
    sets.is_failed,
    reads.began AS read_began
  FROM sets
  ASOF JOIN reads
    ON reads.trace_id = sets.trace_id
    AND reads.block_id = sets.block_id
    AND sets.began >= reads.ended
), loaded AS (
  -- A SET fills what was asked for in the innermost block.
  SELECT
    filled.trace_id,
    filled.span_id,
    filled.is_failed,
    last_gets.block_id,
    last_gets.cache,
    last_gets.key,
    last_gets.place,
    last_gets.began
  FROM filled
  ASOF JOIN last_gets
    ON last_gets.trace_id = filled.trace_id
    AND last_gets.block_id = filled.block_id
    AND last_gets.cache = filled.cache
    AND last_gets.key = filled.key
    AND filled.read_began >= last_gets.ended
  QUALIFY filled.depth = MIN(filled.depth) OVER (PARTITION BY filled.trace_id, filled.span_id)
), loads AS (
  SELECT
    trace_id,
    block_id,
    cache,
    key,
    place,
    began,
    COUNT(DISTINCT span_id) AS sets,
    BOOL_OR(NOT is_failed) AS is_kept
  FROM loaded
  GROUP BY ALL
), set_by AS (
  SELECT DISTINCT
    service_name,
    cache
  FROM calls
  WHERE is_cache AND LIST_CONTAINS(CAST($setting AS VARCHAR[]), operation)
), set_after AS (
  -- SETs that no read was seen before: of a hidden key only those of the same block.
  SELECT
    sets.trace_id,
    CASE WHEN sets.key = '' THEN sets.block_id ELSE '' END AS block_id,
    sets.cache,
    sets.key,
    MAX(sets.began) AS last_set
  FROM sets
  ANTI JOIN loaded
    ON loaded.trace_id = sets.trace_id
    AND loaded.span_id = sets.span_id
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
    WHEN loads.place = gets.place
      OR (loads.place - gets.place < loads.sets AND gets.ended > loads.began)
      THEN CASE WHEN gets.is_failed AND NOT loads.is_kept THEN NULL ELSE FALSE END
    WHEN gets.is_failed OR set_after.last_set >= gets.ended
      THEN NULL
    ELSE TRUE
  END AS hit
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
  AND set_after.block_id = CASE WHEN gets.key = '' THEN gets.block_id ELSE '' END
  AND set_after.cache = gets.cache
  AND set_after.key = gets.key
WHERE gets.is_unknown
