-- One row a profile, a type of value, a stack, a thread and a set of labels: what it adds.
-- counts_by says how: value, as it is; difference, less the profile before of the same instance;
-- restart, the value itself as the total fell; start, the value itself of an instance's first
-- profile, which may reach back before it. A stack that fell while its total did not counts 0:
-- scaled samples of one stack do that.
WITH
  since_start AS (
    SELECT
      service_name,
      service_namespace,
      service_version,
      service_instance_id,
      deployment_environment,
      host_name,
      profile_id,
      profile_type,
      sample_type,
      sample_unit,
      stack_id,
      thread_id,
      pid,
      thread_name,
      comm,
      labels,
      num_labels,
      ANY_VALUE(resource_attributes) AS resource_attributes,
      MIN(time_unix_nano) AS time_unix_nano,
      MAX(duration_nano) AS duration_nano,
      SUM(value) AS value,
      SUM(samples) AS samples
    FROM profile_samples
    WHERE is_cumulative
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
  ),
  totals AS (
    SELECT
      service_name,
      service_namespace,
      service_version,
      service_instance_id,
      deployment_environment,
      host_name,
      profile_id,
      profile_type,
      sample_type,
      sample_unit,
      MIN(time_unix_nano) AS time_unix_nano,
      SUM(value) AS total
    FROM since_start
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
  ),
  successive AS (
    SELECT
      profile_id,
      profile_type,
      sample_type,
      sample_unit,
      service_name,
      service_version,
      service_instance_id,
      LAG(profile_id) OVER instance AS previous_profile_id,
      LAG(total) OVER instance > total AS is_restarted
    FROM totals
    WINDOW instance AS (
      PARTITION BY
        service_name,
        service_namespace,
        service_version,
        service_instance_id,
        deployment_environment,
        host_name,
        profile_type,
        sample_type,
        sample_unit
      ORDER BY time_unix_nano, profile_id
    )
  ),
  joined AS (
    SELECT
      later.*,
      COALESCE(earlier.value, 0) AS previous_value,
      COALESCE(earlier.samples, 0) AS previous_samples,
      CASE
        WHEN successive.previous_profile_id IS NULL THEN 'start'
        WHEN successive.is_restarted THEN 'restart'
        ELSE 'difference'
      END AS counts_by
    FROM since_start AS later
    JOIN successive
      ON successive.profile_id = later.profile_id
      AND successive.profile_type = later.profile_type
      AND successive.sample_type = later.sample_type
      AND successive.sample_unit = later.sample_unit
      AND successive.service_name = later.service_name
      AND successive.service_version IS NOT DISTINCT FROM later.service_version
      AND successive.service_instance_id IS NOT DISTINCT FROM later.service_instance_id
    LEFT JOIN since_start AS earlier
      ON earlier.profile_id = successive.previous_profile_id
      AND earlier.service_name = later.service_name
      AND earlier.service_version IS NOT DISTINCT FROM later.service_version
      AND earlier.service_instance_id IS NOT DISTINCT FROM later.service_instance_id
      AND earlier.profile_type = later.profile_type
      AND earlier.sample_type = later.sample_type
      AND earlier.sample_unit = later.sample_unit
      AND earlier.stack_id = later.stack_id
      AND earlier.thread_id IS NOT DISTINCT FROM later.thread_id
      AND earlier.pid IS NOT DISTINCT FROM later.pid
      AND earlier.thread_name IS NOT DISTINCT FROM later.thread_name
      AND earlier.comm IS NOT DISTINCT FROM later.comm
      AND earlier.labels IS NOT DISTINCT FROM later.labels
      AND earlier.num_labels IS NOT DISTINCT FROM later.num_labels
  )
SELECT
  service_name,
  service_namespace,
  service_version,
  service_instance_id,
  deployment_environment,
  host_name,
  resource_attributes,
  profile_id,
  profile_type,
  sample_type,
  sample_unit,
  stack_id,
  thread_id,
  pid,
  thread_name,
  comm,
  labels,
  num_labels,
  time_unix_nano,
  duration_nano,
  value,
  samples,
  'value' AS counts_by
FROM profile_samples
WHERE NOT is_cumulative
UNION ALL
SELECT
  service_name,
  service_namespace,
  service_version,
  service_instance_id,
  deployment_environment,
  host_name,
  resource_attributes,
  profile_id,
  profile_type,
  sample_type,
  sample_unit,
  stack_id,
  thread_id,
  pid,
  thread_name,
  comm,
  labels,
  num_labels,
  time_unix_nano,
  duration_nano,
  TRY_CAST(
    CASE counts_by WHEN 'difference' THEN GREATEST(value - previous_value, 0) ELSE value END
    AS BIGINT
  ) AS value,
  TRY_CAST(
    CASE
      -- GREATEST passes over NULL.
      WHEN samples IS NULL THEN NULL
      WHEN counts_by = 'difference' THEN GREATEST(samples - previous_samples, 0)
      ELSE samples
    END AS BIGINT
  ) AS samples,
  counts_by
FROM joined
