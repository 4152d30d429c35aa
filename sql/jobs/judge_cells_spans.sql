-- One row a side, service, operation, instance and stratum: lists of its requests, by cell.
-- As judge_cells, but of spans: for sides and strata that only their attributes tell.
WITH facts AS (
  SELECT
    *,
    CAST((start_time_unix_nano - start_time_unix_nano % 60000000000) / 60000000000 AS BIGINT)
      AS minute,
    LIST_TRANSFORM(MAP_ENTRIES(resource_attributes), lambda e: e.key || CHR(31) || e.value)
      AS resource
  FROM span_facts
  WHERE clock IN ('ok', 'reversed')
    AND LIST_CONTAINS($kinds, kind)
), sides AS (
  SELECT
    CASE
      WHEN (NOT $baseline_has_service_name OR service_name = $baseline_service_name)
        AND (NOT $baseline_has_service_version OR service_version = $baseline_service_version)
        AND (
          NOT $baseline_has_service_instance_id
          OR service_instance_id = $baseline_service_instance_id
        )
        AND (
          NOT $baseline_has_deployment_environment
          OR deployment_environment = $baseline_deployment_environment
        )
        AND (NOT $baseline_has_operation OR operation = $baseline_operation)
        AND LIST_HAS_ALL(resource, CAST($baseline_resource AS VARCHAR []))
        THEN 0
      WHEN $two_sides
        AND (NOT $canary_has_service_name OR service_name = $canary_service_name)
        AND (NOT $canary_has_service_version OR service_version = $canary_service_version)
        AND (
          NOT $canary_has_service_instance_id
          OR service_instance_id = $canary_service_instance_id
        )
        AND (
          NOT $canary_has_deployment_environment
          OR deployment_environment = $canary_deployment_environment
        )
        AND (NOT $canary_has_operation OR operation = $canary_operation)
        AND LIST_HAS_ALL(resource, CAST($canary_resource AS VARCHAR []))
        THEN 1
    END AS side,
    *
  FROM facts
  WHERE minute >= $first_minute
    AND minute < $end_minute
), cells AS (
  SELECT
    CASE WHEN $by_service THEN service_name ELSE '' END AS service_name,
    COALESCE(operation, '') AS operation,
    side,
    CONCAT_WS('/', service_name, COALESCE(service_instance_id, '')) AS instance,
    minute,
    CASE
      WHEN duration_nano > 0
        THEN CAST(CEIL(LOG2(CAST(duration_nano AS DOUBLE)) * 64) AS INTEGER) + 1
      WHEN duration_nano = 0
        THEN 0
      ELSE 4095
    END AS place,
    CASE outcome WHEN 'http_4xx' THEN 1 WHEN 'error' THEN 2 WHEN 'http_5xx' THEN 3 ELSE 0 END
      AS failed,
    CONCAT_WS(
      '/',
      CASE WHEN $mix_by_service_version THEN COALESCE(service_version, '') END,
      CASE WHEN $mix_by_deployment_environment THEN COALESCE(deployment_environment, '') END,
      CASE WHEN $mix_by_kind THEN CAST(kind AS VARCHAR) END,
      CASE
        WHEN LEN(CAST($mix_by_attributes AS VARCHAR [])) > 0
          THEN ARRAY_TO_STRING(
            LIST_TRANSFORM(
              CAST($mix_by_attributes AS VARCHAR []),
              lambda k: COALESCE(attributes[k], resource_attributes[k], '')
            ),
            '/'
          )
      END
    ) AS stratum,
    SUM(sampling_weight) AS requests,
    SUM(sampling_weight * sampling_weight) AS requests_squared
  FROM sides
  WHERE side IS NOT NULL
  GROUP BY ALL
)
SELECT
  service_name,
  operation,
  side,
  instance,
  stratum,
  LIST(minute * 16384 + place * 4 + failed) AS cell,
  LIST(requests) AS requests,
  CASE WHEN $weighted THEN LIST(requests_squared) END AS requests_squared
FROM cells
GROUP BY ALL
ORDER BY
  service_name,
  operation,
  side,
  instance,
  stratum
