-- One row a minute, a series of a server's request durations and a bucket of it, bounds in ns.
-- An interval belongs to the minute that it ends in; one of over an hour belongs to none. A series
-- that turns up late counts from when its siblings, of the same process and metric, were last sent.
WITH series AS (
  SELECT
    *,
    MAX(time_unix_nano) OVER (
      PARTITION BY name, service_name, metric_type, unit, scope_name, resource_attributes
      ORDER BY time_unix_nano
      RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS siblings_time_unix_nano
  FROM metric_intervals
  WHERE name IN (
      'http.server.request.duration',
      'http.server.duration',
      'rpc.server.call.duration',
      'rpc.server.duration'
    )
    AND metric_type IN ('histogram', 'exponential_histogram')
    AND unit_nano IS NOT NULL
), preferred AS (
  SELECT DISTINCT
    name,
    series_id
  FROM metric_preferred
  WHERE name IN (
      'http.server.request.duration',
      'http.server.duration',
      'rpc.server.call.duration',
      'rpc.server.duration'
    )
), placed AS (
  SELECT
    series.*
  FROM series
  JOIN preferred
    ON preferred.name = series.name
    AND preferred.series_id = series.series_id
  WHERE series.time_unix_nano - COALESCE(
      CASE
        WHEN series.counts_by = 'start'
          THEN GREATEST(series.since_unix_nano, series.siblings_time_unix_nano)
      END,
      series.since_unix_nano,
      series.time_unix_nano
    ) <= 3600000000000
), joined AS (
  SELECT
    placed.*,
    buckets.spacing,
    buckets.lower * placed.unit_nano AS lower_nano,
    buckets.upper * placed.unit_nano AS upper_nano,
    buckets.count AS bucket_count,
    buckets.resolution_limited,
    CASE
      WHEN placed.counts_by = 'difference' AND NOT buckets.is_reset
        THEN placed.sum - placed.previous_sum
      ELSE placed.sum
    END * placed.unit_nano AS sum_nano,
    buckets.count * (buckets.lower + buckets.upper) / 2 * placed.unit_nano AS middle_sum_nano,
    COALESCE(
      placed.attributes['http.request.method'],
      placed.attributes['http.method']
    ) AS http_request_method,
    COALESCE(
      placed.attributes['rpc.service'] || '/' || placed.attributes['rpc.method'],
      placed.attributes['rpc.method']
    ) AS rpc_method,
    TRY_CAST(
      COALESCE(
        placed.attributes['http.response.status_code'],
        placed.attributes['http.status_code']
      ) AS INTEGER
    ) AS http_response_status_code,
    COALESCE(
      placed.attributes['rpc.response.status_code'],
      placed.attributes['rpc.status_code'],
      placed.attributes['rpc.grpc.status_code']
    ) AS rpc_status_code
  FROM placed
  JOIN metric_histogram_buckets AS buckets
    ON buckets.name = placed.name
    AND buckets.series_id = placed.series_id
    AND buckets.time_unix_nano = placed.time_unix_nano
), summed AS (
  SELECT
    *,
    SUM(middle_sum_nano) OVER (PARTITION BY name, series_id, time_unix_nano) AS middles_sum_nano
  FROM joined
)
SELECT
  -- What ended on the stroke of a minute happened before it.
  (time_unix_nano - 1) // 60000000000 AS minute,
  service_instance_id,
  service_name,
  service_version,
  deployment_environment,
  COALESCE(
    http_request_method || ' ' || attributes['http.route'],
    rpc_method,
    http_request_method,
    name
  ) AS operation,
  CAST(2 AS INTEGER) AS kind,
  CASE
    WHEN http_response_status_code >= 500 THEN 'http_5xx'
    WHEN attributes['error.type'] IS NOT NULL THEN 'error'
    WHEN rpc_status_code NOT IN ('0', 'OK') THEN 'error'
    WHEN http_response_status_code BETWEEN 400 AND 499 THEN 'http_4xx'
    ELSE 'ok'
  END AS outcome,
  spacing,
  lower_nano,
  upper_nano,
  bucket_count AS requests,
  -- Middles of buckets, made to add up to the sum that was sent.
  middle_sum_nano * CASE
    WHEN sum_nano >= 0 AND middles_sum_nano > 0 THEN sum_nano / middles_sum_nano
    ELSE 1
  END AS duration_sum_nano,
  resolution_limited
FROM summed
