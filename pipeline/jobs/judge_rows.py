"""Cells as rows, made of the lists that the statements give: ordered, added up, texts as codes."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.stats.cells import Floats, Ints

TEXTS = ("service_name", "operation", "instance", "stratum")

_LISTED = ("minute", "bucket", "requests", "requests_squared")
_OUTCOMES = {
    "errors": ["http_5xx", "error"],
    "errors_5xx": ["http_5xx"],
    "errors_4xx": ["http_4xx"],
}
# Buckets of 63 bits of nanoseconds go from -1, for 1 ns, to 4031; that of zero is below them.
_ZERO_PLACE = -2
_LAST_PLACE = 4095
_NO_BUCKET = 2**31 - 1


def flat(rows: pa.Table) -> pa.Table:
    """Give a row to each cell and bucket of the lists, ordered by the texts, minute and bucket.

    Args:
        rows: as the statements give them, ordered.

    Returns:
        The columns of the rows and errors in place of the outcome; texts are dictionary-encoded,
        as there are few of them.
    """
    keys = [name for name in rows.column_names if name in (*TEXTS, "side")]
    group = _group_of(rows, keys)
    lengths = pc.list_value_length(rows["minute"]).to_numpy().astype(np.int64)
    values = {name: rows[name].combine_chunks().flatten() for name in _LISTED}
    minute = values["minute"].to_numpy()
    # A request without a bucket, of a negative duration, comes last.
    bucket = values["bucket"].fill_null(_NO_BUCKET).to_numpy()
    requests, squared = (values[name].to_numpy() for name in _LISTED[2:])
    order, starts = _order(np.repeat(group, lengths), minute, bucket, requests)
    firsts = order[starts]
    owner = np.repeat(np.arange(rows.num_rows), lengths)
    columns = {name: _taken(rows[name], owner[firsts]) for name in keys}
    columns["minute"] = pa.array(minute[firsts])
    columns["bucket"] = pa.array(bucket[firsts], mask=bucket[firsts] == _NO_BUCKET)
    summed = np.add.reduceat(requests[order], starts) if len(order) else requests
    columns["requests"] = pa.array(summed)
    # Weights of 1, the most common ones, are their own squares.
    unweighted = np.array_equal(requests, squared)
    if len(order) and not unweighted:
        summed = np.add.reduceat(squared[order], starts)
    columns["requests_squared"] = pa.array(summed)
    owner = owner[order]
    for name, of in _OUTCOMES.items():
        failed = pc.is_in(rows["outcome"], pa.array(of)).to_numpy().astype(bool)
        places = np.flatnonzero(failed[owner])
        cell = np.searchsorted(starts, places, side="right") - 1
        sums = np.bincount(cell, weights=requests[order[places]], minlength=len(starts))
        columns[name] = pa.array(sums.astype(np.float64))
    return pa.table(columns)


def _group_of(rows: pa.Table, keys: list[str]) -> Ints:
    """Number rows, which are ordered, so that those alike in the keys have the same number."""
    new = np.zeros(rows.num_rows, dtype=bool)
    for name in keys:
        column = rows[name].to_numpy()
        new[1:] |= column[1:] != column[:-1]
    return np.cumsum(new).astype(np.int64)


def _order(group: Ints, minute: Ints, bucket: Ints, requests: Floats) -> tuple[Ints, Ints]:
    """Order requests by group, minute and bucket, and say where each new one begins."""
    if not len(group):
        return group, group
    low = int(minute.min())
    place = np.where(
        bucket == _NO_BUCKET, _LAST_PLACE, np.maximum(bucket, _ZERO_PLACE) - _ZERO_PLACE
    )
    key = (group * (int(minute.max()) - low + 1) + minute - low) * (_LAST_PLACE + 1) + place
    # Fractions add up to the same only in the same order.
    fractions = bool((requests % 1).any())
    order = np.lexsort((requests, key)) if fractions else np.argsort(key)
    key = key[order]
    return order, np.flatnonzero(np.diff(key, prepend=key[0] - 1))


def _taken(column: pa.ChunkedArray, place: Ints) -> pa.Array:
    """Take values by their rows; texts as numbers of a dictionary."""
    if pa.types.is_integer(column.type):
        return pa.array(column.to_numpy()[place])
    encoded = column.combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy()[place]
    return pa.DictionaryArray.from_arrays(pa.array(codes), encoded.dictionary)
