-- One row a group and a bucket, of servers' histograms as the rollups have spans.
SELECT
  CASE WHEN $by_service_name THEN service_name END AS service_name,
  CASE WHEN $by_service_version THEN service_version END AS service_version,
  CASE WHEN $by_service_instance_id THEN service_instance_id END AS service_instance_id,
  CASE WHEN $by_deployment_environment THEN deployment_environment END AS deployment_environment,
  CASE WHEN $by_operation THEN operation END AS operation,
  CASE WHEN $by_kind THEN kind END AS kind,
  CASE WHEN $by_outcome THEN outcome END AS outcome,
  bucket,
  SUM(requests) AS requests,
  SUM(requests_squared) AS requests_squared,
  CAST(SUM(spans) AS BIGINT) AS spans,
  SUM(CASE WHEN outcome IN ('http_5xx', 'error') THEN requests ELSE 0 END) AS errors,
  SUM(duration_sum_nano) AS duration_sum_nano,
  MIN(duration_min_nano) AS duration_min_nano,
  MAX(duration_max_nano) AS duration_max_nano,
  BOOL_OR(resolution_limited) AS resolution_limited
FROM metric_latency_buckets
GROUP BY ALL
