-- One row an instance whose counters are read at even times: how far into a bucket they are read.
-- A mean of directions: times before and after the edge of a bucket lie beside each other.
WITH points AS (
  SELECT
    service_name,
    COALESCE(service_instance_id, '') AS service_instance_id,
    2 * PI() * (time_unix_nano % $bucket) / $bucket AS angle
  FROM metric_rates
  WHERE LIST_CONTAINS(CAST($counters AS VARCHAR[]), name)
    AND service_name GLOB $service
    AND time_unix_nano > $since
    AND time_unix_nano < $until
), means AS (
  SELECT
    service_name,
    service_instance_id,
    LIST_AVG(LIST(SIN(angle) ORDER BY angle)) AS up,
    LIST_AVG(LIST(COS(angle) ORDER BY angle)) AS across
  FROM points
  GROUP BY ALL
), known AS (
  SELECT DISTINCT
    service_name,
    service_instance_id
  FROM requests_as_sent
)
SELECT
  service_name,
  service_instance_id,
  CAST(ROUND(((ATAN2(up, across) / (2 * PI()) + 1) % 1) * $bucket) AS BIGINT) % $bucket
    AS phase_nano
FROM means
JOIN known USING (service_name, service_instance_id)
-- Times all over a bucket have no direction.
WHERE up * up + across * across > 0.8
ORDER BY ALL
