"""Which spans are lookups of a cache, by the names that conventions and instrumentations use.

Source: OpenTelemetry semantic conventions 1.38, database spans of Redis; Sentry's cache module for
cache.hit and cache.key; Micrometer's CacheMeterBinder; redis, memcached and Prometheus receivers.
"""

from types import MappingProxyType

from pipeline.jobs.judge_request import Pairs

# Values of db.system.name and db.system that answer from memory.
CACHE_SYSTEMS = ("redis", "valkey", "memcached", "keydb", "dragonfly", "garnet", "aerospike")

ONE_KEY = ("GET", "GETS", "GETEX", "GETDEL", "GAT", "GATS", "HGET", "HGETALL", "JSON.GET")
MANY_KEYS = ("MGET", "HMGET", "GET_MULTI", "GET_MANY", "GETMULTI", "JSON.MGET")

# Commands that put a value in a cache.
SETTING = ("SET", "SETEX", "PSETEX", "SETNX", "ADD", "CAS", "REPLACE")

# First words of statements that do not read what a cache is filled with.
WRITING = (
    *("INSERT", "UPDATE", "DELETE", "MERGE", "UPSERT", "REPLACE", "TRUNCATE", "COPY"),
    *("CREATE", "ALTER", "DROP", "GRANT", "REVOKE", "SET", "SHOW", "PING", "CONNECT"),
    *("BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"),
)

# Counters of a server's whole keyspace.
SERVER_SOURCES = (
    *("redis.keyspace", "redis_keyspace"),
    *("memcached.operations", "memcached_operations"),
)

COLUMNS = ("service_name", "service_version", "service_instance_id", "deployment_environment")

CONVENTIONS: MappingProxyType[str, object] = MappingProxyType(
    {
        "cache_systems": list(CACHE_SYSTEMS),
        "one_key": list(ONE_KEY),
        "many_keys": list(MANY_KEYS),
    }
)


def chosen(where: Pairs) -> dict[str, object]:
    """Give what a statement binds to look at some senders only.

    Args:
        where: column and value pairs; what is no column of COLUMNS is a resource attribute.
    """
    pairs = dict(where)
    attributes = {key: value for key, value in pairs.items() if key not in COLUMNS}
    values: dict[str, object] = {
        "has_attributes": bool(attributes),
        "attribute_keys": list(attributes),
        "attribute_values": list(attributes.values()),
    }
    for column in COLUMNS:
        values[f"has_{column}"] = column in pairs
        values[column] = pairs.get(column, "")
    return values
