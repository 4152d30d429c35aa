-- One row a source and a series of its points: what they are of, a queue or a pool, told by names.
WITH series AS (
  SELECT
    sources.place,
    metrics.series_id,
    ANY_VALUE(sources.thing) AS unnamed,
    ANY_VALUE(metrics.attributes) AS attributes,
    ANY_VALUE(metrics.resource_attributes) AS resource_attributes
  FROM metrics
  JOIN metric_sources AS sources
    ON sources.name = metrics.name
    AND sources.unit = COALESCE(metrics.unit, '')
  WHERE LIST_CONTAINS(CAST($names AS VARCHAR[]), metrics.name)
    AND metrics.service_name GLOB $service
  GROUP BY ALL
)
SELECT
  place,
  series_id,
  COALESCE(
    NULLIF(
      ARRAY_TO_STRING(
        LIST_FILTER(
          LIST_TRANSFORM(
            CAST($by AS VARCHAR[][]),
            LAMBDA keys: LIST_FILTER(
              LIST_TRANSFORM(
                keys,
                -- Of a resource only names of conventions: its plain ones are about the host.
                LAMBDA key: COALESCE(
                  attributes[key],
                  CASE WHEN CONTAINS(key, '.') THEN resource_attributes[key] END
                )
              ),
              LAMBDA found: found IS NOT NULL
            )[1]
          ),
          LAMBDA found: found IS NOT NULL
        ),
        '/'
      ),
      ''
    ),
    unnamed
  ) AS thing
FROM series
