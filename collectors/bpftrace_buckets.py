"""Histograms of bpftrace's JSON, many at once: their buckets read as columns.

A line of a histogram is a few names around hundreds of buckets that all look alike. The buckets
are moved to lines of their own for a reader of columns; of the rest, only the number of buckets
left in each list, Python reads the names.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from collectors.bpftrace_batch import HistPrints
from collectors.bpftrace_object import Prints, as_text, decode, keyed
from collectors.frames_and_stacks import Ints

_BUCKET = pa.schema([("min", pa.int64()), ("max", pa.int64()), ("count", pa.int64())])
_OPTIONS = pj.ParseOptions(explicit_schema=_BUCKET, unexpected_field_behavior="error")
_NEWLINE = 10

Names = tuple[int, str, str | None, int]


def read_buckets(
    lines: pa.StringArray, numbers: Sequence[int], prints: Prints
) -> HistPrints | None:
    """Read histograms.

    Args:
        lines: n lines of one object each.
        numbers: the n line numbers.
        prints: gives each print its number.

    Returns:
        The histograms; None if they are not written as bpftrace writes them.
    """
    text = "\n".join(lines.to_pylist())
    # A bound of a list or between two buckets; names that hold one are found out below.
    text = text.replace("[{", "[\n{").replace("}, {", "}\n{").replace("}]", "}\n]")
    cut = _lines(text.encode())
    is_bucket = np.asarray(
        pc.match_substring_regex(cut, r'^\{"(?:min|max|count)": [^{}]*\}\n$').to_numpy(
            zero_copy_only=False
        )
    )
    table = _table(cut.filter(pa.array(is_bucket)))
    if table is None:
        return None
    around = np.flatnonzero(~is_bucket)
    sizes = np.diff(np.append(around, len(cut))) - 1
    found = _names(cut.take(pa.array(around)).to_pylist(), sizes.tolist(), numbers)
    if found is None or sum(each[3] for each in found) != table.num_rows:
        return None
    printed: dict[tuple[int, str], int] = {}
    for line, metric, _, _ in found:
        if (line, metric) not in printed:
            printed[line, metric] = prints.begin(metric)
    return HistPrints(
        [line for line, _, _, _ in found],
        [printed[line, metric] for line, metric, _, _ in found],
        [metric for _, metric, _, _ in found],
        [key for _, _, key, _ in found],
        [size for _, _, _, size in found],
        table["min"].combine_chunks(),
        table["max"].combine_chunks(),
        table["count"].combine_chunks(),
        np.ones(table.num_rows, dtype=np.bool_),
    )


def _lines(data: bytes) -> pa.StringArray:
    """Give lines with their ends."""
    data += b"\n"
    ends: Ints = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == _NEWLINE) + 1
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    return pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(data))


def _table(buckets: pa.StringArray) -> pa.Table | None:
    """Read buckets; None if one of them is none."""
    if not len(buckets):
        return _BUCKET.empty_table()
    offsets = np.frombuffer(buckets.buffers()[1], dtype=np.int32)
    begin, end = int(offsets[buckets.offset]), int(offsets[buckets.offset + len(buckets)])
    data = buckets.buffers()[2].slice(begin, end - begin)
    try:
        table = pj.read_json(pa.BufferReader(data), parse_options=_OPTIONS)
    except pa.ArrowInvalid:
        return None
    counts = table["count"]
    if table.num_rows != len(buckets) or counts.null_count or pc.min(counts).as_py() < 0:
        return None
    return table


def _names(
    around: Sequence[str], sizes: Sequence[int], numbers: Sequence[int]
) -> list[Names] | None:
    """Read what stands around buckets.

    Args:
        around: the text before, between and after lists of buckets, in pieces with their ends.
        sizes: how many buckets follow each piece.
        numbers: of the lines that these are of.

    Returns:
        Of each list its line, map, key and number of buckets; None if that is not what it is.
    """
    pieces: list[str] = []
    for piece, size in zip(around, sizes, strict=True):
        is_object = piece.startswith('{"type": "')
        if not (is_object or piece.startswith("]")):
            # A name with the signs of a bound in it.
            return None
        pieces += ("," if is_object and pieces else "", piece[:-1], str(size) if size else "")
    try:
        objects = decode(f"[{''.join(pieces)}]")
    except ValueError:
        return None
    if not isinstance(objects, list) or len(objects) != len(numbers):
        return None
    found: list[Names] = []
    for number, each in zip(numbers, objects, strict=True):
        if set(each) != {"type", "data"} or not isinstance(each["data"], dict):
            return None
        for metric, data in each["data"].items():
            for key, sizes_of in keyed(data):
                many = _size(sizes_of)
                if many is None:
                    return None
                shown = None if key is None else as_text(key)
                found.append((number, as_text(metric), shown, many))
    return found


def _size(data: object) -> int | None:
    """Give the number of buckets that was left in a list; None if it holds something else."""
    if not isinstance(data, list) or len(data) > 1:
        return None
    if not data:
        return 0
    return data[0] if isinstance(data[0], int) and not isinstance(data[0], bool) else None
