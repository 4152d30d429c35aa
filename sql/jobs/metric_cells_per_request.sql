-- One row an instance, a version, a minute and a source: what a counter added, requests answered.
-- Requests count while the instance's counter was watched, from its first minute to its last.
WITH watched AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    source,
    MIN(minute) AS first_minute,
    MAX(minute) AS last_minute
  FROM counter_cells
  GROUP BY ALL
), answered AS (
  SELECT
    watched.service_name,
    watched.service_version,
    watched.service_instance_id,
    watched.deployment_environment,
    watched.source,
    latency_minutes.minute,
    SUM(latency_minutes.requests) AS requests
  FROM latency_minutes
  JOIN watched
    ON watched.service_name = latency_minutes.service_name
    AND watched.service_version IS NOT DISTINCT FROM latency_minutes.service_version
    AND watched.service_instance_id IS NOT DISTINCT FROM latency_minutes.service_instance_id
    AND watched.deployment_environment
      IS NOT DISTINCT FROM latency_minutes.deployment_environment
    AND latency_minutes.minute BETWEEN watched.first_minute AND watched.last_minute
  WHERE LIST_CONTAINS([2, 5], latency_minutes.kind)
  GROUP BY ALL
)
SELECT
  COALESCE(cells.service_name, answered.service_name) AS service_name,
  COALESCE(cells.service_version, answered.service_version) AS service_version,
  COALESCE(cells.service_instance_id, answered.service_instance_id) AS service_instance_id,
  COALESCE(
    cells.deployment_environment,
    answered.deployment_environment
  ) AS deployment_environment,
  '' AS operation,
  COALESCE(cells.minute, answered.minute) AS minute,
  COALESCE(cells.source, answered.source) AS source,
  COALESCE(cells.top, 0) AS top,
  COALESCE(answered.requests, 0) AS below,
  CAST(1 AS DOUBLE) AS spread,
  COALESCE(cells.left_out, 0) AS left_out
FROM counter_cells AS cells
FULL JOIN answered
  ON answered.service_name = cells.service_name
  AND answered.service_version IS NOT DISTINCT FROM cells.service_version
  AND answered.service_instance_id IS NOT DISTINCT FROM cells.service_instance_id
  AND answered.deployment_environment IS NOT DISTINCT FROM cells.deployment_environment
  AND answered.minute = cells.minute
  AND answered.source = cells.source
