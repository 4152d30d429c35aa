-- One row a profile, a type of value, a thread and a function: what was measured in it.
-- flat is what the function itself took, cumulative also what it called; recursion counts once.
WITH
  sums AS (
    SELECT
      service_name,
      service_version,
      service_instance_id,
      profile_type,
      sample_type,
      sample_unit,
      is_cumulative,
      thread_name,
      profile_id,
      stack_id,
      MIN(time_unix_nano) AS time_unix_nano,
      SUM(value) AS value,
      SUM(samples) AS samples
    FROM profile_samples
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
  ),
  rules AS (
    SELECT
      profile_id,
      ANY_VALUE(drop_frames) AS drop_frames,
      COALESCE(ANY_VALUE(keep_frames), '') AS keep_frames
    FROM profiles
    WHERE COALESCE(drop_frames, '') <> ''
    GROUP BY profile_id
  ),
  functions AS (
    SELECT
      stack_id,
      drop_frames,
      keep_frames,
      functions[1] AS leaf_function,
      UNNEST(LIST_DISTINCT(functions)) AS function
    FROM profile_stacks_shown
  )
SELECT
  sums.service_name,
  sums.service_version,
  sums.service_instance_id,
  sums.profile_type,
  sums.sample_type,
  sums.sample_unit,
  sums.is_cumulative,
  sums.thread_name,
  sums.profile_id,
  MIN(sums.time_unix_nano) AS time_unix_nano,
  functions.function,
  TRY_CAST(
    COALESCE(SUM(sums.value) FILTER (WHERE functions.function = functions.leaf_function), 0)
    AS BIGINT
  ) AS flat_value,
  TRY_CAST(SUM(sums.value) AS BIGINT) AS cumulative_value,
  CASE
    WHEN SUM(sums.samples) IS NOT NULL
      THEN TRY_CAST(
        COALESCE(SUM(sums.samples) FILTER (WHERE functions.function = functions.leaf_function), 0)
        AS BIGINT
      )
  END AS flat_samples,
  TRY_CAST(SUM(sums.samples) AS BIGINT) AS cumulative_samples
FROM sums
LEFT JOIN rules ON rules.profile_id = sums.profile_id
JOIN functions
  ON functions.stack_id = sums.stack_id
  AND functions.drop_frames = COALESCE(rules.drop_frames, '')
  AND functions.keep_frames = COALESCE(rules.keep_frames, '')
GROUP BY
  sums.service_name,
  sums.service_version,
  sums.service_instance_id,
  sums.profile_type,
  sums.sample_type,
  sums.sample_unit,
  sums.is_cumulative,
  sums.thread_name,
  sums.profile_id,
  functions.function
