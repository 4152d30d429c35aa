"""Statistics of a file for the log: what readers skip files by."""

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.schema import Table

# A longer minimum or maximum helps no reader and bloats every log entry.
_STATISTICS_CHARACTERS = 128


class FileStatistics:
    """Row count, least, greatest and NULLs of the columns that readers skip files by."""

    def __init__(self, table: Table) -> None:
        self._names = table.statistics
        self._rows = 0
        self._nulls = dict.fromkeys(self._names, 0)
        self._least: dict[str, Any] = {}
        self._most: dict[str, Any] = {}

    def add(self, part: pa.Table) -> None:
        """Take a part of the file into account."""
        self._rows += part.num_rows
        for name in self._names:
            column = part[name]
            self._nulls[name] += column.null_count
            bounds = pc.min_max(column).as_py()
            if bounds["min"] is None:
                continue
            self._least[name] = min(self._least.get(name, bounds["min"]), bounds["min"])
            self._most[name] = max(self._most.get(name, bounds["max"]), bounds["max"])

    def to_json(self) -> str:
        """Give Delta's form of them; text too long to help is left out on both ends."""
        wide = {
            name
            for bounds in (self._least, self._most)
            for name, value in bounds.items()
            if isinstance(value, str) and len(value) > _STATISTICS_CHARACTERS
        }
        return json.dumps(
            {
                "numRecords": self._rows,
                "minValues": {k: v for k, v in self._least.items() if k not in wide},
                "maxValues": {k: v for k, v in self._most.items() if k not in wide},
                "nullCount": self._nulls,
            }
        )
