-- One row a selected stack, its frames leaf first.
SELECT
  stack_id,
  ANY_VALUE(frame_ids) AS frame_ids
FROM profile_stacks
WHERE stack_id IN (
    SELECT selected_stacks.stack_id
    FROM selected_stacks
  )
GROUP BY stack_id
