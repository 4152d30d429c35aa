"""AnyValue columns as text: one rule for every kind of value a sender may give.

string as it is · bool true/false · int decimal · double shortest round-trip text, NaN, Infinity,
-Infinity · bytes base64 · array and key-value list compact JSON · nothing NULL.
"""

import base64
import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from collectors.otlp.columns import Bools, take_rows

# Equal lists repeat from span to span (command lines, header values). As many small ones as this
# are remembered, which is some 10 MB at the most.
_REMEMBERED = 8192
_MOST_REMEMBERED_BYTES = 512

_SPECIAL_DOUBLES = {"nan": "NaN", "-nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def text_of(values: pa.StructArray) -> pa.StringArray:
    """Write a column of AnyValue as text.

    Args:
        values: a struct with one child a kind of value, at most one of them set in a row.

    Returns:
        The texts; NULL where no kind is set.
    """
    text = _child(values, "string_value")
    if text.null_count == 0:
        return text
    # Each kind is written where it is set alone, and then every row takes its text.
    places = np.where(_set(text), np.arange(len(text)), -1)
    parts = [text]
    for kind, write in _WRITERS.items():
        child = _child(values, kind)
        if child.null_count == len(child):
            continue
        rows = np.flatnonzero(_set(child))
        places[rows] = np.arange(len(rows)) + sum(map(len, parts))
        parts.append(write(child.take(pa.array(rows))))
    if len(parts) == 1:
        return text
    return take_rows(pa.concat_arrays(parts), places)


def several_kinds(values: pa.StructArray, names: Iterable[str] | None = None) -> bool:
    """Tell whether any value has more than one kind set.

    Of a oneof that is set twice protobuf keeps the last; ptars keeps each, and not their order.

    Args:
        values: structs, one child a kind of value.
        names: the children that are kinds; None for all.
    """
    every = (field.name for field in values.type)
    children = (_child(values, name) for name in names or every)
    used = [child for child in children if child.null_count < len(child)]
    if sum(len(child) - child.null_count for child in used) <= 1 or len(used) == 1:
        return False
    kinds = np.zeros(len(values), dtype=np.uint8)
    for child in used:
        kinds += _set(child)
    return bool((kinds > 1).any())


def _set(child: pa.Array) -> Bools:
    """Tell which rows are not NULL."""
    valid: Bools = child.is_valid().to_numpy(zero_copy_only=False)
    return valid


def _child(values: pa.StructArray, kind: str) -> pa.Array:
    """Give one kind's column, NULL also where the whole value is."""
    child = values.field(kind)
    if values.null_count and child.null_count < len(child):
        return pc.if_else(values.is_valid(), child, pa.scalar(None, child.type))
    return child


def _plain(child: pa.Array) -> pa.Array:
    return child.cast(pa.string())


def _integers(child: pa.Array) -> pa.Array:
    """Write integers; few distinct ones, as statuses and ports are, once each."""
    encoded = child.dictionary_encode()
    if 2 * len(encoded.dictionary) > len(child):
        return child.cast(pa.string())
    return encoded.dictionary.cast(pa.string()).take(encoded.indices)


def _doubles(child: pa.Array) -> pa.Array:
    text = child.cast(pa.string())
    special = pc.invert(pc.is_finite(child))
    if not pc.any(special).as_py():
        return text
    names = pa.array(list(_SPECIAL_DOUBLES), pa.string())
    renamed = pa.array(list(_SPECIAL_DOUBLES.values()), pa.string())
    return pc.if_else(special, renamed.take(pc.index_in(text, names)), text)


def _by_value(write: Callable[[Any], str]) -> Callable[[pa.Array], pa.Array]:
    """Make a writer that runs once a distinct value; the rest is a look-up."""

    def apply(child: pa.Array) -> pa.Array:
        encoded = child.dictionary_encode()
        texts = pa.array([write(value) for value in encoded.dictionary.to_pylist()], pa.string())
        return texts.take(encoded.indices)

    return apply


def _lists(write: Callable[[tuple[bytes, ...]], str]) -> Callable[[pa.Array], pa.Array]:
    """Make a writer of recursive values, which ptars leaves as the bytes of their elements."""
    remembered = lru_cache(_REMEMBERED)(write)

    def text(elements: tuple[bytes, ...]) -> str:
        small = sum(map(len, elements)) + len(elements) <= _MOST_REMEMBERED_BYTES
        return (remembered if small else write)(elements)

    def apply(child: pa.StructArray) -> pa.Array:
        lists = [tuple(one or ()) for one in child.field("values").to_pylist()]
        return pa.array([text(elements) for elements in lists], pa.string())

    return apply


def _array_text(elements: tuple[bytes, ...]) -> str:
    """Write the elements of an ArrayValue as JSON."""
    return _json([plain_value(AnyValue.FromString(element)) for element in elements])


def _kvlist_text(elements: tuple[bytes, ...]) -> str:
    """Write the entries of a KeyValueList as JSON, order kept, the last of equal keys kept."""
    pairs = [KeyValue.FromString(element) for element in elements]
    return _json({pair.key: plain_value(pair.value) for pair in pairs})


def plain_value(value: AnyValue) -> Any:
    """Give an AnyValue as what JSON can hold."""
    kind = value.WhichOneof("value")
    if kind is None or kind == "string_value_strindex":
        return None
    if kind == "array_value":
        return [plain_value(element) for element in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: plain_value(pair.value) for pair in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode("ascii")
    if kind == "double_value" and not np.isfinite(value.double_value):
        return _SPECIAL_DOUBLES[str(value.double_value)]
    return getattr(value, kind)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_WRITERS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "int_value": _integers,
    "bool_value": _plain,
    "double_value": _doubles,
    "bytes_value": _by_value(lambda value: base64.b64encode(value).decode("ascii")),
    "array_value": _lists(_array_text),
    "kvlist_value": _lists(_kvlist_text),
}
