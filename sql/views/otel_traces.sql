-- One row a span, in the column names of the ClickHouse exporter, so that existing queries run.
SELECT
  make_timestamp_ns(start_time_unix_nano) AS "Timestamp",
  trace_id AS "TraceId",
  span_id AS "SpanId",
  COALESCE(parent_span_id, '') AS "ParentSpanId",
  COALESCE(trace_state, '') AS "TraceState",
  name AS "SpanName",
  CASE kind
    WHEN 1 THEN 'Internal'
    WHEN 2 THEN 'Server'
    WHEN 3 THEN 'Client'
    WHEN 4 THEN 'Producer'
    WHEN 5 THEN 'Consumer'
    ELSE 'Unspecified'
  END AS "SpanKind",
  service_name AS "ServiceName",
  resource_attributes AS "ResourceAttributes",
  COALESCE(scope_name, '') AS "ScopeName",
  COALESCE(scope_version, '') AS "ScopeVersion",
  attributes AS "SpanAttributes",
  duration_nano AS "Duration",
  CASE status_code
    WHEN 1 THEN 'Ok'
    WHEN 2 THEN 'Error'
    ELSE 'Unset'
  END AS "StatusCode",
  COALESCE(status_message, '') AS "StatusMessage",
  list_transform(events, lambda event: make_timestamp_ns(event.time_unix_nano))
    AS "Events.Timestamp",
  list_transform(events, lambda event: event.name) AS "Events.Name",
  list_transform(events, lambda event: event.attributes) AS "Events.Attributes",
  list_transform(links, lambda link: COALESCE(link.trace_id, '')) AS "Links.TraceId",
  list_transform(links, lambda link: COALESCE(link.span_id, '')) AS "Links.SpanId",
  list_transform(links, lambda link: COALESCE(link.trace_state, '')) AS "Links.TraceState",
  list_transform(links, lambda link: link.attributes) AS "Links.Attributes"
FROM spans
