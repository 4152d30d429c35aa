"""The nouns of the schema: Column, Table, and what Arrow and SQL call them."""

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

SCHEMA_VERSION = 1

ATTRIBUTES = pa.map_(pa.string(), pa.string())


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: the column's name in every engine.
        type: its Arrow type; only types that Delta, DuckDB, Polars and Spark share.
        meaning: what it holds, in a few words.
        unit: the unit of its numbers, empty where it has none.
        nullable: whether a row may lack it.
        sources: the attributes it is promoted from, first present wins.
    """

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""
    nullable: bool = True
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table of the lake.

    Attributes:
        name: the table's name and its folder in the lake.
        grain: what one row is.
        columns: in the order of the file; fixed for a schema version.
        sort_by: the order of rows in compacted files; its columns carry statistics.
        partition_by: columns that live in the path only.
        bloom: columns with a bloom filter in each row group.
        time_column: the column that retention and time windows go by.
        time_unit_nano: how many nanoseconds one unit of the time column is.
            Empty for a table that has no times.
        merge_by: columns whose equal rows compaction may add up; empty for raw tables.
        distinct_by: columns whose equal rows are the same row, kept once by compaction.
        repeat_by: columns that tell a row from all others unless its sender sent it again, batched
            anew; compaction keeps the one that came first.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    sort_by: tuple[str, ...]
    partition_by: tuple[str, ...] = ("date",)
    bloom: tuple[str, ...] = ()
    time_column: str = "time_unix_nano"
    time_unit_nano: int = 1
    merge_by: tuple[str, ...] = ()
    distinct_by: tuple[str, ...] = ()
    repeat_by: tuple[str, ...] = ()

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """Give every column, partitions included, as an Arrow schema."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])

    @cached_property
    def file_schema(self) -> pa.Schema:
        """Give the columns that stand in the files, which is all but the partitions."""
        fields = [f for f in self.arrow_schema if f.name not in self.partition_by]
        return pa.schema(fields)

    @property
    def statistics(self) -> tuple[str, ...]:
        """Give the columns whose least and greatest values every file tells."""
        times = (self.time_column,) if self.time_column else ()
        return tuple(dict.fromkeys((*self.sort_by, *times)))

    def column(self, name: str) -> Column:
        """Give the column of that name.

        Raises:
            KeyError: the table has no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name}")


def sql_type(data_type: pa.DataType) -> str:
    """Give DuckDB's name of an Arrow type.

    >>> sql_type(ATTRIBUTES)
    'MAP(VARCHAR, VARCHAR)'
    >>> sql_type(pa.list_(pa.struct([("time_unix_nano", pa.int64())])))
    'STRUCT("time_unix_nano" BIGINT)[]'
    """
    if pa.types.is_map(data_type):
        return f"MAP({sql_type(data_type.key_type)}, {sql_type(data_type.item_type)})"
    if pa.types.is_list(data_type):
        return f"{sql_type(data_type.value_type)}[]"
    if pa.types.is_struct(data_type):
        fields = ", ".join(f'"{field.name}" {sql_type(field.type)}' for field in data_type)
        return f"STRUCT({fields})"
    return _SCALARS[data_type]


_SCALARS = {
    pa.string(): "VARCHAR",
    pa.int64(): "BIGINT",
    pa.int32(): "INTEGER",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.date32(): "DATE",
}
