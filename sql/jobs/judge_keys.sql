-- One row a key of a resource attribute.
SELECT DISTINCT
  UNNEST(MAP_KEYS(resource_attributes)) AS key
FROM spans
ORDER BY ALL
