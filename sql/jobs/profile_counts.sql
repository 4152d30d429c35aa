-- One row a profile, an instance and a stack: what was measured there, and observations of it.
-- Profiles of one recording, such as those of a process' threads, were made at once.
WITH recordings AS (
  SELECT
    profile_id,
    ANY_VALUE(CONCAT_WS('/', ingest_batch_id, service_instance_id, time_unix_nano)) AS recording
  FROM profiles
  GROUP BY profile_id
)
SELECT
  profile_id,
  COALESCE(ANY_VALUE(recording), CAST(profile_id AS VARCHAR)) AS recording,
  service_name,
  service_version,
  service_instance_id,
  stack_id,
  MIN(time_unix_nano) AS time_unix_nano,
  MAX(duration_nano) AS duration_nano,
  CAST(SUM(value) AS DOUBLE) AS value,
  -- Where the profiler does not tell how often it looked, a row is at least one look.
  CAST(
    SUM(COALESCE(samples, CASE WHEN sample_unit = 'count' THEN ABS(value) ELSE 1 END)) AS DOUBLE
  ) AS samples,
  BOOL_OR(samples IS NULL) AS is_guessed,
  BOOL_OR(counts_by <> 'value') AS is_difference,
  BOOL_AND(counts_by = 'start') AS is_start
FROM profile_deltas
LEFT JOIN recordings USING (profile_id)
WHERE profile_type = $profile_type
  AND sample_type = $sample_type
  AND sample_unit = $sample_unit
  AND time_unix_nano >= $since_unix_nano
  AND time_unix_nano < $until_unix_nano
  AND (NOT $has_service_name OR service_name = $service_name)
  AND (NOT $has_service_namespace OR service_namespace = $service_namespace)
  AND (NOT $has_service_version OR service_version = $service_version)
  AND (NOT $has_service_instance_id OR service_instance_id = $service_instance_id)
  AND (NOT $has_deployment_environment OR deployment_environment = $deployment_environment)
  AND (NOT $has_host_name OR host_name = $host_name)
  AND (NOT $has_thread_name OR thread_name = $thread_name)
  AND (NOT $has_thread_id OR CAST(thread_id AS VARCHAR) = $thread_id)
  AND (NOT $has_pid OR CAST(pid AS VARCHAR) = $pid)
  AND (NOT $has_comm OR comm = $comm)
  AND (
    NOT $has_labels
    OR LEN(
      LIST_FILTER(
        LIST_ZIP(CAST($label_keys AS VARCHAR[]), CAST($label_values AS VARCHAR[])),
        LAMBDA pair: COALESCE(
          labels[pair[1]],
          CAST(LIST_FILTER(num_labels, LAMBDA each: each.key = pair[1])[1].value AS VARCHAR),
          resource_attributes[pair[1]],
          ''
        ) <> pair[2]
      )
    ) = 0
  )
GROUP BY 1, 3, 4, 5, 6
