-- One row a request that a service answers: when, with what weight, and how long it worked itself.
-- That is its duration without the union of the calls below it, each clipped to the request: calls
-- are the client and producer spans of the same service, and what others do for it at once.
WITH RECURSIVE once AS (
  SELECT
    *
  FROM span_facts
  WHERE clock = 'ok'
    AND start_time_unix_nano >= $since - $reach
    AND start_time_unix_nano < $until + $reach
  QUALIFY ROW_NUMBER() OVER (
      PARTITION BY trace_id, span_id, kind, service_name
      ORDER BY duration_nano DESC, start_time_unix_nano
    ) = 1
), entries AS (
  SELECT
    *
  FROM once
  WHERE LIST_CONTAINS([2, 5], kind)
    AND service_name GLOB $service
    AND (NOT $has_version OR service_version = $version)
    AND (NOT $has_environment OR deployment_environment = $environment)
    AND start_time_unix_nano < $until
    AND start_time_unix_nano + duration_nano >= $since
), below AS (
  SELECT
    trace_id,
    span_id AS entry_id,
    span_id,
    service_name,
    start_time_unix_nano AS entry_start,
    start_time_unix_nano + duration_nano AS entry_end,
    start_time_unix_nano AS started,
    start_time_unix_nano AS ended,
    FALSE AS is_call,
    0 AS depth
  FROM entries
  UNION ALL
  SELECT
    below.trace_id,
    below.entry_id,
    once.span_id,
    below.service_name,
    below.entry_start,
    below.entry_end,
    GREATEST(once.start_time_unix_nano, below.entry_start),
    LEAST(once.start_time_unix_nano + once.duration_nano, below.entry_end),
    LIST_CONTAINS([2, 3, 4, 5], once.kind) OR once.service_name <> below.service_name,
    below.depth + 1
  FROM below
  JOIN once
    ON once.trace_id = below.trace_id
    AND once.parent_span_id = below.span_id
  WHERE NOT below.is_call
    AND below.depth < 64
    -- The server's half of a call may bear the id of the client's: it is no child of itself.
    AND once.span_id <> below.span_id
), reached AS (
  SELECT
    trace_id,
    entry_id,
    service_name,
    started,
    ended,
    MAX(ended) OVER (
      PARTITION BY trace_id, entry_id, service_name
      ORDER BY started, ended
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS covered_to
  FROM below
  WHERE is_call
    AND ended > started
), waited AS (
  SELECT
    trace_id,
    entry_id,
    service_name,
    CAST(SUM(GREATEST(ended - GREATEST(started, COALESCE(covered_to, started)), 0)) AS BIGINT)
      AS waited_nano
  FROM reached
  GROUP BY ALL
)
SELECT
  entries.service_name,
  COALESCE(entries.service_version, '') AS service_version,
  COALESCE(entries.service_instance_id, '') AS service_instance_id,
  COALESCE(entries.operation, '') AS operation,
  entries.start_time_unix_nano AS started,
  entries.start_time_unix_nano + entries.duration_nano AS ended,
  COALESCE(entries.sampling_weight, 1) AS weight,
  entries.duration_nano - COALESCE(waited.waited_nano, 0) AS self_nano,
  -- A CPU time below 0 is how instrumentation says that it could not tell.
  CASE
    WHEN $cpu_attribute <> '' THEN
      CASE
        WHEN TRY_CAST(entries.attributes[$cpu_attribute] AS DOUBLE) >= 0
          THEN TRY_CAST(entries.attributes[$cpu_attribute] AS DOUBLE) * $cpu_unit
      END
    WHEN TRY_CAST(entries.attributes['io.retit.startcputime'] AS DOUBLE) >= 0
      AND TRY_CAST(entries.attributes['io.retit.endcputime'] AS DOUBLE)
        >= TRY_CAST(entries.attributes['io.retit.startcputime'] AS DOUBLE)
      THEN (
        TRY_CAST(entries.attributes['io.retit.endcputime'] AS DOUBLE)
        - TRY_CAST(entries.attributes['io.retit.startcputime'] AS DOUBLE)
      ) / 1e9
  END AS cpu_s
FROM entries
LEFT JOIN waited
  ON waited.trace_id = entries.trace_id
  AND waited.entry_id = entries.span_id
  AND waited.service_name = entries.service_name
