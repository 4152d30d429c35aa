-- One row an instance, a model, an operation and a minute: tokens of prompts, and those cached.
-- Conventions count cached tokens among those of the prompt. A sender whose prompts are smaller
-- than what was cached of them does not: its cached tokens are added to the prompt's. One call in
-- twenty of those with cached tokens tells it; fewer are slips of counting.
WITH calls AS (
  SELECT
    service_name,
    COALESCE(service_version, '') AS service_version,
    COALESCE(service_instance_id, '') AS service_instance_id,
    COALESCE(deployment_environment, '') AS deployment_environment,
    COALESCE(attributes['gen_ai.provider.name'], attributes['gen_ai.system'], '') AS provider,
    COALESCE(
      attributes['gen_ai.response.model'],
      attributes['gen_ai.request.model'],
      ''
    ) AS model,
    COALESCE(attributes['gen_ai.operation.name'], name) AS operation,
    start_time_unix_nano // 60000000000 AS minute,
    sampling_weight,
    TRY_CAST(
      COALESCE(
        attributes['gen_ai.usage.input_tokens'],
        attributes['gen_ai.usage.prompt_tokens']
      ) AS DOUBLE
    ) AS prompt,
    TRY_CAST(
      COALESCE(
        attributes['gen_ai.usage.cache_read.input_tokens'],
        attributes['gen_ai.usage.cache_read_input_tokens'],
        attributes['gen_ai.usage.input_tokens.cached'],
        attributes['gen_ai.usage.cached_tokens']
      ) AS DOUBLE
    ) AS cached,
    TRY_CAST(
      COALESCE(
        attributes['gen_ai.usage.cache_creation.input_tokens'],
        attributes['gen_ai.usage.cache_creation_input_tokens'],
        attributes['gen_ai.usage.input_tokens.cache_write']
      ) AS DOUBLE
    ) AS written
  FROM spans
  WHERE start_time_unix_nano >= $since_unix_nano
    AND start_time_unix_nano < $until_unix_nano
    AND start_time_unix_nano <= ingest_time_unix_nano + 86400000000000
    AND COALESCE(
      attributes['gen_ai.usage.input_tokens'],
      attributes['gen_ai.usage.prompt_tokens']
    ) IS NOT NULL
    AND (NOT $has_service_name OR service_name = $service_name)
    AND (NOT $has_service_version OR service_version = $service_version)
    AND (NOT $has_service_instance_id OR service_instance_id = $service_instance_id)
    AND (NOT $has_deployment_environment OR deployment_environment = $deployment_environment)
    AND (
      NOT $has_attributes
      OR LEN(
        LIST_FILTER(
          LIST_ZIP(CAST($attribute_keys AS VARCHAR[]), CAST($attribute_values AS VARCHAR[])),
          LAMBDA pair: COALESCE(resource_attributes[pair[1]], '') <> pair[2]
        )
      ) = 0
    )
  -- A span that was sent twice counts once.
  QUALIFY ROW_NUMBER() OVER (
      PARTITION BY service_name, trace_id, span_id
      ORDER BY ingest_time_unix_nano, ingest_batch_id
    ) = 1
), judged AS (
  SELECT
    *,
    COALESCE(cached, 0) + COALESCE(written, 0) AS beside,
    COALESCE(
      AVG(CAST(prompt < COALESCE(cached, 0) + COALESCE(written, 0) AS DOUBLE))
        FILTER (COALESCE(cached, 0) + COALESCE(written, 0) > 0)
        OVER (PARTITION BY service_name, provider) >= 0.05,
      FALSE
    ) AS is_beside
  FROM calls
  -- What is no number is greater than any, to this database.
  WHERE prompt >= 0
    AND COALESCE(cached, 0) >= 0
    AND COALESCE(written, 0) >= 0
    AND ISFINITE(prompt + COALESCE(cached, 0) + COALESCE(written, 0))
), totalled AS (
  SELECT
    *,
    cached IS NOT NULL OR written IS NOT NULL AS is_told,
    CASE WHEN is_beside THEN prompt + beside ELSE GREATEST(prompt, beside) END AS tokens
  FROM judged
)
SELECT
  service_name,
  provider,
  model,
  operation,
  service_version,
  service_instance_id,
  deployment_environment,
  minute,
  COUNT(*) AS calls,
  COUNT(*) FILTER (NOT is_told) AS untold,
  BOOL_OR(is_beside) AS is_beside,
  -- Lists in an order: a sum of floating-point numbers depends on it.
  LIST_SUM(LIST(sampling_weight * tokens ORDER BY sampling_weight * tokens) FILTER (is_told))
    AS tokens,
  LIST_SUM(
    LIST(POW(sampling_weight * tokens, 2) ORDER BY sampling_weight * tokens) FILTER (is_told)
  ) AS tokens_squared,
  LIST_SUM(
    LIST(sampling_weight * COALESCE(cached, 0) ORDER BY sampling_weight * COALESCE(cached, 0))
      FILTER (is_told)
  ) AS cached,
  LIST_SUM(
    LIST(sampling_weight * COALESCE(written, 0) ORDER BY sampling_weight * COALESCE(written, 0))
      FILTER (is_told)
  ) AS written
FROM totalled
GROUP BY
  service_name,
  provider,
  model,
  operation,
  service_version,
  service_instance_id,
  deployment_environment,
  minute
ORDER BY
  service_name,
  provider,
  model,
  operation,
  service_version,
  service_instance_id,
  deployment_environment,
  minute
