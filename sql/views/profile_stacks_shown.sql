-- One row a stack and a pair of drop_frames and keep_frames that some profile has; '' for none.
-- A frame whose name matches drop_frames as a whole, and not keep_frames, is cut off with all that
-- it calls; frames before the first that stays are left, so that no stack ends empty. The name is
-- matched without its arguments. A pattern that cannot be read drops nothing.
WITH
  stacks AS (
    SELECT
      stack_id,
      ANY_VALUE(functions) AS functions,
      ANY_VALUE(frame_ids) AS frame_ids
    FROM profile_stacks
    GROUP BY stack_id
  ),
  rules AS (
    SELECT DISTINCT
      COALESCE(drop_frames, '') AS drop_frames,
      COALESCE(keep_frames, '') AS keep_frames
    FROM profiles
    WHERE COALESCE(drop_frames, '') <> ''
  ),
  names AS (
    SELECT DISTINCT
      function,
      -- Two names hold brackets that are not arguments.
      REPLACE(
        REPLACE(
          SPLIT_PART(
            REPLACE(
              REPLACE(LTRIM(function, '.'), '(anonymous namespace)', CHR(1)),
              'operator()',
              CHR(2)
            ),
            '(',
            1
          ),
          CHR(1),
          '(anonymous namespace)'
        ),
        CHR(2),
        'operator()'
      ) AS name
    FROM (
      SELECT UNNEST(functions) AS function
      FROM stacks
      WHERE EXISTS (FROM rules)
    )
  ),
  dropped AS (
    SELECT
      rules.drop_frames,
      rules.keep_frames,
      LIST(names.function) AS functions
    FROM rules
    JOIN names
      ON TRY(REGEXP_FULL_MATCH(names.name, rules.drop_frames))
      AND (
        rules.keep_frames = ''
        OR NOT COALESCE(TRY(REGEXP_FULL_MATCH(names.name, rules.keep_frames)), FALSE)
      )
    GROUP BY 1, 2
  ),
  judged AS (
    SELECT
      stacks.stack_id,
      stacks.functions,
      stacks.frame_ids,
      rules.drop_frames,
      rules.keep_frames,
      LIST_TRANSFORM(
        stacks.functions,
        LAMBDA each: LIST_CONTAINS(COALESCE(dropped.functions, []), each)
      ) AS is_dropped
    FROM stacks
    CROSS JOIN rules
    LEFT JOIN dropped
      ON dropped.drop_frames = rules.drop_frames
      AND dropped.keep_frames = rules.keep_frames
  ),
  cut AS (
    SELECT
      *,
      -- From the root on: the last dropped frame, leaf first, that a kept one called.
      COALESCE(
        LIST_MAX(
          LIST_FILTER(
            RANGE(1, LEN(is_dropped) + 1),
            LAMBDA place: is_dropped[place]
              AND LIST_CONTAINS(is_dropped[place + 1:], FALSE)
          )
        ),
        0
      ) AS places
    FROM judged
  )
SELECT
  stack_id,
  '' AS drop_frames,
  '' AS keep_frames,
  functions,
  frame_ids
FROM stacks
UNION ALL
SELECT
  stack_id,
  drop_frames,
  keep_frames,
  functions[places + 1:] AS functions,
  frame_ids[places + 1:] AS frame_ids
FROM cut
