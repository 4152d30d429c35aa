-- One row a data point of metrics, without the old name of a duration that also has its new name.
-- A sender between two semantic conventions sends both: the same requests, never to be added.
WITH twins AS (
  SELECT
    UNNEST([
      'http.server.duration',
      'http.client.duration',
      'rpc.server.duration',
      'rpc.client.duration'
    ]) AS old_name,
    UNNEST([
      'http.server.request.duration',
      'http.client.request.duration',
      'rpc.server.call.duration',
      'rpc.client.call.duration'
    ]) AS new_name
), renamed AS (
  SELECT DISTINCT
    twins.old_name,
    metrics.service_name,
    metrics.service_namespace,
    metrics.service_version,
    metrics.service_instance_id,
    metrics.deployment_environment
  FROM metrics
  JOIN twins
    ON twins.new_name = metrics.name
)
SELECT
  metrics.*
FROM metrics
WHERE NOT EXISTS (
    SELECT
      1
    FROM renamed
    WHERE renamed.old_name = metrics.name
      AND renamed.service_name = metrics.service_name
      AND renamed.service_namespace IS NOT DISTINCT FROM metrics.service_namespace
      AND renamed.service_version IS NOT DISTINCT FROM metrics.service_version
      AND renamed.service_instance_id IS NOT DISTINCT FROM metrics.service_instance_id
      AND renamed.deployment_environment IS NOT DISTINCT FROM metrics.deployment_environment
  )
