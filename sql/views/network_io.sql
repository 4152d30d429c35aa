-- One row a service, a version and a tracer of TCP: connections and what went over them.
-- Tools are apart, as each counts the same traffic: tcplife a connection when it ends, tcptop its
-- traffic interval by interval, tcpconnect its beginning alone, so without bytes or time.
WITH traced AS (
  SELECT
    service_name,
    service_version,
    service_instance_id,
    tool,
    time_unix_nano,
    CASE
      WHEN tool = 'tcptop'
        THEN CONCAT_WS(
          ' ',
          pid,
          fields['LADDR'],
          fields['LPORT'],
          fields['RADDR'],
          fields['RPORT']
        )
    END AS connection,
    TRY_CAST(fields['TX_KB'] AS DOUBLE) * 1024 AS sent_bytes,
    TRY_CAST(fields['RX_KB'] AS DOUBLE) * 1024 AS received_bytes,
    COALESCE(
      CAST(duration_nano AS DOUBLE),
      TRY_CAST(fields['MS'] AS DOUBLE) * 1e6
    ) AS lasted_nano
  FROM ebpf_events
  WHERE tool IN ('tcplife', 'tcptop', 'tcpconnect')
  UNION ALL
  SELECT
    service_name,
    service_version,
    service_instance_id,
    tool,
    time_unix_nano,
    CAST(keys AS VARCHAR) AS connection,
    CASE metric WHEN 'tx_kb' THEN COALESCE(value_double, value_int) * 1024 END AS sent_bytes,
    CASE metric WHEN 'rx_kb' THEN COALESCE(value_double, value_int) * 1024 END AS received_bytes,
    NULL AS lasted_nano
  FROM ebpf_counts
  WHERE tool = 'tcptop'
    AND metric IN ('tx_kb', 'rx_kb')
    AND status = 'ok'
)
SELECT
  service_name,
  service_version,
  tool,
  CASE tool
    WHEN 'tcptop' THEN COUNT(DISTINCT (COALESCE(service_instance_id, ''), connection))
    ELSE COUNT(*)
  END AS connections,
  TRY_CAST(ROUND(SUM(sent_bytes)) AS BIGINT) AS sent_bytes,
  TRY_CAST(ROUND(SUM(received_bytes)) AS BIGINT) AS received_bytes,
  TRY_CAST(ROUND(SUM(lasted_nano)) AS BIGINT) AS connected_nano,
  MIN(time_unix_nano) AS first_time_unix_nano,
  MAX(time_unix_nano) AS last_time_unix_nano
FROM traced
GROUP BY 1, 2, 3
