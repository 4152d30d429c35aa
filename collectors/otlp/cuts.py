"""Texts cut to a length: what one value may take, as the SDKs' own limits do."""

import pyarrow as pa
import pyarrow.compute as pc


def cut_texts(rows: pa.Table, most: int) -> tuple[pa.Table, int]:
    """Cut every text and every value of a map that is too long.

    Args:
        rows: any table; lists and structs are left as they are.
        most: the most characters a text may have.

    Returns:
        The table, itself where nothing was too long, and how many texts were cut.

    >>> table, cut = cut_texts(pa.table({"a": ["abcd", "é", None]}), 2)
    >>> table["a"].to_pylist(), cut
    (['ab', 'é', None], 1)
    """
    total = 0
    for index, field in enumerate(rows.schema):
        if not (pa.types.is_string(field.type) or pa.types.is_map(field.type)):
            continue
        chunks = [_cut(chunk, most) for chunk in rows.column(index).chunks]
        cut = sum(count for _, count in chunks)
        if cut:
            total += cut
            column = pa.chunked_array([chunk for chunk, _ in chunks], field.type)
            rows = rows.set_column(index, field, column)
    return rows, total


def _cut(column: pa.Array, most: int) -> tuple[pa.Array, int]:
    """Cut one array."""
    texts = column.items if pa.types.is_map(column.type) else column
    # Bytes are never fewer than characters, and counting them is nearly free.
    longest = pc.max(pc.binary_length(texts)).as_py()
    if longest is None or longest <= most:
        return column, 0
    too_long = pc.sum(pc.greater(pc.utf8_length(texts), most)).as_py() or 0
    if not too_long:
        return column, 0
    shorter = pc.utf8_slice_codeunits(texts, 0, most)
    if not pa.types.is_map(column.type):
        return shorter, too_long
    rebuilt = pa.MapArray.from_arrays(column.offsets, column.keys, shorter)
    return rebuilt.cast(column.type), too_long
