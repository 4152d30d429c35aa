-- One row a lookup of a cache: whose, what key, whether it hit, and the request that it was for.
WITH looked AS (
  SELECT
    service_name,
    COALESCE(service_version, '') AS service_version,
    COALESCE(service_instance_id, '') AS service_instance_id,
    trace_id,
    span_id,
    parent_span_id,
    start_time_unix_nano,
    duration_nano,
    sampling_weight,
    cache_item_size,
    COALESCE(attributes['cache.name'], attributes['cache.system'], db_system, name) AS cache,
    COALESCE(cache_key, attributes[$key_attribute]) AS key,
    attributes['cache.ttl'] AS ttl,
    attributes[$version_attribute] AS item_version,
    CASE
      WHEN cache_hit IS NOT NULL THEN cache_hit
      WHEN LOWER(attributes[$hit_attribute]) IN ('true', 'hit', '1') THEN TRUE
      WHEN LOWER(attributes[$hit_attribute]) IN ('false', 'miss', '0') THEN FALSE
      WHEN kind = 3
        AND db_system IN ('redis', 'valkey', 'memcached')
        AND UPPER(db_operation) IN ('GET', 'GETS', 'GETEX', 'HGET', 'MGET')
        THEN TRY_CAST(attributes['db.response.returned_rows'] AS BIGINT) > 0
    END AS hit
  FROM spans
  WHERE start_time_unix_nano >= $since_unix_nano
    AND start_time_unix_nano < $until_unix_nano
    AND duration_nano >= 0
    AND (NOT $has_service_name OR service_name = $service_name)
    AND (NOT $has_service_version OR service_version = $service_version)
    AND (NOT $has_deployment_environment OR deployment_environment = $deployment_environment)
), lookups AS (
  SELECT
    *
  FROM looked
  WHERE hit IS NOT NULL
    -- Traces are taken whole, so that requests keep all their lookups.
    AND (
      $sample_share >= 1
      OR (HASH(trace_id) % 1000000) < CAST($sample_share * 1000000 AS UBIGINT)
    )
), parents AS (
  SELECT
    trace_id,
    parent_span_id AS span_id
  FROM spans
  WHERE start_time_unix_nano >= $since_unix_nano
    AND start_time_unix_nano < $until_unix_nano
    AND parent_span_id IS NOT NULL
  GROUP BY ALL
), blocks AS (
  -- Where lookups have spans below them, the origin is asked inside: they are the block themselves.
  SELECT
    lookups.service_name,
    lookups.cache,
    BOOL_OR(parents.span_id IS NOT NULL) AS is_block
  FROM lookups
  LEFT JOIN parents USING (trace_id, span_id)
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
)
SELECT
  lookups.service_name,
  lookups.service_version,
  lookups.service_instance_id,
  lookups.cache,
  lookups.key,
  lookups.ttl,
  lookups.item_version,
  lookups.hit,
  lookups.cache_item_size AS item_bytes,
  lookups.trace_id,
  lookups.start_time_unix_nano,
  lookups.duration_nano,
  lookups.sampling_weight AS weight,
  COALESCE(
    CASE WHEN blocks.is_block THEN lookups.duration_nano ELSE parent.duration_nano END,
    lookups.duration_nano
  ) AS block_nano,
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
QUALIFY ROW_NUMBER() OVER (
    PARTITION BY lookups.trace_id, lookups.span_id
    ORDER BY requests.began DESC NULLS LAST, requests.request_id
  ) = 1
ORDER BY
  lookups.service_name,
  lookups.cache,
  lookups.service_version,
  lookups.start_time_unix_nano,
  lookups.trace_id,
  lookups.span_id
