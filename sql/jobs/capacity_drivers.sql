-- One row an instance, a bucket of time and a driver of CPU time: how much of it there was.
-- Calls, messages, rows and bytes count where the request that they are of ends, as the request
-- does: nearer to its CPU time they would look like better drivers for that alone. A call is of the
-- request of its own instance and trace that had begun last; where that was over, or there is none,
-- it counts where it ends itself.
WITH once AS (
  SELECT
    service_name,
    COALESCE(service_version, '') AS service_version,
    COALESCE(service_instance_id, '') AS service_instance_id,
    trace_id,
    kind,
    start_time_unix_nano AS started,
    start_time_unix_nano + duration_nano AS ended,
    COALESCE(sampling_weight, 1) AS weight,
    CASE
      WHEN kind IN (1, 3)
        AND db_system IS NOT NULL
        AND NOT LIST_CONTAINS(CAST($cache_systems AS VARCHAR[]), db_system)
        THEN 1e0
    END AS "db calls",
    CASE
      WHEN kind IN (1, 3) AND LIST_CONTAINS(CAST($cache_systems AS VARCHAR[]), db_system) THEN 1e0
    END AS "cache calls",
    CASE
      WHEN kind = 3
        AND http_request_method IS NOT NULL
        AND COALESCE(db_system, messaging_system, rpc_system) IS NULL
        THEN 1e0
    END AS "http calls",
    CASE
      WHEN kind = 3 AND rpc_system IS NOT NULL THEN 1e0
    END AS "rpc calls",
    CASE
      -- A message that is created by itself is sent with its batch.
      WHEN messaging_system IS NOT NULL
        AND (
          (kind = 4 AND COALESCE(messaging_operation, 'send') <> 'create')
          OR (kind = 3 AND messaging_operation IN ('send', 'publish'))
        )
        THEN COALESCE(TRY_CAST(attributes['messaging.batch.message_count'] AS DOUBLE), 1e0)
    END AS "messages sent",
    CASE
      WHEN kind = 5 THEN TRY_CAST(attributes['messaging.batch.message_count'] AS DOUBLE)
    END AS "messages received",
    CASE
      WHEN kind IN (1, 3) AND db_system IS NOT NULL
        THEN TRY_CAST(attributes['db.response.returned_rows'] AS DOUBLE)
    END AS "db rows",
    CASE
      WHEN kind IN (2, 5)
        THEN TRY_CAST(
          COALESCE(
            attributes['http.request.body.size'],
            attributes['http.request_content_length'],
            attributes['messaging.message.body.size']
          ) AS DOUBLE
        )
    END AS "request bytes",
    CASE
      WHEN kind = 2
        THEN TRY_CAST(
          COALESCE(
            attributes['http.response.body.size'],
            attributes['http.response_content_length']
          ) AS DOUBLE
        )
    END AS "response bytes",
    CASE
      WHEN kind = 3
        THEN TRY_CAST(
          COALESCE(
            attributes['http.response.body.size'],
            attributes['http.response_content_length']
          ) AS DOUBLE
        )
    END AS "response bytes of calls"
  FROM spans
  WHERE service_name GLOB $service
    AND (NOT $has_version OR service_version = $version)
    AND (NOT $has_environment OR deployment_environment = $environment)
    AND start_time_unix_nano > 0
    AND start_time_unix_nano >= $since - $reach
    AND start_time_unix_nano < $until
    AND start_time_unix_nano <= ingest_time_unix_nano + 86400000000000
    AND duration_nano >= 0
    AND (kind BETWEEN 2 AND 5 OR (kind = 1 AND db_system IS NOT NULL))
  QUALIFY ROW_NUMBER() OVER (
      PARTITION BY trace_id, span_id, kind, service_name
      ORDER BY duration_nano DESC, start_time_unix_nano
    ) = 1
), entries AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    trace_id,
    started,
    MAX(ended) AS ended
  FROM once
  WHERE kind IN (2, 5)
  GROUP BY ALL
), amounts AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    trace_id,
    started,
    ended,
    driver,
    weight * told AS amount
  FROM once
  UNPIVOT (
    told FOR driver IN (
      "db calls",
      "cache calls",
      "http calls",
      "rpc calls",
      "messages sent",
      "messages received",
      "db rows",
      "request bytes",
      "response bytes",
      "response bytes of calls"
    )
  )
  -- A size below 0 is how instrumentation says that it does not know it.
  WHERE told >= 0
    AND ISFINITE(told)
), placed AS (
  SELECT
    amounts.service_name,
    amounts.service_version,
    amounts.service_instance_id,
    amounts.driver,
    amounts.amount,
    CASE
      WHEN entries.ended >= amounts.started THEN entries.ended
      ELSE amounts.ended
    END - COALESCE(phases.phase_nano, 0) AS ended
  FROM amounts
  ASOF LEFT JOIN entries
    ON amounts.service_name = entries.service_name
    AND amounts.service_version = entries.service_version
    AND amounts.service_instance_id = entries.service_instance_id
    AND amounts.trace_id = entries.trace_id
    AND amounts.started >= entries.started
  LEFT JOIN capacity_phases AS phases
    ON amounts.service_name = phases.service_name
    AND amounts.service_instance_id = phases.service_instance_id
)
SELECT
  service_name,
  service_version,
  service_instance_id,
  ended // $bucket AS bucket,
  driver,
  LIST_SUM(LIST(amount ORDER BY amount)) AS amount
FROM placed
WHERE ended >= $since
  AND ended < $until
GROUP BY ALL
ORDER BY ALL
