-- One row a profile and a type of its values that samples of the selection have.
WITH
  found AS (
    SELECT
      profile_id,
      profile_type,
      sample_type,
      sample_unit,
      service_name,
      service_version,
      service_instance_id,
      MAX(ingest_batch_id) AS ingest_batch_id,
      MAX(time_unix_nano) AS last_time_unix_nano,
      BOOL_OR(is_cumulative) AS is_cumulative
    FROM profile_samples
    WHERE time_unix_nano >= $since_unix_nano
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
    GROUP BY
      profile_id,
      profile_type,
      sample_type,
      sample_unit,
      service_name,
      service_version,
      service_instance_id
  )
SELECT
  profile_id,
  profile_type,
  sample_type,
  sample_unit,
  ingest_batch_id,
  is_cumulative,
  ROW_NUMBER() OVER (
    PARTITION BY
      service_name,
      service_version,
      service_instance_id,
      profile_type,
      sample_type,
      sample_unit
    ORDER BY last_time_unix_nano DESC, profile_id
  ) AS recency
FROM found
