-- One row a minute, a series of a server's durations, a bucket of the SDK's and one of ours.
-- Ours are those of latency_minutes, in ns, and as there, rows of equal keys add. What an SDK's
-- bucket holds is spread over those that it covers: evenly, or on the log scale where its buckets
-- are exponential. So requests are shares, while spans are whole and add up; least and greatest
-- are the bounds of the SDK's bucket.
WITH finite AS (
  SELECT
    * REPLACE (
      -- No duration is longer than BIGINT has nanoseconds; a bucket's bound may be infinite.
      LEAST(lower_nano, 9.2e18) AS lower_nano,
      LEAST(upper_nano, 9.2e18) AS upper_nano
    )
  FROM metric_requests
), limited AS (
  SELECT
    *,
    CASE
      WHEN upper_nano < 0 THEN 'negative'
      WHEN upper_nano = 0 OR spacing = 'zero' THEN 'zero'
      ELSE spacing
    END AS place,
    GREATEST(lower_nano, 0) AS least_nano,
    -- A bucket that begins at zero is cut into the ten doublings below its end and what is left.
    GREATEST(lower_nano, upper_nano / 1024) AS cut_nano
  FROM finite
), ranged AS (
  SELECT
    *,
    CASE
      WHEN place IN ('linear', 'log')
        -- Rounded, so that a bound which is one of ours does not fall beside it.
        THEN CAST(FLOOR(ROUND(LOG2(cut_nano) * 64, 6)) AS INTEGER)
    END AS first_bucket,
    CASE
      WHEN place IN ('linear', 'log')
        THEN CAST(CEIL(ROUND(LOG2(upper_nano) * 64, 6)) - 1 AS INTEGER)
    END AS last_bucket
  FROM limited
), spread AS (
  SELECT
    *,
    UNNEST(
      CASE
        WHEN place IN ('linear', 'log')
          THEN range(LEAST(first_bucket, last_bucket), last_bucket + 1)
        WHEN place = 'zero'
          THEN [-2147483648]
        ELSE [NULL]
      END
    ) AS bucket
  FROM ranged
), ended AS (
  SELECT
    *,
    -- The part of the SDK's bucket that lies at or below the end of ours.
    CASE
      WHEN place NOT IN ('linear', 'log') OR bucket = last_bucket
        THEN 1
      WHEN place = 'log'
        THEN ((bucket + 1) / 64 - LOG2(least_nano)) / (LOG2(upper_nano) - LOG2(least_nano))
      ELSE (POW(2, (bucket + 1) / 64) - least_nano) / (upper_nano - least_nano)
    END AS part_below
  FROM spread
), shared AS (
  SELECT
    *,
    CASE
      WHEN place NOT IN ('linear', 'log') OR bucket <= first_bucket
        THEN 0
      WHEN place = 'log'
        THEN (bucket / 64 - LOG2(least_nano)) / (LOG2(upper_nano) - LOG2(least_nano))
      ELSE (POW(2, bucket / 64) - least_nano) / (upper_nano - least_nano)
    END AS part_before
  FROM ended
)
SELECT
  minute,
  service_instance_id,
  service_name,
  service_version,
  deployment_environment,
  operation,
  kind,
  outcome,
  CAST(bucket AS INTEGER) AS bucket,
  requests * (part_below - part_before) AS requests,
  requests * (part_below - part_before) AS requests_squared,
  CAST(ROUND(requests * part_below) - ROUND(requests * part_before) AS BIGINT) AS spans,
  CASE WHEN place <> 'negative' THEN duration_sum_nano * (part_below - part_before) END
    AS duration_sum_nano,
  CASE WHEN place <> 'negative' THEN CAST(FLOOR(least_nano) AS BIGINT) END AS duration_min_nano,
  CASE WHEN place <> 'negative' THEN CAST(CEIL(upper_nano) AS BIGINT) END AS duration_max_nano,
  resolution_limited
FROM shared
