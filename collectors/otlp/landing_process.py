"""The landing process: ``python -m collectors.otlp.landing_process LAKE JOURNAL SETTINGS``."""

import dataclasses
import json
import logging
import sys
import time
from collections import Counter

from collectors.otlp import worker
from collectors.otlp.journal_folder import JournalFolder, hold, open_journal
from collectors.otlp.landing import Landed, Lander
from collectors.otlp.memory import settle
from collectors.otlp.retry_window import RetryWindow
from collectors.otlp.state import LANDING_FILE, read_state, write_state
from pipeline import logs
from pipeline.errors import CommitConflict, JournalInUse, LakeUnavailable, TailgateError
from pipeline.lake import open_lake
from pipeline.settings import Journal, Landing, Settings

log = logging.getLogger("tailgate.landing")

# A receiver that was killed leaves a landing that finishes what is sealed; this is how long the
# next one waits for it.
_PATIENCE_SECONDS = 60.0

_FORGET_EVERY_SECONDS = 60.0

# While the disk is full, another try costs a decode.
_RETRY_SECONDS = 1.0


def command(lake: str, journal: str, settings: Settings) -> worker.WorkerCommand:
    """Give the command that starts landing."""
    chosen = {
        "journal": dataclasses.asdict(settings.journal),
        "landing": dataclasses.asdict(settings.landing),
    }
    module = "collectors.otlp.landing_process"
    return worker.WorkerCommand(
        "landing", ("-m", module, lake, journal, json.dumps(chosen)), drains=True
    )


def main(arguments: list[str]) -> int:
    """Land until standard input ends and nothing sealed is left.

    Returns:
        The exit status: 0 when nothing sealed is left.
    """
    logs.configure()
    worker.quiet_signals()
    settle()
    lake_path, name, given = arguments
    settings = json.loads(given)
    journal_settings = Journal(**settings["journal"])
    lake = open_lake(lake_path, create=True)
    journal = open_journal(lake, name)
    window = RetryWindow(
        journal_settings.retry_window_seconds, journal_settings.retry_window_requests
    )
    patience = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with hold(journal, "landing"):
                lander = Lander(lake, journal, Landing(**settings["landing"]), window)
                worker.loop(_step(lander, Figures(journal)), idle_seconds=0.5)
                return 1 if journal.numbers("sealed") else 0
        except JournalInUse as error:
            if time.monotonic() > patience:
                log.error("%s", error)
                return error.exit_status
            time.sleep(0.05)
        except TailgateError as error:
            log.error("%s", error)
            return error.exit_status


class Figures:
    """What landing did since the journal was made, left in its folder for the receiver to tell."""

    def __init__(self, journal: JournalFolder) -> None:
        """Go on from what an earlier process left."""
        self._file = journal.path / LANDING_FILE
        told = read_state(self._file)
        self._rows = Counter(told.get("rows", {}))
        self._warnings = Counter(told.get("warnings", {}))
        self._segments = int(told.get("segments", 0))

    def add(self, landed: Landed) -> None:
        """Count a round and leave the figures."""
        self._rows.update(landed.rows)
        self._warnings.update({reason: n for reason, n in landed.warnings.items() if n})
        self._segments += len(landed.segments)
        lag = max(time.time_ns() - landed.newest_unix_nano, 0) / 1e9
        write_state(
            self._file,
            {
                "rows": self._rows,
                "warnings": self._warnings,
                "segments": self._segments,
                "lag_seconds": lag if landed.newest_unix_nano else 0.0,
            },
        )


def _step(lander: Lander, figures: Figures) -> worker.Work:
    """Make the work of one step: land, say what happened, and forget what is too old."""
    last_forgotten = time.monotonic()

    def step() -> bool:
        nonlocal last_forgotten
        if time.monotonic() - last_forgotten > _FORGET_EVERY_SECONDS:
            lander.forget()
            last_forgotten = time.monotonic()
        try:
            landed = lander.land()
        except (LakeUnavailable, CommitConflict, OSError) as error:
            log.error("%s; trying again", error)
            time.sleep(_RETRY_SECONDS)
            return False
        if landed is None:
            return False
        figures.add(landed)
        if landed.warnings:
            log.warning("landed with repairs: %s", dict(landed.warnings))
        return True

    return step


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
