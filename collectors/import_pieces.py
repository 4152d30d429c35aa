"""The pieces of a file on their way into the lake: written as they come, committed one by one.

A piece's rows go into files of their own; one commit a table then adds them and, with them, the
piece's number. Whoever imports the file again, after a crash or by mistake, finds the number and
goes on behind it, in each table from where that table is.
"""

import contextlib
import json
from collections import Counter
from collections.abc import Callable
from functools import cache

from collectors.collector import Rows
from pipeline.errors import TailgateError
from pipeline.lake import Application, Lake, application_sequence, commit
from pipeline.lake.parquet import LANDING, TableWriter
from pipeline.schema import TABLES, Table

_TABLE_OF_NAME = {table.name: table for table in TABLES}


class Pieces:
    """Lands the pieces of one file.

    Attributes:
        rows: rows committed, by table.
    """

    def __init__(self, lake: Lake, sha256: str, file: str, may_commit: Callable[[], None]) -> None:
        """Begin.

        Args:
            lake: where to.
            sha256: the file's content hash, which names it in the lake.
            file: its name, kept with the commits for people.
            may_commit: raises what speaks against committing what was written.
        """
        self._lake = lake
        self._id = f"import:{sha256}"
        self._file = file
        self._may_commit = may_commit
        self._piece = 0
        self._messages = 0
        self._warnings: Counter[str] = Counter()
        self._written: Counter[str] = Counter()
        self._writers: dict[str, TableWriter] = {}
        self._open = contextlib.ExitStack()
        self.landed = cache(self._landed)
        self.rows: Counter[str] = Counter()

    def __enter__(self) -> "Pieces":
        """Give itself."""
        return self

    def __exit__(self, *error: object) -> bool | None:
        """Take away what was written and not committed."""
        return self._open.__exit__(*error)  # type: ignore[arg-type]

    def begin(self, piece: int) -> None:
        """Commit the piece before, where this is another.

        Raises:
            BadFile, LakeUnavailable, CommitConflict: as for ``commit``.
        """
        if piece != self._piece:
            self.commit()
            self._piece = piece

    def write(self, rows: Rows) -> None:
        """Write rows of the piece that was begun.

        Raises:
            LakeUnavailable: no space left, read-only or forbidden.
        """
        self._messages += rows.messages
        self._warnings.update(rows.warnings)
        for name, part in rows.tables.items():
            # A crash between the commits of two tables leaves one of them ahead.
            if self.landed(name) >= rows.piece:
                continue
            if name not in self._writers:
                table = _TABLE_OF_NAME[name]
                writer = TableWriter(self._lake.folder(table), table, LANDING)
                self._writers[name] = self._open.enter_context(writer)
            self._writers[name].write(part)
            self._written[name] += part.num_rows

    def commit(self) -> None:
        """Commit what was written, one commit a table.

        Raises:
            BadFile: the file is not to be kept after all.
            LakeUnavailable, CommitConflict: some tables may have the piece then; importing the
                file again adds it to the others.
        """
        try:
            self._may_commit()
            # Finished and synced here, all of them before the first is committed.
            self._open.close()
            for name in list(self._writers):
                if self._commit(_TABLE_OF_NAME[name], self._writers[name]):
                    self.rows[name] += self._written[name]
                del self._writers[name]
        except BaseException:
            # Ctrl-C too: what is in no commit would stay until vacuum.
            self._abandon()
            raise
        self._messages = 0
        self._warnings = Counter()
        self._written = Counter()

    def _commit(self, table: Table, writer: TableWriter) -> bool:
        """Commit one table; False if another process was first."""
        told = {reason: count for reason, count in sorted(self._warnings.items()) if count}
        metadata = {
            "tailgate.file": self._file,
            "tailgate.requests": self._messages,
            "tailgate.warnings": json.dumps(told),
        }
        application = Application(self._id, self._piece)
        version = commit(self._lake, table, writer.actions, application, metadata)
        if version is None:
            writer.abandon()
        return version is not None

    def _abandon(self) -> None:
        """Take away the finished files that are in no commit."""
        for name, writer in self._writers.items():
            with contextlib.suppress(TailgateError, OSError):
                # A commit that failed late, in its sync, is in the log all the same.
                table = _TABLE_OF_NAME[name]
                if application_sequence(self._lake, table, self._id) < self._piece:
                    writer.abandon()

    def _landed(self, name: str) -> int:
        """Give the last piece that a table has, as of the first time it is asked."""
        return max(application_sequence(self._lake, _TABLE_OF_NAME[name], self._id), 0)
