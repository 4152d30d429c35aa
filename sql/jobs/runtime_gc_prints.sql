-- One row a print of bpftrace and a bucket of its pauses, or their total: what it added, in ns.
-- What is printed again without a reset counts by difference. interval_nano is what a print is
-- over: since the print before it, or the recording where it is the only one; NULL for unknown.
WITH units AS (
  SELECT
    UNNEST(['ns', 'us', 'ms', 's']) AS unit,
    UNNEST([1, 1000, 1000000, 1000000000]) AS nano
), printed AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    metric,
    CAST(keys AS VARCHAR) AS keys,
    source_file,
    ingest_batch_id,
    time_unix_nano,
    interval_nano,
    'bucket' AS part,
    COALESCE(bucket_low, 0) * nano AS lower_nano,
    COALESCE(
      CASE WHEN high_inclusive THEN bucket_high + 1 ELSE bucket_high END,
      bucket_low * 2
    ) * nano AS upper_nano,
    CAST(count AS DOUBLE) AS value,
    is_cumulative
  FROM ebpf_histograms
  JOIN units USING (unit)
  WHERE tool = 'bpftrace'
    AND LIST_CONTAINS(CAST($histograms AS VARCHAR[]), LTRIM(metric, '@'))
    AND service_name GLOB $service
  UNION ALL
  SELECT
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    metric,
    CAST(keys AS VARCHAR) AS keys,
    source_file,
    ingest_batch_id,
    time_unix_nano,
    interval_nano,
    'total' AS part,
    NULL AS lower_nano,
    NULL AS upper_nano,
    COALESCE(value_double, CAST(value_int AS DOUBLE)) * nano AS value,
    is_cumulative
  FROM ebpf_counts
  JOIN units USING (unit)
  WHERE tool = 'bpftrace'
    AND LIST_CONTAINS(CAST($totals AS VARCHAR[]), LTRIM(metric, '@'))
    AND service_name GLOB $service
), times AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    deployment_environment,
    metric,
    source_file,
    ingest_batch_id,
    time_unix_nano,
    COALESCE(
      MAX(interval_nano),
      time_unix_nano - LAG(time_unix_nano) OVER (
        PARTITION BY service_name, service_version, service_instance_id, deployment_environment,
          metric, source_file, ingest_batch_id
        ORDER BY time_unix_nano
      )
    ) AS print_nano
  FROM printed
  GROUP BY service_name, service_version, service_instance_id, deployment_environment, metric,
    source_file, ingest_batch_id, time_unix_nano
), counted AS (
  -- Before the window is cut, so that its first print is held against the one before it.
  SELECT
    printed.service_name,
    printed.service_version,
    printed.service_instance_id,
    printed.deployment_environment,
    printed.metric,
    printed.time_unix_nano,
    times.print_nano AS interval_nano,
    printed.part,
    printed.lower_nano,
    printed.upper_nano,
    CASE
      WHEN NOT printed.is_cumulative THEN printed.value
      ELSE GREATEST(
        printed.value - COALESCE(
          LAG(printed.value) OVER (
            PARTITION BY printed.service_name, printed.service_version, printed.service_instance_id,
              printed.deployment_environment, printed.metric, printed.keys, printed.source_file,
              printed.ingest_batch_id, printed.lower_nano
            ORDER BY printed.time_unix_nano
          ),
          0
        ),
        0
      )
    END AS added
  FROM printed
  JOIN times
    ON times.service_name IS NOT DISTINCT FROM printed.service_name
    AND times.service_version IS NOT DISTINCT FROM printed.service_version
    AND times.service_instance_id IS NOT DISTINCT FROM printed.service_instance_id
    AND times.deployment_environment IS NOT DISTINCT FROM printed.deployment_environment
    AND times.metric = printed.metric
    AND times.source_file IS NOT DISTINCT FROM printed.source_file
    AND times.ingest_batch_id IS NOT DISTINCT FROM printed.ingest_batch_id
    AND times.time_unix_nano = printed.time_unix_nano
)
SELECT
  *
FROM counted
WHERE time_unix_nano > $first_minute * 60000000000
  AND time_unix_nano <= $end_minute * 60000000000
