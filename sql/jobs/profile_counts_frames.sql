-- One row a frame of the counted stacks: the file and the module that it stands in.
SELECT
  frame_id,
  MIN(file) AS file,
  MIN(mapping) AS mapping
FROM profile_frames
WHERE frame_id IN (
    SELECT counted_frames.frame_id
    FROM counted_frames
  )
GROUP BY frame_id
