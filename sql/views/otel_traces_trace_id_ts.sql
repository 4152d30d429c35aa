-- One row a trace: its first start and last start, as the ClickHouse exporter's look-up table.
SELECT
  trace_id AS "TraceId",
  make_timestamp_ns(MIN(start_time_unix_nano)) AS "Start",
  make_timestamp_ns(MAX(start_time_unix_nano)) AS "End"
FROM spans
GROUP BY trace_id
