-- Zero or more rows, one a cache that is asked as a database is: those tell hits by rows returned.
SELECT DISTINCT db_system
FROM spans
WHERE db_system IN ('redis', 'valkey', 'memcached')
