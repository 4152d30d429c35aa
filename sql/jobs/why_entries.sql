-- One row a request of the operations asked for, of either side and its window: a sample of traces.
-- A trace is in the sample by a hash of its id: the same lake gives the same traces.
WITH facts AS (
  SELECT
    *,
    CAST(md5_number_lower(trace_id) % 1000000 AS BIGINT) AS place
  FROM span_facts
  WHERE clock = 'ok'
    AND LIST_CONTAINS($kinds, kind)
), sides AS (
  SELECT
    CASE
      WHEN start_time_unix_nano >= $baseline_since_unix_nano
        AND start_time_unix_nano < $baseline_until_unix_nano
        AND (NOT $baseline_has_service_name OR service_name = $baseline_service_name)
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
        AND (
          NOT $by_resource
          OR LIST_HAS_ALL(
            LIST_TRANSFORM(MAP_ENTRIES(resource_attributes), lambda e: e.key || CHR(31) || e.value),
            CAST($baseline_resource AS VARCHAR [])
          )
        )
        THEN 0
      WHEN start_time_unix_nano >= $canary_since_unix_nano
        AND start_time_unix_nano < $canary_until_unix_nano
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
        AND (
          NOT $by_resource
          OR LIST_HAS_ALL(
            LIST_TRANSFORM(MAP_ENTRIES(resource_attributes), lambda e: e.key || CHR(31) || e.value),
            CAST($canary_resource AS VARCHAR [])
          )
        )
        THEN 1
    END AS side,
    *
  FROM facts
)
SELECT
  wanted.number,
  sides.side,
  sides.service_name,
  sides.trace_id,
  sides.span_id,
  sides.kind,
  CONCAT_WS('/', sides.service_name, COALESCE(sides.service_instance_id, '')) AS instance,
  COALESCE(sides.service_instance_id, '') AS service_instance_id,
  sides.start_time_unix_nano,
  sides.duration_nano,
  sides.sampling_weight,
  sides.outcome IN ('http_5xx', 'error') AS failed,
  sides.place
FROM sides
INNER JOIN wanted
  ON wanted.side = sides.side
  AND wanted.operation = COALESCE(sides.operation, '')
  AND wanted.service_name = CASE WHEN $by_service THEN sides.service_name ELSE '' END
  AND sides.place < wanted.places
QUALIFY ROW_NUMBER() OVER (
    PARTITION BY sides.trace_id, sides.span_id, sides.kind, sides.service_name
    ORDER BY sides.duration_nano DESC, sides.start_time_unix_nano
  ) = 1
ORDER BY
  wanted.number,
  sides.side,
  sides.trace_id,
  sides.span_id,
  sides.kind
