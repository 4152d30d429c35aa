-- One row a stack, a type of value and, where told apart, a thread and a set of labels: summed.
SELECT
  sample_type,
  sample_unit,
  stack_id,
  CASE WHEN $by_thread THEN pid END AS pid,
  CASE WHEN $by_thread THEN thread_id END AS thread_id,
  CASE WHEN $by_thread THEN thread_name END AS thread_name,
  CASE WHEN $by_thread THEN comm END AS comm,
  CASE WHEN $by_labels THEN trace_id END AS trace_id,
  CASE WHEN $by_labels THEN span_id END AS span_id,
  CASE WHEN $by_labels THEN local_root_span_id END AS local_root_span_id,
  CASE WHEN $by_labels THEN labels END AS labels,
  CASE WHEN $by_labels THEN num_labels END AS num_labels,
  TRY_CAST(SUM(value) AS BIGINT) AS value,
  -- A sum over some of them would pass for the number of all.
  CASE WHEN COUNT(samples) = COUNT(*) THEN TRY_CAST(SUM(samples) AS BIGINT) END AS samples
FROM profile_samples
WHERE (profile_id, sample_type, sample_unit) IN (
    SELECT
      selected_profiles.profile_id,
      selected_profiles.sample_type,
      selected_profiles.sample_unit
    FROM selected_profiles
  )
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
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
