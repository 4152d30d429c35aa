-- One row a frame of the selected stacks.
SELECT
  frame_id,
  MIN(function) AS function,
  MIN(system_name) AS system_name,
  MIN(file) AS file,
  MIN(line) AS line,
  MIN("column") AS "column",
  MIN(start_line) AS start_line,
  MIN(mapping) AS mapping,
  MIN(build_id) AS build_id,
  MIN(address) AS address,
  MIN(kind) AS kind
FROM profile_frames
WHERE frame_id IN (
    SELECT selected_frames.frame_id
    FROM selected_frames
  )
GROUP BY frame_id
