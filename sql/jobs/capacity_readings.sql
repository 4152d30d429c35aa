-- One row an instance, a stretch from one reading of its counter of CPU time to a later one, and an
-- operation: what the counter added, and how many requests were under way; one row where none was.
-- Of the first counter of those known, where its series are read at once. Stretches lie between the
-- first and the last request of the instance, after its start; each is of as many readings as its
-- service's merged.
WITH readings AS (
  SELECT
    service_name,
    service_instance_id,
    name,
    started,
    ended,
    LIST_SUM(LIST(seconds ORDER BY series_id)) AS seconds,
    COUNT(*) AS series
  FROM capacity_points
  GROUP BY ALL
), chosen AS (
  SELECT
    *
  FROM readings
  QUALIFY LIST_POSITION(CAST($counters AS VARCHAR[]), name)
      = MIN(LIST_POSITION(CAST($counters AS VARCHAR[]), name)) OVER (PARTITION BY service_name)
    AND series = MAX(series) OVER (PARTITION BY service_name, service_instance_id, name)
), following AS (
  SELECT
    *,
    started < MAX(ended) OVER (
      PARTITION BY service_name, service_instance_id
      ORDER BY started, ended
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS is_within
  FROM chosen
), best AS (
  SELECT
    *
  FROM following
  -- Processes that no name tells apart are read at moments of their own: a stretch would have the
  -- CPU time of one of them, and the requests of all.
  QUALIFY NOT BOOL_OR(COALESCE(is_within, FALSE)) OVER (PARTITION BY service_name)
), settled AS (
  SELECT
    service_name,
    service_instance_id,
    MIN(started) + $settling AS settled
  FROM best
  GROUP BY ALL
), watched AS (
  SELECT
    requests.service_name,
    requests.service_version,
    requests.service_instance_id,
    GREATEST(MIN(requests.started), ANY_VALUE(settled.settled), $since) AS opened,
    LEAST(MAX(requests.ended), $until) AS closed
  FROM requests_as_sent AS requests
  JOIN settled USING (service_name, service_instance_id)
  GROUP BY ALL
), numbered AS (
  SELECT
    watched.service_name,
    watched.service_version,
    watched.service_instance_id,
    best.started,
    best.ended,
    best.seconds,
    stretched.merged,
    ROW_NUMBER() OVER (
      PARTITION BY watched.service_name, watched.service_version, watched.service_instance_id
      ORDER BY best.started, best.ended
    ) - 1 AS number
  FROM best
  JOIN watched USING (service_name, service_instance_id)
  JOIN capacity_stretched AS stretched USING (service_name, service_version)
  WHERE best.started >= watched.opened
    AND best.ended <= watched.closed
), stretches AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    number // merged AS stretch,
    merged,
    MIN(started) AS started,
    MAX(ended) AS ended,
    LIST_SUM(LIST(seconds ORDER BY started)) AS seconds
  FROM numbered
  GROUP BY ALL
  -- With a reading missing, or two of them that overlap, it is not known what was used within.
  HAVING COUNT(*) = merged
    AND SUM(ended - started) = MAX(ended) - MIN(started)
), parts AS (
  SELECT
    stretches.service_name,
    stretches.service_version,
    stretches.service_instance_id,
    stretches.stretch,
    requests.operation,
    requests.self_nano,
    -- Nobody knows when within a request it worked: a part of its time is that part of it.
    requests.weight
      * (LEAST(requests.ended, stretches.ended) - GREATEST(requests.started, stretches.started))
      / (requests.ended - requests.started) AS part
  FROM (
    SELECT
      * REPLACE (LEAST(started, ended - 1) AS started)
    FROM requests_as_sent
  ) AS requests
  JOIN stretches
    ON requests.service_name = stretches.service_name
    AND requests.service_version = stretches.service_version
    AND requests.service_instance_id = stretches.service_instance_id
    AND requests.started < stretches.ended
    AND requests.ended > stretches.started
), worked AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    stretch,
    operation,
    LIST_SUM(LIST(part ORDER BY part)) AS requests,
    LIST_SUM(LIST(part * self_nano / 1e9 ORDER BY part, self_nano)) AS self_time_s
  FROM parts
  GROUP BY ALL
)
SELECT
  service_name,
  service_version,
  service_instance_id,
  stretch AS bucket,
  (stretches.started + stretches.ended) / 2e9 AS middle_s,
  (stretches.ended - stretches.started) / 1e9 AS watched_s,
  stretches.seconds,
  COALESCE(worked.operation, '') AS operation,
  COALESCE(worked.requests, 0) AS requests,
  COALESCE(worked.self_time_s, 0) AS self_time_s
FROM stretches
LEFT JOIN worked USING (service_name, service_version, service_instance_id, stretch)
ORDER BY ALL
