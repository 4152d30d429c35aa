-- One row a trace id and span id that more than one row of spans has, with when those came.
-- A sender that batches anew what it sends again makes them; a byte-identical retry does not.
SELECT
  trace_id,
  span_id,
  COUNT(*) AS row_count,
  COUNT(DISTINCT ingest_batch_id) AS request_count,
  make_timestamp_ns(MIN(ingest_time_unix_nano)) AS first_ingest_time,
  make_timestamp_ns(MAX(ingest_time_unix_nano)) AS last_ingest_time
FROM spans
GROUP BY trace_id, span_id
HAVING COUNT(*) > 1
