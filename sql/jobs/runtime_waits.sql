-- One row an instance, a version, a queue, a source and a minute: item seconds, and items taken.
SELECT
  levels.service_name,
  levels.service_version,
  levels.service_instance_id,
  levels.deployment_environment,
  levels.operation,
  levels.minute,
  levels.source,
  levels.top * taken.below AS top,
  taken.top AS below,
  CAST(1 AS DOUBLE) AS spread,
  levels.left_out + taken.left_out AS left_out
FROM wait_levels AS levels
JOIN wait_taken AS taken
  ON taken.service_name = levels.service_name
  AND taken.service_version IS NOT DISTINCT FROM levels.service_version
  AND taken.service_instance_id IS NOT DISTINCT FROM levels.service_instance_id
  AND taken.deployment_environment IS NOT DISTINCT FROM levels.deployment_environment
  AND taken.operation = levels.operation
  AND taken.source = levels.source
  AND taken.minute = levels.minute
