"""Where landing was when it died, so that a request that kills it is found and set aside.

Native code that faults and a kernel that is out of memory raise no exception. A note on the disk
says which segment, and then which request, a process began and never ended.
"""

import contextlib
import json
from collections import Counter
from pathlib import Path

from collectors.otlp.frames import Frame
from collectors.otlp.journal_folder import JournalFolder

# A process may be killed for reasons that are not the data's; that often in a row is no accident.
_STARTS_TOGETHER = 3
_DEATHS_ALONE = 3


class Attempts:
    """The note of one landing: it changes with each round and each suspected request."""

    def __init__(self, journal: JournalFolder) -> None:
        """Read what the process before this one left."""
        self._file: Path = journal.path / "landing.attempt"
        self._segment, self._starts = -1, 0
        self._request = ""
        self._deaths: Counter[str] = Counter()
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(self._file.read_text(encoding="utf-8"))
            self._segment, self._starts = int(note["segment"]), int(note["starts"])
            self._deaths = Counter({str(k): int(v) for k, v in note["deaths"].items()})
            if note["request"]:
                self._deaths[note["request"]] += 1

    def begin(self, segment: int) -> bool:
        """Note that a round begins.

        Args:
            segment: the first of its segments.

        Returns:
            Whether it must go request by request, because earlier rounds ended the process.
        """
        if segment != self._segment:
            self._segment, self._starts = segment, 0
            self._deaths.clear()
        self._starts += 1
        self._request = ""
        self._write()
        return self._starts > _STARTS_TOGETHER

    def begin_request(self, frame: Frame) -> bool:
        """Note that a single request begins; tell whether it ended the process too often."""
        self._request = frame.batch_id.hex()
        if self._deaths[self._request] >= _DEATHS_ALONE:
            return True
        self._write()
        return False

    def end(self) -> None:
        """Note that the round is over, or that what stopped it was not the data."""
        self._segment, self._starts = -1, 0
        self._deaths.clear()
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        """Write the note. Not synced: it is about the death of processes, not of machines."""
        note = {
            "segment": self._segment,
            "starts": self._starts,
            "request": self._request,
            "deaths": self._deaths,
        }
        partial = self._file.with_suffix(".attempt-partial")
        # Without space the round fails by itself, and not because of its data.
        with contextlib.suppress(OSError):
            partial.write_text(json.dumps(note), encoding="utf-8")
            partial.replace(self._file)
