-- One row a counted stack and a pair of patterns of its profiles, its frames leaf first.
SELECT
  stack_id,
  drop_frames,
  keep_frames,
  functions,
  frame_ids
FROM profile_stacks_shown
WHERE (stack_id, drop_frames, keep_frames) IN (
    SELECT
      counted_stacks.stack_id,
      counted_stacks.drop_frames,
      counted_stacks.keep_frames
    FROM counted_stacks
  )
