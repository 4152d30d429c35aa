"""Promoted columns: the semantic conventions' new names first, then the old, then what is derived.

The plain names stand in pipeline/schema; here is what those in braces mean there.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from collectors.otlp.attributes import Attributes
from pipeline.schema import Column

_CLIENT_KINDS = pa.array([3, 4], pa.int32())
_SERVER_KINDS = pa.array([2, 5], pa.int32())

# Old values of messaging.operation that were renamed when it became messaging.operation.type.
_RENAMED_OPERATIONS = (("deliver", "process"), ("publish", "send"))


@dataclass(frozen=True)
class Spans:
    """What promotion needs to know of n spans.

    Attributes:
        attributes: the spans' attributes.
        kind: n span kinds.
        exception_type: n texts, of the last exception event.
    """

    attributes: Attributes
    kind: pa.Array
    exception_type: pa.StringArray


def promote(column: Column, spans: Spans) -> pa.Array:
    """Give a promoted column.

    Args:
        column: one of PROMOTED_COLUMNS.
        spans: n spans.

    Returns:
        n values of the column's type; NULL where no source has one.
    """
    plain = [source for source in column.sources if not source.startswith("{")]
    if column.type == pa.bool_():
        return spans.attributes.boolean(*plain)
    if column.type in (pa.int32(), pa.int64()):
        bits = 32 if column.type == pa.int32() else 64
        values = spans.attributes.integer(bits, *plain)
    else:
        values = spans.attributes.text(*plain)
    for source in column.sources:
        if source in _DERIVED and values.null_count:
            derived = _DERIVED[source](spans)
            if derived.null_count < len(derived):
                values = pc.coalesce(values, derived)
    return values


def _of_kind(kinds: pa.Array, key: str) -> Callable[[Spans], pa.Array]:
    """Read a name that meant the server only on spans of these kinds."""

    def read(spans: Spans) -> pa.Array:
        text = spans.attributes.text(key)
        if text.null_count == len(text):
            return text
        return pc.if_else(pc.is_in(spans.kind, kinds), text, pa.scalar(None, pa.string()))

    return read


def _port(kinds: pa.Array, key: str) -> Callable[[Spans], pa.Array]:
    def read(spans: Spans) -> pa.Array:
        values = spans.attributes.integer(32, key)
        if values.null_count == len(values):
            return values
        return pc.if_else(pc.is_in(spans.kind, kinds), values, pa.scalar(None, pa.int32()))

    return read


def _path_of(key: str, pattern: str) -> Callable[[Spans], pa.Array]:
    """Cut a path out of a target or a URL; the rest of it is not kept."""

    def read(spans: Spans) -> pa.Array:
        text = spans.attributes.text(key)
        if text.null_count == len(text):
            return text
        return pc.struct_field(pc.extract_regex(text, pattern), "path")

    return read


def _rpc_method(spans: Spans) -> pa.Array:
    """Give service/method where the service is told apart, as the old conventions did."""
    method, service = spans.attributes.text("rpc.method"), spans.attributes.text("rpc.service")
    if service.null_count == len(service):
        return method
    return pc.coalesce(pc.binary_join_element_wise(service, method, "/"), method)


def _messaging_operation(spans: Spans) -> pa.Array:
    text = spans.attributes.text("messaging.operation")
    if text.null_count == len(text):
        return text
    for old, new in _RENAMED_OPERATIONS:
        text = pc.if_else(pc.equal(text, old), new, text)
    return text


def _code_function(spans: Spans) -> pa.Array:
    function, namespace = (
        spans.attributes.text("code.function"),
        spans.attributes.text("code.namespace"),
    )
    return pc.coalesce(pc.binary_join_element_wise(namespace, function, "."), function)


_URL_PATH = r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*(?P<path>/[^?#]*)"
_TARGET_PATH = r"^(?P<path>[^?#]*)"

_DERIVED: dict[str, Callable[[Spans], pa.Array]] = {
    "{http.target}": _path_of("http.target", _TARGET_PATH),
    "{url.full}": _path_of("url.full", _URL_PATH),
    "{http.url}": _path_of("http.url", _URL_PATH),
    "{net.peer.name}": _of_kind(_CLIENT_KINDS, "net.peer.name"),
    "{net.host.name}": _of_kind(_SERVER_KINDS, "net.host.name"),
    "{http.host}": _of_kind(_SERVER_KINDS, "http.host"),
    "{net.peer.port}": _port(_CLIENT_KINDS, "net.peer.port"),
    "{net.host.port}": _port(_SERVER_KINDS, "net.host.port"),
    "{rpc.method}": _rpc_method,
    "{messaging.operation}": _messaging_operation,
    "{exception.type}": lambda spans: spans.exception_type,
    "{code.function}": _code_function,
}
