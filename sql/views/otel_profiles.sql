-- One row a sample, in the column names of OpenTelemetry's profiles stores; stacks leaf first.
WITH
  stacks AS (
    SELECT
      stack_id,
      any_value(functions) AS functions,
      any_value(frame_ids) AS frame_ids
    FROM profile_stacks
    GROUP BY stack_id
  ),
  frames AS (
    SELECT
      frame_id,
      any_value(file) AS file,
      any_value(line) AS line
    FROM profile_frames
    GROUP BY frame_id
  ),
  places AS (
    SELECT
      stack_id,
      unnest(frame_ids) AS frame_id,
      generate_subscripts(frame_ids, 1) AS place
    FROM stacks
  ),
  sources AS (
    SELECT
      places.stack_id,
      list(COALESCE(frames.file, '') ORDER BY places.place) AS files,
      list(COALESCE(frames.line, 0) ORDER BY places.place) AS lines
    FROM places
    LEFT JOIN frames ON frames.frame_id = places.frame_id
    GROUP BY places.stack_id
  ),
  periods AS (
    SELECT
      profile_id,
      any_value(period) AS period,
      any_value(period_type) AS period_type
    FROM profiles
    GROUP BY profile_id
  )
SELECT
  make_timestamp_ns(samples.time_unix_nano) AS "Timestamp",
  samples.profile_id AS "ProfileId",
  samples.sample_type AS "SampleType",
  samples.sample_unit AS "SampleUnit",
  samples.service_name AS "ServiceName",
  samples.stack_id AS "StackHash",
  stacks.functions AS "FunctionNames",
  sources.files AS "FileNames",
  sources.lines AS "LineNumbers",
  [samples.value] AS "Values",
  periods.period AS "Period",
  COALESCE(periods.period_type, '') AS "PeriodType",
  COALESCE(samples.trace_id, '') AS "TraceId",
  COALESCE(samples.span_id, '') AS "SpanId"
FROM profile_samples AS samples
LEFT JOIN stacks ON stacks.stack_id = samples.stack_id
LEFT JOIN sources ON sources.stack_id = samples.stack_id
LEFT JOIN periods ON periods.profile_id = samples.profile_id
