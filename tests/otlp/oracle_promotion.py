"""What promotion must give: each column of the schema's list, by its attribute names."""

import re
from typing import Any
from urllib.parse import urlsplit

from tests.otlp.oracle_texts import Joined, Shortest

Row = dict[str, Any]

CLIENT, SERVER = (3, 4), (2, 5)


def integer(given: Any, bits: int = 64) -> int | None:
    """Read an attribute's text as an integer that fits; None otherwise."""
    if isinstance(given, Shortest):
        found = int(given.value) if given.value.is_integer() else None
    elif isinstance(given, str) and re.fullmatch(r"-?[0-9]{1,19}", given):
        found = int(given)
    else:
        found = None
    if found is None or not -(2 ** (bits - 1)) <= found < 2 ** (bits - 1):
        return None
    return found


def first(*values: Any) -> Any:
    """Give the first that is not None."""
    return next((value for value in values if value is not None), None)


def promoted(attributes: dict[str, Any], kind: int, exception_type: Any) -> Row:
    """Give the promoted columns, new names before old."""
    get = attributes.get
    return {
        **of_http(attributes),
        **of_the_server(attributes, kind),
        **of_calls(attributes),
        **of_databases(attributes),
        "messaging_system": get("messaging.system"),
        "messaging_destination": first(
            get("messaging.destination.name"), get("messaging.destination")
        ),
        "messaging_operation": first(
            get("messaging.operation.type"), renamed(get("messaging.operation"))
        ),
        "error_type": first(get("error.type"), exception_type),
        "cache_hit": {"true": True, "false": False}.get(lowered(get("cache.hit"))),
        "cache_key": get("cache.key"),
        "cache_item_size": integer(get("cache.item_size")),
        "code_function": first(
            get("code.function.name"), joined(get("code.namespace"), ".", get("code.function"))
        ),
        "thread_id": integer(get("thread.id")),
    }


def of_http(attributes: dict[str, Any]) -> Row:
    get = attributes.get
    return {
        "http_request_method": first(get("http.request.method"), get("http.method")),
        "http_route": get("http.route"),
        "http_response_status_code": first(
            integer(get("http.response.status_code"), 32), integer(get("http.status_code"), 32)
        ),
        "url_path": first(
            get("url.path"),
            target(get("http.target")),
            path(get("url.full")),
            path(get("http.url")),
        ),
    }


def of_the_server(attributes: dict[str, Any], kind: int) -> Row:
    get = attributes.get

    def on(kinds: tuple[int, ...], value: Any) -> Any:
        return value if kind in kinds else None

    return {
        "server_address": first(
            get("server.address"),
            on(CLIENT, get("net.peer.name")),
            on(SERVER, get("net.host.name")),
            on(SERVER, get("http.host")),
        ),
        "server_port": first(
            integer(get("server.port"), 32),
            on(CLIENT, integer(get("net.peer.port"), 32)),
            on(SERVER, integer(get("net.host.port"), 32)),
        ),
    }


def of_calls(attributes: dict[str, Any]) -> Row:
    get = attributes.get
    return {
        "peer_service": first(get("service.peer.name"), get("peer.service")),
        "rpc_system": first(get("rpc.system.name"), get("rpc.system")),
        "rpc_method": joined(get("rpc.service"), "/", get("rpc.method")),
        "rpc_status_code": first(
            get("rpc.response.status_code"), get("rpc.status_code"), get("rpc.grpc.status_code")
        ),
    }


def of_databases(attributes: dict[str, Any]) -> Row:
    get = attributes.get
    return {
        "db_system": first(get("db.system.name"), get("db.system")),
        "db_namespace": first(get("db.namespace"), get("db.name"), get("db.redis.database_index")),
        "db_operation": first(get("db.operation.name"), get("db.operation")),
        "db_collection": first(
            get("db.collection.name"),
            get("db.sql.table"),
            get("db.mongodb.collection"),
            get("db.cassandra.table"),
        ),
        "db_query_text": first(get("db.query.text"), get("db.statement")),
    }


def lowered(given: Any) -> str:
    return given.lower() if isinstance(given, str) else ""


def joined(before: Any, between: str, after: Any) -> Any:
    """Put a namespace before a name; a name alone stands alone."""
    if before is None or after is None:
        return after
    return Joined(before, between, after)


def renamed(operation: Any) -> Any:
    old = {"deliver": "process", "publish": "send"}
    return old.get(operation, operation) if isinstance(operation, str) else operation


def target(given: Any) -> Any:
    return given.split("?")[0] if isinstance(given, str) else given


def path(url: Any) -> str | None:
    return urlsplit(url).path or None if isinstance(url, str) and "://" in url else None
