-- One row an instance, a version, an operation, a minute and a number of calls: the requests of it.
-- A call is of the request of its own service and trace that had begun last when the call began, so
-- it counts once. Calls of databases are client spans, or internal ones of a database in memory.
WITH requests AS (
  SELECT
    *,
    COALESCE(http_request_method || ' ' || http_route, rpc_method, name) AS operation
  FROM spans
  WHERE LIST_CONTAINS([2, 5], kind)
    AND service_name GLOB $service
    AND start_time_unix_nano >= $first_minute * 60000000000
    AND start_time_unix_nano < $end_minute * 60000000000
    AND start_time_unix_nano <= ingest_time_unix_nano + 86400000000000
), calls AS (
  SELECT
    trace_id,
    service_name,
    start_time_unix_nano
  FROM spans
  WHERE service_name GLOB $service
    AND start_time_unix_nano >= $first_minute * 60000000000
    AND CASE
      WHEN $call = '' THEN db_system IS NOT NULL AND kind IN (1, 3)
      ELSE name GLOB $call AND kind IN (1, 3, 4)
    END
), owned AS (
  SELECT
    requests.trace_id,
    requests.span_id,
    COUNT(*) AS calls
  FROM calls
  ASOF JOIN requests
    ON calls.trace_id = requests.trace_id
    AND calls.service_name = requests.service_name
    AND calls.start_time_unix_nano >= requests.start_time_unix_nano
  GROUP BY ALL
)
SELECT
  requests.service_name,
  requests.service_version,
  requests.service_instance_id,
  requests.deployment_environment,
  requests.operation,
  requests.start_time_unix_nano // 60000000000 AS minute,
  'calls' AS unit,
  COALESCE(owned.calls, 0) * SUM(requests.sampling_weight) AS top,
  SUM(requests.sampling_weight) AS below,
  SUM(requests.sampling_weight * requests.sampling_weight)
    / POW(SUM(requests.sampling_weight), 2) AS spread,
  0 AS left_out
FROM requests
LEFT JOIN owned
  ON owned.trace_id = requests.trace_id
  AND owned.span_id = requests.span_id
GROUP BY
  requests.service_name,
  requests.service_version,
  requests.service_instance_id,
  requests.deployment_environment,
  requests.operation,
  minute,
  owned.calls
