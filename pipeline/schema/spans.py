"""The spans table: one row a span, every OTLP field, the attributes people ask for promoted."""

import pyarrow as pa

from pipeline.schema.common import INGEST_COLUMNS, RESOURCE_COLUMNS, SCOPE_COLUMNS
from pipeline.schema.table import ATTRIBUTES, Column, Table

EVENTS = pa.list_(
    pa.struct(
        [
            pa.field("time_unix_nano", pa.int64()),
            pa.field("name", pa.string()),
            pa.field("attributes", ATTRIBUTES),
            pa.field("dropped_attributes_count", pa.int64()),
        ]
    )
)

LINKS = pa.list_(
    pa.struct(
        [
            pa.field("trace_id", pa.string()),
            pa.field("span_id", pa.string()),
            pa.field("trace_state", pa.string()),
            pa.field("attributes", ATTRIBUTES),
            pa.field("flags", pa.int64()),
            pa.field("dropped_attributes_count", pa.int64()),
        ]
    )
)

_OWN_COLUMNS = (
    Column("trace_id", pa.string(), "32 hex digits", nullable=False),
    Column("span_id", pa.string(), "16 hex digits", nullable=False),
    Column("parent_span_id", pa.string(), "16 hex digits; NULL for a root"),
    Column("trace_state", pa.string(), "W3C text"),
    Column("flags", pa.int64(), "OTLP flags; bit 8 has_is_remote, bit 9 is_remote"),
    Column("name", pa.string(), "the span's name", nullable=False),
    Column(
        "kind",
        pa.int32(),
        "0 unspecified 1 internal 2 server 3 client 4 producer 5 consumer",
        nullable=False,
    ),
    Column("start_time_unix_nano", pa.int64(), "start", "ns", nullable=False),
    Column("end_time_unix_nano", pa.int64(), "end", "ns", nullable=False),
    Column("duration_nano", pa.int64(), "end less start; may be negative", "ns", nullable=False),
    Column("status_code", pa.int32(), "0 unset 1 ok 2 error", nullable=False),
    Column("status_message", pa.string(), "what went wrong"),
    Column("attributes", ATTRIBUTES, "all of the span's", nullable=False),
    Column("events", EVENTS, "in the sender's order"),
    Column("links", LINKS, "in the sender's order"),
    Column("dropped_attributes_count", pa.int64(), "by the sender", "attributes"),
    Column("dropped_events_count", pa.int64(), "by the sender", "events"),
    Column("dropped_links_count", pa.int64(), "by the sender", "links"),
    Column("sampling_weight", pa.float64(), "requests a row stands for", "1", nullable=False),
    Column("sampling_known", pa.bool_(), "whether the sender told a weight", nullable=False),
)

# New name of the semantic conventions first, then the old ones: first present wins. A name in
# braces is worked out from more than one field (see collectors/otlp/promotion.py).
PROMOTED_COLUMNS = (
    Column(
        "http_request_method",
        pa.string(),
        "GET, POST, …",
        sources=("http.request.method", "http.method"),
    ),
    Column("http_route", pa.string(), "the route's template", sources=("http.route",)),
    Column(
        "http_response_status_code",
        pa.int32(),
        "100 to 599",
        sources=("http.response.status_code", "http.status_code"),
    ),
    Column(
        "url_path",
        pa.string(),
        "the path alone",
        sources=("url.path", "{http.target}", "{url.full}", "{http.url}"),
    ),
    Column(
        "server_address",
        pa.string(),
        "the server's name",
        sources=("server.address", "{net.peer.name}", "{net.host.name}", "{http.host}"),
    ),
    Column(
        "server_port",
        pa.int32(),
        "its port",
        sources=("server.port", "{net.peer.port}", "{net.host.port}"),
    ),
    Column(
        "peer_service",
        pa.string(),
        "the service that was called",
        sources=("service.peer.name", "peer.service"),
    ),
    Column("rpc_system", pa.string(), "grpc, …", sources=("rpc.system.name", "rpc.system")),
    Column("rpc_method", pa.string(), "service/method", sources=("{rpc.method}",)),
    Column(
        "rpc_status_code",
        pa.string(),
        "the call's status",
        sources=("rpc.response.status_code", "rpc.status_code", "rpc.grpc.status_code"),
    ),
    Column("db_system", pa.string(), "postgresql, …", sources=("db.system.name", "db.system")),
    Column(
        "db_namespace",
        pa.string(),
        "the database",
        sources=("db.namespace", "db.name", "db.redis.database_index"),
    ),
    Column(
        "db_operation",
        pa.string(),
        "SELECT, …",
        sources=("db.operation.name", "db.operation"),
    ),
    Column(
        "db_collection",
        pa.string(),
        "the table",
        sources=(
            "db.collection.name",
            "db.sql.table",
            "db.mongodb.collection",
            "db.cassandra.table",
        ),
    ),
    Column(
        "db_query_text",
        pa.string(),
        "the statement",
        sources=("db.query.text", "db.statement"),
    ),
    Column("messaging_system", pa.string(), "kafka, …", sources=("messaging.system",)),
    Column(
        "messaging_destination",
        pa.string(),
        "the topic or queue",
        sources=("messaging.destination.name", "messaging.destination"),
    ),
    Column(
        "messaging_operation",
        pa.string(),
        "send, receive, process, …",
        sources=("messaging.operation.type", "{messaging.operation}"),
    ),
    Column(
        "error_type",
        pa.string(),
        "the class of the error",
        sources=("error.type", "{exception.type}"),
    ),
    Column("cache_hit", pa.bool_(), "whether the cache had it", sources=("cache.hit",)),
    Column("cache_key", pa.string(), "the key, a list as JSON", sources=("cache.key",)),
    Column("cache_item_size", pa.int64(), "the item's size", "bytes", sources=("cache.item_size",)),
    Column(
        "code_function",
        pa.string(),
        "namespace and function",
        sources=("code.function.name", "{code.function}"),
    ),
    Column("thread_id", pa.int64(), "the thread", sources=("thread.id",)),
)

SPANS = Table(
    "spans",
    grain="one row a span",
    columns=RESOURCE_COLUMNS + _OWN_COLUMNS + PROMOTED_COLUMNS + SCOPE_COLUMNS + INGEST_COLUMNS,
    sort_by=("service_name", "name", "start_time_unix_nano"),
    bloom=("trace_id",),
    time_column="start_time_unix_nano",
    # Ids alone are not enough: client and server may share one (Zipkin), and some senders tell of
    # a span while it runs and again when it has ended.
    repeat_by=(
        "trace_id",
        "span_id",
        "kind",
        "service_name",
        "name",
        "start_time_unix_nano",
        "end_time_unix_nano",
    ),
)
