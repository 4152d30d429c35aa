-- One row an instance, a bucket of time and an operation: CPU time of samples linked to requests.
-- A sample is linked by the span that it was taken in, or by the local root of that.
WITH entries AS (
  SELECT DISTINCT
    service_name,
    trace_id,
    span_id,
    COALESCE(operation, '') AS operation
  FROM span_facts
  WHERE LIST_CONTAINS([2, 5], kind)
    AND service_name GLOB $service
    AND start_time_unix_nano < $until
    AND start_time_unix_nano + duration_nano >= $since
)
SELECT
  samples.service_name,
  COALESCE(samples.service_version, '') AS service_version,
  COALESCE(samples.service_instance_id, '') AS service_instance_id,
  (samples.time_unix_nano - COALESCE(phase_nano, 0)) // $bucket AS bucket,
  entries.operation,
  CAST(SUM(samples.value) AS DOUBLE) / 1e9 AS profile_s,
  CAST(SUM(COALESCE(samples.samples, 1)) AS BIGINT) AS observations
FROM profile_samples AS samples
JOIN entries
  ON entries.service_name = samples.service_name
  AND entries.span_id = COALESCE(samples.local_root_span_id, samples.span_id)
  AND entries.trace_id = COALESCE(samples.trace_id, entries.trace_id)
LEFT JOIN capacity_phases AS phases
  ON phases.service_name = samples.service_name
  AND phases.service_instance_id = COALESCE(samples.service_instance_id, '')
WHERE samples.profile_type = 'cpu'
  AND samples.sample_unit = 'nanoseconds'
  AND NOT samples.is_cumulative
  AND (
    NOT $has_environment
    OR COALESCE(samples.deployment_environment, $environment) = $environment
  )
  AND samples.time_unix_nano >= $since
  AND samples.time_unix_nano < $until
GROUP BY ALL
ORDER BY ALL
