-- One row a request: its times as seen from where the buckets of its instance begin.
-- Buckets begin where the counters of an instance are read: CPU time and requests are then of the
-- same seconds, and neither is smeared over the next bucket.
SELECT
  sent.service_name,
  sent.service_version,
  sent.service_instance_id,
  sent.operation,
  sent.started - COALESCE(phases.phase_nano, 0) AS started,
  sent.ended - COALESCE(phases.phase_nano, 0) AS ended,
  sent.weight,
  sent.self_nano,
  sent.cpu_s,
  COALESCE(phases.phase_nano, 0) AS phase_nano
FROM requests_as_sent AS sent
LEFT JOIN capacity_phases AS phases USING (service_name, service_instance_id)
