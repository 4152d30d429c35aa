"""An import that dies on purpose: ``python run_import.py LAKE FILE PIECE_BYTES AFTER``.

Ends the process at once after so many durable effects; 0 lets it live. Prints the outcome.
"""

import itertools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from collectors.finding import find
from collectors.importing import Wishes, import_files
from pipeline.lake import open_lake

DIED = 9
EFFECTS = ((os, "fsync"), (Path, "unlink"), (DeltaTable, "create_write_transaction"))


def die_after(count: int) -> None:
    """End the process after so many durable effects."""
    effects = itertools.count(1)

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def effect(*arguments: Any, **more: Any) -> Any:
            result = real(*arguments, **more)
            if next(effects) == count:
                os._exit(DIED)
            return result

        return effect

    for owner, name in EFFECTS:
        setattr(owner, name, dying(getattr(owner, name)))


def main(lake_path: str, file: str, piece_bytes: str, after: str) -> None:
    """Import one file."""
    lake = open_lake(lake_path)
    if int(after):
        die_after(int(after))
    wishes = Wishes(piece_bytes=int(piece_bytes), decode_bytes=4096)
    (outcome,) = import_files(lake, find([Path(file)]), wishes)
    print(json.dumps({"status": outcome.status, "rows": outcome.rows, "known": outcome.known}))


if __name__ == "__main__":
    main(*sys.argv[1:])
