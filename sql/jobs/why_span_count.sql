-- One row: how many spans the traces have that are looked at.
SELECT COUNT(*) AS spans
FROM spans
SEMI JOIN entries
  ON entries.trace_id = spans.trace_id
