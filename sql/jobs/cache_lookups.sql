-- One row a lookup of a cache: whose, what key, whether it hit, and the request that it was for.
-- found of the asked keys were there; NULL where nothing tells. hit is whether all of them were.
WITH RECURSIVE looked AS (
  SELECT
    service_name,
    COALESCE(service_version, '') AS service_version,
    COALESCE(service_instance_id, '') AS service_instance_id,
    COALESCE(deployment_environment, '') AS deployment_environment,
    name AS span_name,
    trace_id,
    span_id,
    parent_span_id,
    start_time_unix_nano,
    duration_nano,
    sampling_weight,
    COALESCE(cache_item_size, TRY_CAST(attributes['cache.item_size'] AS BIGINT)) AS item_bytes,
    COALESCE(
      attributes['cache.name'],
      LIST_FILTER(
        LIST_TRANSFORM(CAST($cache_attribute AS VARCHAR[]), LAMBDA key: attributes[key]),
        LAMBDA told: told IS NOT NULL
      )[1],
      attributes['fusioncache.cache.name'],
      attributes['cache.system'],
      db_system,
      name
    ) AS cache,
    COALESCE(
      cache_key,
      attributes['fusioncache.operation.key'],
      LIST_FILTER(
        LIST_TRANSFORM(CAST($key_attribute AS VARCHAR[]), LAMBDA key: attributes[key]),
        LAMBDA told: told IS NOT NULL
      )[1]
    ) AS told_key,
    LIST_FILTER(
      LIST_TRANSFORM(CAST($class_attribute AS VARCHAR[]), LAMBDA key: attributes[key]),
      LAMBDA told: told IS NOT NULL
    )[1] AS told_class,
    LIST_FILTER(
      STRING_SPLIT(COALESCE(db_query_text, ''), ' '),
      LAMBDA word: word <> ''
    ) AS words,
    COALESCE(
      TRY_CAST(attributes['cache.ttl'] AS DOUBLE),
      TRY_CAST(
        LIST_FILTER(
          LIST_TRANSFORM(CAST($ttl_attribute AS VARCHAR[]), LAMBDA key: attributes[key]),
          LAMBDA told: told IS NOT NULL
        )[1] AS DOUBLE
      ) * CAST($ttl_unit_s AS DOUBLE)
    ) AS ttl,
    LIST_FILTER(
      LIST_TRANSFORM(CAST($version_attribute AS VARCHAR[]), LAMBDA key: attributes[key]),
      LAMBDA told: told IS NOT NULL
    )[1] AS item_version,
    LOWER(
      COALESCE(
        attributes['cache.hit'],
        attributes['cache.result'],
        attributes['fusioncache.operation.hit'],
        LIST_FILTER(
          LIST_TRANSFORM(CAST($hit_attribute AS VARCHAR[]), LAMBDA key: attributes[key]),
          LAMBDA told: told IS NOT NULL
        )[1]
      )
    ) AS said,
    COALESCE(
      cache_hit,
      CASE
        WHEN LIST_CONTAINS(CAST($hit_values AS VARCHAR[]), said)
          THEN TRUE
        WHEN LIST_CONTAINS(CAST($miss_values AS VARCHAR[]), said)
          THEN FALSE
      END
    ) AS said_hit,
    CASE
      WHEN kind = 3 AND LIST_CONTAINS(CAST($cache_systems AS VARCHAR[]), db_system)
        THEN UPPER(
          COALESCE(
            db_operation,
            NULLIF(SPLIT_PART(db_query_text, ' ', 1), ''),
            SPLIT_PART(name, ' ', 1)
          )
        )
    END AS command,
    TRY_CAST(attributes['db.response.returned_rows'] AS BIGINT) AS returned_rows,
    COALESCE(
      TRY_CAST(attributes['db.operation.batch.size'] AS BIGINT),
      TRY_CAST(attributes['db.redis.args_length'] AS BIGINT) - 1
    ) AS told_keys
  FROM spans
  WHERE start_time_unix_nano >= $since_unix_nano
    AND start_time_unix_nano < $until_unix_nano
    AND start_time_unix_nano <= ingest_time_unix_nano + 86400000000000
    AND duration_nano >= 0
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
    -- Traces are taken whole, so that requests keep all their lookups.
    AND (
      $sample_share >= 1
      OR (HASH(trace_id) % 1000000) < CAST($sample_share * 1000000 AS UBIGINT)
    )
), counted AS (
  SELECT
    looked.*,
    inferred_lookups.hit AS inferred_hit,
    COALESCE(
      told_key,
      CASE
        WHEN command IS NULL OR LEN(words) < 2 OR LIST_CONTAINS(words, '?')
          THEN NULL
        WHEN command = 'HGET'
          THEN words[2] || ' ' || words[3]
        WHEN command = 'HMGET'
          THEN CAST(
            TO_JSON(LIST_TRANSFORM(words[3:], LAMBDA word: words[2] || ' ' || word)) AS VARCHAR
          )
        WHEN LIST_CONTAINS(CAST($many_keys AS VARCHAR[]), command)
          THEN CAST(TO_JSON(words[2:]) AS VARCHAR)
        ELSE words[2]
      END
    ) AS key,
    CASE
      WHEN NOT LIST_CONTAINS(CAST($many_keys AS VARCHAR[]), command)
        THEN 1
      WHEN LEFT(told_key, 1) = '['
        THEN COALESCE(
          CAST(JSON_ARRAY_LENGTH(TRY_CAST(told_key AS JSON)) AS BIGINT),
          told_keys
        )
      ELSE COALESCE(
        told_keys,
        NULLIF(GREATEST(LEN(words) - CASE WHEN command = 'HMGET' THEN 2 ELSE 1 END, 0), 0)
      )
    END AS several,
    LIST_CONTAINS(CAST($one_key AS VARCHAR[]), command)
      OR LIST_CONTAINS(CAST($many_keys AS VARCHAR[]), command) AS is_read
  FROM looked
  LEFT JOIN inferred_lookups USING (trace_id, span_id)
  WHERE said IS NOT NULL
    OR said_hit IS NOT NULL
    OR command IS NOT NULL
), told AS (
  SELECT
    *,
    CASE WHEN said_hit IS NULL AND is_read AND returned_rows IS NOT NULL THEN several ELSE 1 END
      AS asked,
    CASE
      WHEN said_hit IS NOT NULL THEN CAST(said_hit AS BIGINT)
      WHEN is_read AND returned_rows IS NOT NULL THEN LEAST(GREATEST(returned_rows, 0), several)
      WHEN is_read THEN CAST(inferred_hit AS BIGINT)
    END AS found,
    CASE
      WHEN said_hit IS NOT NULL THEN 'attribute'
      WHEN returned_rows IS NOT NULL THEN 'rows'
      ELSE 'inferred'
    END AS told_by
  FROM counted
  -- What says it in words that are not known is no lookup of nothing: it is told, with the words.
  WHERE said_hit IS NOT NULL OR is_read OR (said IS NOT NULL AND command IS NULL)
), wrapped AS (
  -- A wrapper and the client's call below it are one lookup: of what the wrapper tells, once.
  -- Clients see keys with a prefix, or without their values.
  SELECT
    told.trace_id,
    told.span_id,
    told.key,
    wrapper.span_id AS wrapper_id
  FROM told
  JOIN told AS wrapper
    ON wrapper.trace_id = told.trace_id
    AND wrapper.span_id = told.parent_span_id
    AND wrapper.service_name = told.service_name
    AND wrapper.cache = told.cache
  WHERE wrapper.span_id <> told.span_id
    -- Two that are each other's parent are no wrapper.
    AND wrapper.parent_span_id IS DISTINCT FROM told.span_id
    AND wrapper.found IS NOT NULL
    AND COALESCE(ENDS_WITH(told.key, wrapper.key), TRUE)
), lookups AS (
  -- Joined by equality alone: else each lookup would be held against each.
  SELECT
    told.* REPLACE (COALESCE(told.key, clients.key) AS key)
  FROM told
  ANTI JOIN wrapped
    ON wrapped.trace_id = told.trace_id
    AND wrapped.span_id = told.span_id
  LEFT JOIN (
    -- A wrapper may leave the key to its client to tell.
    SELECT
      trace_id,
      wrapper_id,
      MIN(key) AS key
    FROM wrapped
    GROUP BY ALL
  ) AS clients
    ON clients.trace_id = told.trace_id
    AND clients.wrapper_id = told.span_id
), calls AS (
  SELECT
    trace_id,
    parent_span_id AS span_id
  FROM spans
  WHERE start_time_unix_nano >= $since_unix_nano
    AND start_time_unix_nano < $until_unix_nano
    AND parent_span_id IS NOT NULL
    AND kind = 3
    AND NOT COALESCE(LIST_CONTAINS(CAST($cache_systems AS VARCHAR[]), db_system), FALSE)
    AND trace_id IN (SELECT lookups.trace_id FROM lookups)
), loading AS (
  -- What calls something that is no cache, itself or in INTERNAL spans below it.
  SELECT
    trace_id,
    span_id
  FROM calls
  UNION
  SELECT
    spans.trace_id,
    spans.parent_span_id
  FROM loading
  JOIN spans USING (trace_id, span_id)
  WHERE spans.kind = 1
    AND spans.parent_span_id IS NOT NULL
), blocks AS (
  -- Where most misses ask the origin inside of them, lookups are the read-through blocks.
  SELECT
    lookups.service_name,
    lookups.cache,
    2 * COUNT(loading.span_id) FILTER (lookups.found < lookups.asked)
      > COUNT(*) FILTER (lookups.found < lookups.asked) AS is_block
  FROM lookups
  LEFT JOIN loading USING (trace_id, span_id)
  GROUP BY ALL
), requests AS (
  SELECT
    trace_id,
    service_name,
    span_id AS request_id,
    COALESCE(http_request_method || ' ' || http_route, rpc_method, name) AS operation,
    start_time_unix_nano AS began,
    start_time_unix_nano + duration_nano AS ended,
    duration_nano AS request_nano
  FROM spans
  WHERE LIST_CONTAINS([2, 5], kind)
    AND duration_nano >= 0
    AND start_time_unix_nano >= $since_unix_nano - $reach_nano
    AND start_time_unix_nano < $until_unix_nano
    AND trace_id IN (SELECT lookups.trace_id FROM lookups)
), unsure AS (
  -- Lookups during several requests of their trace: the spans above them tell whose they are.
  SELECT
    lookups.trace_id,
    lookups.span_id,
    lookups.parent_span_id
  FROM lookups
  JOIN requests
    ON requests.trace_id = lookups.trace_id
    AND requests.service_name = lookups.service_name
    AND lookups.start_time_unix_nano BETWEEN requests.began AND requests.ended
  GROUP BY ALL
  HAVING COUNT(DISTINCT requests.request_id) > 1
), links AS MATERIALIZED (
  SELECT
    trace_id,
    span_id,
    MIN(parent_span_id) AS parent_span_id,
    BOOL_OR(LIST_CONTAINS([2, 5], kind)) AS is_request
  FROM spans
  WHERE start_time_unix_nano >= $since_unix_nano - $reach_nano
    AND start_time_unix_nano < $until_unix_nano
    AND trace_id IN (SELECT unsure.trace_id FROM unsure)
  GROUP BY ALL
), climbed AS (
  SELECT
    trace_id,
    span_id,
    parent_span_id AS reached_id,
    1 AS depth
  FROM unsure
  UNION ALL
  SELECT
    climbed.trace_id,
    climbed.span_id,
    links.parent_span_id,
    climbed.depth + 1
  FROM climbed
  JOIN links
    ON links.trace_id = climbed.trace_id
    AND links.span_id = climbed.reached_id
  WHERE NOT links.is_request
    AND climbed.depth < 64
), owned AS (
  SELECT
    climbed.trace_id,
    climbed.span_id,
    climbed.reached_id AS request_id
  FROM climbed
  JOIN links
    ON links.trace_id = climbed.trace_id
    AND links.span_id = climbed.reached_id
  WHERE links.is_request
)
SELECT
  lookups.service_name,
  lookups.service_version,
  lookups.service_instance_id,
  lookups.deployment_environment,
  lookups.cache,
  lookups.span_name,
  lookups.key,
  lookups.told_class,
  lookups.ttl,
  lookups.item_version,
  lookups.asked,
  lookups.found,
  lookups.found >= lookups.asked AS hit,
  lookups.told_by,
  CASE WHEN lookups.said_hit IS NULL THEN lookups.said END AS said,
  lookups.item_bytes,
  lookups.trace_id,
  lookups.start_time_unix_nano,
  lookups.duration_nano,
  lookups.sampling_weight AS weight,
  COALESCE(
    CASE WHEN blocks.is_block THEN lookups.duration_nano ELSE parent.duration_nano END,
    lookups.duration_nano
  ) AS block_nano,
  CASE WHEN blocks.is_block OR parent.span_id IS NULL THEN lookups.span_id ELSE parent.span_id END
    AS block_id,
  CASE
    WHEN blocks.is_block OR parent.span_id IS NULL
      THEN lookups.start_time_unix_nano
    ELSE parent.start_time_unix_nano
  END AS block_began,
  COALESCE(requests.operation, '') AS operation,
  requests.request_id,
  requests.request_nano
FROM lookups
JOIN blocks USING (service_name, cache)
LEFT JOIN spans AS parent
  ON parent.trace_id = lookups.trace_id
  AND parent.span_id = lookups.parent_span_id
  AND parent.service_name = lookups.service_name
LEFT JOIN requests
  ON requests.trace_id = lookups.trace_id
  AND requests.service_name = lookups.service_name
  AND lookups.start_time_unix_nano BETWEEN requests.began AND requests.ended
LEFT JOIN owned
  ON owned.trace_id = lookups.trace_id
  AND owned.span_id = lookups.span_id
QUALIFY ROW_NUMBER() OVER (
    PARTITION BY lookups.trace_id, lookups.span_id
    ORDER BY
      COALESCE(requests.request_id = owned.request_id, FALSE) DESC,
      requests.began DESC NULLS LAST,
      requests.request_id
  ) = 1
ORDER BY
  lookups.service_name,
  lookups.cache,
  lookups.service_version,
  lookups.start_time_unix_nano,
  lookups.trace_id,
  lookups.span_id
