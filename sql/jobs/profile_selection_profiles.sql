-- One row a selected profile: what is known of it as a whole.
SELECT DISTINCT ON (profile_id)
  profile_id,
  service_name,
  service_version,
  time_unix_nano,
  duration_nano,
  period,
  period_type,
  sample_types,
  default_sample_type,
  drop_frames,
  keep_frames,
  comments
FROM profiles
WHERE profile_id IN (
    SELECT selected_profiles.profile_id
    FROM selected_profiles
  )
ORDER BY profile_id
