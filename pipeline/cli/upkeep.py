"""The upkeep process of ``tailgate serve``: rollups, compaction, retention and vacuum, in turn.

Several may run on one lake: each step is a commit that only one of them can win.
"""

import datetime
import json
import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from collectors.otlp import worker
from collectors.otlp.memory import settle
from pipeline import logs
from pipeline.errors import TailgateError
from pipeline.lake import Lake, changes_since, open_lake
from pipeline.lake.compact import compact
from pipeline.lake.retain import retain, vacuum
from pipeline.rollup import counted_version, update
from pipeline.rollup.rebuild import recount
from pipeline.schema import (
    LATENCY_HOURS,
    LATENCY_MINUTES,
    LOGS,
    METRICS,
    PROFILE_SAMPLES,
    PROFILES,
    SPANS,
    TABLES,
    Table,
)
from pipeline.schema.ebpf import EBPF_TABLES
from pipeline.settings import Maintenance

log = logging.getLogger("tailgate.upkeep")

_DAY_NANO = 86_400_000_000_000

# Fewer small files than this are not worth a rewrite.
_FEWEST_FILES = 8


@dataclass
class Upkeep:
    """What is due when.

    Attributes:
        lake: the lake.
        settings: how often and how old.
        rolled_up_at, compacted_at: when that was last done, on the monotonic clock.
    """

    lake: Lake
    settings: Maintenance
    rolled_up_at: float = 0.0
    compacted_at: float = 0.0

    def step(self) -> bool:
        """Do what is due; there is never more at once."""
        now = time.monotonic()
        try:
            if now - self.rolled_up_at >= self.settings.rollup_seconds:
                self.rolled_up_at = now
                update(self.lake)
            if now - self.compacted_at >= self.settings.compact_seconds:
                self.compacted_at = now
                tidy(self.lake, self.settings)
        except TailgateError as error:
            # A full disk or a lost race: what is left undone is due again next time.
            log.warning("%s", error)
        return False


def tidy(lake: Lake, settings: Maintenance) -> None:
    """Merge small files, drop what is too old, and free the disk of both."""
    whole_since = first_whole_day(settings)
    for table in TABLES:
        compact(
            lake,
            table,
            settings.compact_file_bytes,
            threads=1,
            fewest_files=_FEWEST_FILES,
            whole_since=whole_since,
        )
    recount(lake)
    drop_old(lake, settings)
    for table in TABLES:
        vacuum(lake, table, settings.vacuum_hours, protected(lake, table))


def first_whole_day(settings: Maintenance) -> datetime.date:
    """Give the first day all of whose spans are kept."""
    if not settings.spans_days:
        return datetime.date.min
    today = datetime.datetime.now(datetime.UTC).date()
    return today - datetime.timedelta(days=int(settings.spans_days) - 1)


def drop_old(lake: Lake, settings: Maintenance) -> dict[str, int]:
    """Take rows away that are older than the settings keep them.

    Returns:
        Rows taken away, by table.
    """
    ages = (
        (SPANS, settings.spans_days),
        (METRICS, settings.metrics_days),
        (LOGS, settings.logs_days),
        (PROFILES, settings.profiles_days),
        (PROFILE_SAMPLES, settings.profiles_days),
        *((table, settings.profiles_days) for table in EBPF_TABLES),
        (LATENCY_MINUTES, settings.latency_minutes_days),
        (LATENCY_HOURS, settings.latency_hours_days),
    )
    return {
        table.name: retain(lake, table, time.time_ns() - int(days * _DAY_NANO)).rows
        for table, days in ages
        if days
    }


def protected(lake: Lake, table: Table) -> frozenset[Path]:
    """Give the files of a table that a rollup has yet to count."""
    reader = {SPANS.name: LATENCY_MINUTES, LATENCY_MINUTES.name: LATENCY_HOURS}.get(table.name)
    if reader is None:
        return frozenset()
    counted = counted_version(lake, reader)
    return frozenset(
        file for change in changes_since(lake, table, counted) for file in change.files
    )


def main(arguments: list[str]) -> int:
    """Keep a lake up until standard input ends."""
    logs.configure()
    worker.quiet_signals()
    settle()
    lake, settings = arguments
    upkeep = Upkeep(open_lake(lake), Maintenance(**json.loads(settings)))
    worker.loop(upkeep.step, idle_seconds=min(upkeep.settings.rollup_seconds, 5.0))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
