"""Rows that a table keeps under names: those that were saved last under one."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import NotSaved
from pipeline.lake import Lake, take_snapshot
from pipeline.schema import Table


def last_saved(lake: Lake, table: Table, name: str, what: str, advice: str = "") -> pa.Table:
    """Read the rows last saved under a name; there are few, and files keep the order of their rows.

    Args:
        lake: the lake.
        table: has the columns baseline and saved_time_unix_nano.
        name: the name.
        what: is saved, for the error.
        advice: what to do where nothing is.

    Raises:
        NotSaved: nothing was saved under this name.
        LakeError: a file cannot be read.
    """
    schema = table.file_schema
    files = take_snapshot(lake, table).files
    parts = [pq.ParquetFile(file.path).read().cast(schema) for file in files]
    rows = pa.concat_tables([schema.empty_table(), *parts])
    named = rows.filter(pc.equal(rows["baseline"], name))
    if named.num_rows == 0:
        known = ", ".join(sorted(set(rows["baseline"].to_pylist()))) or "none yet"
        raise NotSaved(f"{what} {name}: not saved; saved ones: {known}{advice}")
    return named.filter(
        pc.equal(named["saved_time_unix_nano"], pc.max(named["saved_time_unix_nano"]))
    )
