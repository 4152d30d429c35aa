"""Small columnar tools: lists flattened, ids as hex, zeros as NULL; numpy and Arrow, never rows."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Byte value -> its two hex digits, as they stand in memory.
_HEX_DIGITS = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), dtype="V2")


def flatten(lists: pa.ListArray) -> tuple[pa.Array, Ints]:
    """Take a list column apart.

    Args:
        lists: n lists.

    Returns:
        All elements in order, and for each the number of the list it stood in.

    >>> elements, owners = flatten(pa.array([[7], [], [8, 9]]))
    >>> elements.to_pylist(), owners.tolist()
    ([7, 8, 9], [0, 2, 2])
    """
    return lists.flatten(), np.repeat(np.arange(len(lists)), lengths(lists))


def lengths(lists: pa.ListArray) -> Ints:
    """Give the length of each list; a NULL list has none."""
    if lists.null_count == 0:
        return np.diff(_offsets(lists)).astype(np.int64)
    counted = pc.fill_null(pc.list_value_length(lists), 0)
    return np.asarray(counted.to_numpy(zero_copy_only=False), dtype=np.int64)


def _offsets(column: pa.Array) -> npt.NDArray[np.int32]:
    """Give the offsets of a list or binary column, as they stand in memory: no kernel is called."""
    if len(column) == 0:
        return np.zeros(1, dtype=np.int32)
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int32)
    return offsets[column.offset : column.offset + len(column) + 1]


def offsets_of(counts: Ints) -> pa.Array:
    """Give the Arrow offsets of lists with these lengths.

    >>> offsets_of(np.array([1, 0, 2])).to_pylist()
    [0, 1, 1, 3]
    """
    offsets = np.zeros(len(counts) + 1, dtype=np.int32)
    np.cumsum(counts, out=offsets[1:])
    return pa.array(offsets)


def valid_ids(ids: pa.Array, width: int) -> Bools:
    """Tell which ids have the right width and are not all zero.

    >>> valid_ids(pa.array([b"ab", b"", b"abc", bytes(2)], pa.binary()), 2).tolist()
    [True, False, False, False]
    """
    right: Bools = np.diff(_offsets(ids)) == width
    if ids.null_count:
        right &= ids.is_valid().to_numpy(zero_copy_only=False)
    if right.all():
        return _any(_fixed(ids, width))
    valid = np.zeros(len(ids), dtype=np.bool_)
    valid[right] = _any(_fixed(ids.filter(pa.array(right)), width))
    return valid


def _any(rows: npt.NDArray[np.uint8]) -> Bools:
    """Tell which rows of bytes are not all zero; whole words at once."""
    if not len(rows):
        return np.zeros(0, dtype=np.bool_)
    words = rows if rows.shape[1] % 8 else rows.view(np.uint64)
    return np.asarray(words.any(axis=1))


def hex_ids(ids: pa.Array, width: int, valid: Bools) -> pa.StringArray:
    """Write ids as lower-case hex; those that are not valid become NULL.

    >>> hex_ids(pa.array([b"\\x0f\\xa0", b""], pa.binary()), 2, np.array([True, False])).to_pylist()
    ['0fa0', None]
    """
    kept = ids if valid.all() else ids.filter(pa.array(valid))
    digits = _HEX_DIGITS[_fixed(kept, width)].tobytes()
    offsets = offsets_of(np.where(valid, 2 * width, 0).astype(np.int64))
    nulls = None if valid.all() else pa.array(valid).buffers()[1]
    return pa.StringArray.from_buffers(
        len(ids), offsets.buffers()[1], pa.py_buffer(digits), nulls, -1
    )


def _fixed(ids: pa.Array, width: int) -> npt.NDArray[np.uint8]:
    """View n ids of one width as n x width bytes."""
    if len(ids) == 0:
        return np.zeros((0, width), dtype=np.uint8)
    offsets = np.frombuffer(ids.buffers()[1], dtype=np.int32)
    first = int(offsets[ids.offset])
    flat = np.frombuffer(ids.buffers()[2], dtype=np.uint8, count=len(ids) * width, offset=first)
    return flat.reshape(-1, width)


def numbers(column: pa.Array) -> Ints:
    """Give an integer column as signed 64-bit numbers; NULL is 0, the top bit wraps."""
    filled = column if column.null_count == 0 else column.fill_null(0)
    array = filled.to_numpy(zero_copy_only=False)
    if array.dtype == np.uint64:
        return np.asarray(array.view(np.int64))
    return np.asarray(array.astype(np.int64))


def null_if_zero(column: pa.Array) -> pa.Array:
    """Make OTLP's "0 means unset" a NULL, as BIGINT."""
    values = numbers(column)
    return pa.array(values, mask=values == 0)


def null_if_empty(text: pa.Array) -> pa.Array:
    """Make OTLP's "empty means unset" a NULL.

    >>> null_if_empty(pa.array(["", "a"])).to_pylist()
    [None, 'a']
    """
    empty = pc.equal(text, "")
    if not pc.any(empty).as_py():
        return text
    return pc.if_else(empty, pa.scalar(None, pa.string()), text)


def take_rows(column: pa.Array, rows: Ints) -> pa.Array:
    """Take rows of a column; -1 gives NULL."""
    missing = rows < 0
    if not missing.any():
        return column.take(pa.array(rows))
    return column.take(pa.array(rows, mask=missing))
