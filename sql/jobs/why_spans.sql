-- One row a span of the traces looked at, numbered in order, with its parent's number.
-- A client and a server may share an id: the server is then the client's child, and the parent of
-- the id's other children. Numbers and texts in a query stand for any.
WITH once AS (
  SELECT
    trace_id,
    span_id,
    parent_span_id,
    kind,
    service_name,
    CONCAT_WS('/', service_name, COALESCE(service_instance_id, ''), COALESCE(host_name, ''))
      AS instance,
    COALESCE(http_request_method || ' ' || http_route, rpc_method, name) AS operation,
    COALESCE(db_system, '') AS db_system,
    db_query_text,
    start_time_unix_nano,
    GREATEST(duration_nano, 0) AS duration_nano,
    COALESCE(http_response_status_code >= 500, FALSE)
    OR status_code = 2
    OR COALESCE(rpc_status_code NOT IN ('0', 'OK'), FALSE) AS failed,
    COALESCE(error_type, '') AS error_type,
    CASE
      WHEN cache_hit IS NOT NULL THEN CAST(cache_hit AS TINYINT)
      WHEN $returned_rows
        AND db_system IN ('redis', 'valkey', 'memcached')
        AND UPPER(db_operation) IN ('GET', 'GETS', 'HGET', 'MGET', 'GETEX', 'HMGET')
        THEN CAST(TRY_CAST(attributes['db.response.returned_rows'] AS BIGINT) > 0 AS TINYINT)
    END AS hit
  FROM spans
  SEMI JOIN entries
    ON entries.trace_id = spans.trace_id
  QUALIFY ROW_NUMBER() OVER (
      PARTITION BY spans.trace_id, span_id, kind, service_name
      ORDER BY duration_nano DESC, start_time_unix_nano
    ) = 1
), templates AS (
  SELECT
    db_query_text,
    LEFT(
      REGEXP_REPLACE(
        REGEXP_REPLACE(
          REGEXP_REPLACE(db_query_text, '''[^'']*''|\b\d+(\.\d+)?\b', '?', 'g'),
          '\(\s*[?%$:]\w*(\s*,\s*[?%$:]\w*)+\s*\)', '(?)', 'g'
        ),
        '\s+', ' ', 'g'
      ),
      160
    ) AS template
  FROM (
    SELECT DISTINCT db_query_text
    FROM once
    WHERE db_query_text IS NOT NULL
  )
), numbered AS (
  SELECT
    *,
    ROW_NUMBER() OVER (ORDER BY trace_id, span_id, kind, service_name) - 1 AS node
  FROM once
), ids AS (
  SELECT
    trace_id,
    span_id,
    ARG_MIN(node, CASE kind WHEN 2 THEN 0 WHEN 5 THEN 1 ELSE 2 END * 1000000000 + node)
      AS inner_node,
    MIN(CASE WHEN kind = 3 THEN node END) AS client_node
  FROM numbered
  GROUP BY
    trace_id,
    span_id
)
SELECT
  numbered.node,
  COALESCE(
    CASE WHEN numbered.kind = 2 THEN own.client_node END, parents.inner_node, -1
  ) AS parent,
  numbered.parent_span_id IS NOT NULL
  AND parents.inner_node IS NULL
  AND entries.entry IS NULL AS lost,
  COALESCE(entries.entry, -1) AS entry,
  COALESCE(traces.first_entry, -1) AS trace_entry,
  numbered.kind,
  numbered.instance,
  CONCAT_WS(
    CHR(31),
    CASE
      WHEN NOT $by_service
        AND numbered.service_name IN ($baseline_service_name, $canary_service_name)
        THEN ''
      ELSE numbered.service_name
    END,
    numbered.operation,
    CAST(numbered.kind AS VARCHAR),
    numbered.db_system,
    COALESCE(templates.template, '')
  ) AS subject,
  numbered.start_time_unix_nano,
  numbered.duration_nano,
  numbered.failed,
  numbered.error_type,
  COALESCE(numbered.hit, -1) AS hit
FROM numbered
INNER JOIN ids AS own
  ON own.trace_id = numbered.trace_id
  AND own.span_id = numbered.span_id
LEFT JOIN ids AS parents
  ON parents.trace_id = numbered.trace_id
  AND parents.span_id = numbered.parent_span_id
LEFT JOIN entries
  ON entries.trace_id = numbered.trace_id
  AND entries.span_id = numbered.span_id
  AND entries.kind = numbered.kind
  AND entries.service_name = numbered.service_name
LEFT JOIN (
  SELECT
    trace_id,
    MIN(entry) AS first_entry
  FROM entries
  GROUP BY trace_id
) AS traces
  ON traces.trace_id = numbered.trace_id
LEFT JOIN templates
  ON templates.db_query_text = numbered.db_query_text
ORDER BY numbered.node
