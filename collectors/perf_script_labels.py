"""Labels of perf samples: the processor and the fields of a tracepoint."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.schema import ATTRIBUTES

# What is put between the fields of a payload, and between a field's name and its value.
_FIELD, _VALUE = "\x1e", "\x1f"

_ARROW = r" ==>( |$)"
_EQUAL_FIELDS = r"(?:^|,? +)([A-Za-z_]\w*)="
_COLON_FIELDS = r"(?:^|,? +)([A-Za-z_]\w*): "
_IS_COLON = r"^[A-Za-z_]\w*: "
_PARTS = rf"^(?:(?P<key>[^{_VALUE}]*){_VALUE})?(?P<value>(?s:.*))$"

# The name of what stands in a payload and has none.
_UNNAMED = "payload"


def labels(payload: pa.StringArray, cpu: pa.StringArray) -> pa.MapArray | None:
    """Give the labels of n samples.

    Args:
        payload: n texts behind the event; empty for none.
        cpu: n processors; NULL for unknown.

    Returns:
        n maps, a field each, of a name that stands twice the last; None if all are empty.

    >>> labels(pa.array(["a=1 b=2 3"]), pa.array(["007"])).to_pylist()
    [[('cpu', '7'), ('a', '1'), ('b', '2 3')]]
    """
    rows = np.flatnonzero(cpu.is_valid().to_numpy(zero_copy_only=False))
    keys = pa.repeat(pa.scalar("cpu"), len(rows))
    values = cpu.drop_null().cast(pa.int64()).cast(pa.string())
    told = np.flatnonzero(pc.not_equal(payload, "").to_numpy(zero_copy_only=False))
    if len(told):
        parents, field_keys, field_values = _fields(payload.take(pa.array(told)))
        rows = np.concatenate([rows, told[parents]])
        keys = pa.concat_arrays([keys, field_keys])
        values = pa.concat_arrays([values, field_values])
    if not len(rows):
        return None
    codes = keys.dictionary_encode().indices.to_numpy().astype(np.int64)
    # The last of equal names in a sample: the first of them from behind.
    pairs = (rows * (int(codes.max()) + 1) + codes)[::-1]
    _, last = np.unique(pairs, return_index=True)
    places = np.sort(len(pairs) - 1 - last)
    places = places[np.argsort(rows[places], kind="stable")]
    offsets = np.searchsorted(rows[places], np.arange(len(payload) + 1)).astype(np.int32)
    taken = pa.array(places)
    maps = pa.MapArray.from_arrays(pa.array(offsets), keys.take(taken), values.take(taken))
    return maps.cast(ATTRIBUTES)


def _fields(payload: pa.StringArray) -> tuple[np.ndarray, pa.StringArray, pa.StringArray]:
    """Split payloads: each field's row, name and value."""
    plain = pc.replace_substring_regex(payload, _ARROW, r"\1")
    mark = rf"{_FIELD}\1{_VALUE}"
    marked = pc.replace_substring_regex(plain, _EQUAL_FIELDS, mark)
    is_colon = pc.match_substring_regex(plain, _IS_COLON)
    if pc.any(is_colon).as_py():
        with_colon = pc.replace_substring_regex(plain, _COLON_FIELDS, mark)
        marked = pc.if_else(is_colon, with_colon, marked)
    parts = pc.split_pattern(marked, _FIELD)
    parents = pc.list_parent_indices(parts).to_numpy()
    found = pc.extract_regex(pc.list_flatten(parts), _PARTS)
    keys = pc.struct_field(found, "key")
    values = pc.utf8_trim_whitespace(pc.struct_field(found, "value"))
    has_name = pc.not_equal(keys, "")
    kept = pc.or_(has_name, pc.not_equal(values, "")).fill_null(False)
    keys = pc.if_else(has_name, keys, _UNNAMED)
    return (
        parents[kept.to_numpy(zero_copy_only=False)],
        keys.filter(kept),
        values.filter(kept),
    )
