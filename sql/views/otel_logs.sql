-- One row a log record, in the column names of the ClickHouse exporter.
SELECT
  make_timestamp_ns(time_unix_nano) AS "Timestamp",
  COALESCE(trace_id, '') AS "TraceId",
  COALESCE(span_id, '') AS "SpanId",
  CAST(COALESCE(flags, 0) & 255 AS UTINYINT) AS "TraceFlags",
  COALESCE(severity_text, '') AS "SeverityText",
  CAST(COALESCE(severity_number, 0) AS UTINYINT) AS "SeverityNumber",
  service_name AS "ServiceName",
  COALESCE(body, '') AS "Body",
  COALESCE(resource_schema_url, '') AS "ResourceSchemaUrl",
  resource_attributes AS "ResourceAttributes",
  COALESCE(scope_schema_url, '') AS "ScopeSchemaUrl",
  COALESCE(scope_name, '') AS "ScopeName",
  COALESCE(scope_version, '') AS "ScopeVersion",
  scope_attributes AS "ScopeAttributes",
  attributes AS "LogAttributes",
  COALESCE(event_name, '') AS "EventName"
FROM logs
