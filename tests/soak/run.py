"""``make soak``: hours in minutes. Load, kills, a full disk; then every id is counted by SQL.

python -m tests.soak.run [--seconds N] [--restart-seconds N] [--json FILE]

The load is 80 % of what landed in the first 15 s. Senders send again, byte for byte, what was
refused or not answered. Status 1 if anything was lost, doubled or set aside, if memory grew, or if
the rollups count other spans than there are.
"""

import argparse
import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.lake import open_lake
from pipeline.lake.catalog import connect
from pipeline.rollup import update
from tests.otlp.receivers import wait_until
from tests.soak.senders import Senders
from tests.soak.soak_load import Kind, kinds
from tests.soak.supervised import DISK_BYTES, MIB, Memory, Supervised, disk, fill

CALIBRATION_SECONDS = 15.0
SHARE = 0.8
FULL_SECONDS = 20.0
# Growth of a process over the run that is still called flat.
MOST_GROWTH_MIB = 64.0
# A line through less says nothing.
LEAST_FIT_SECONDS = 100.0
# Compaction holds more the more there is to merge, up to a swap's size: no line, but a limit.
UPKEEP = "upkeep"
MOST_MIB = {"receiver": 1024.0, "landing": 1024.0, UPKEEP: 1024.0}
LAND_SECONDS = 300.0


@dataclass(frozen=True)
class Figure:
    """One line of the result; ``good`` is None where nothing is asked of it."""

    name: str
    value: float | str
    good: bool | None = None


def main() -> int:
    """Run the soak and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--restart-seconds", type=float, default=60)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    # Whoever ends us so still gets every process ended and every folder taken away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="tailgate-soak-") as name, disk(Path(name)) as why_not:
        supervised = Supervised(Path(name))
        try:
            figures = soak(supervised, asked.seconds, asked.restart_seconds, why_not)
        finally:
            supervised.end()
    told: dict[str, object] = {figure.name: figure.value for figure in figures}
    for figure in figures:
        mark = {None: "", True: "ok", False: "WRONG"}[figure.good]
        value = f"{figure.value:,.1f}" if isinstance(figure.value, float) else str(figure.value)
        print(f"{figure.name:<44} {value:>22}  {mark}")
    print(json.dumps(told))
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return 1 if any(figure.good is False for figure in figures) else 0


def soak(
    supervised: Supervised, seconds: float, restart_seconds: float, why_not: str
) -> list[Figure]:
    """Do all of it on a receiver."""
    made = kinds()
    supervised.start()
    senders, memory, stop = Senders(made, supervised.ports), Memory(supervised), threading.Event()
    watching = threading.Thread(target=memory.watch, args=(stop,))
    began = time.monotonic()
    senders.start()
    watching.start()
    try:
        rate = calibrate(supervised, senders, made)
        trouble(supervised, senders, began, seconds, restart_seconds, why_not)
        senders.stop()
        stopped_at = time.monotonic()
        status = supervised.stop()
    finally:
        stop.set()
        watching.join()
    lasted = stopped_at - began
    print(f"stopped after {lasted:.0f} s with status {status}; counting", flush=True)
    figures = [
        Figure("seconds", lasted),
        Figure("requests a second that landed at first", rate),
        Figure("requests a second that were kept up", senders.requests() / lasted),
        Figure("restarts", ", ".join(supervised.restarts) or "none"),
        Figure("full disk", why_not or f"{FULL_SECONDS:.0f} s of {DISK_BYTES // MIB:,} MiB"),
        Figure("status of the last stop", status, status == 0),
        Figure("set aside", supervised.quarantined(), supervised.quarantined() == 0),
        *(Figure(f"sent again: {why}", n) for why, n in sorted(senders.refused.items())),
    ]
    return [*figures, *counted(supervised.lake, made, senders), *flat(memory)]


def calibrate(supervised: Supervised, senders: Senders, made: Sequence[Kind]) -> float:
    """Send as fast as may be, see what lands, and go on with a share of that."""
    began = time.monotonic()
    time.sleep(CALIBRATION_SECONDS)
    requests = senders.requests()
    senders.rate = 1.0
    backlog = supervised.lake / "_journal" / "default"

    def landed() -> bool:
        return sum(file.stat().st_size for file in backlog.glob("*.sealed")) < MIB

    wait_until(landed, "the first load to land", LAND_SECONDS)
    rate = requests / (time.monotonic() - began)
    senders.rate = SHARE * rate
    print(f"{rate:.0f} requests/s land; going on with {senders.rate:.0f}", flush=True)
    return rate


def trouble(
    supervised: Supervised,
    senders: Senders,
    began: float,
    seconds: float,
    restart_seconds: float,
    why_not: str,
) -> None:
    """Restart every so often, alternating the signals, and fill the disk in the middle."""
    signals = (signal.SIGTERM, signal.SIGKILL)
    restart_at = restart_seconds
    full_at = seconds / 2 if not why_not else float("inf")
    while (now := time.monotonic() - began) < seconds and senders.failed is None:
        if now >= full_at:
            print(f"{now:5.0f} s  the disk is full", flush=True)
            fill(supervised.lake.parent, FULL_SECONDS)
            full_at = float("inf")
        elif now >= restart_at:
            number = signals[len(supervised.restarts) % 2]
            print(f"{now:5.0f} s  {number.name}, {senders.requests():,} sent", flush=True)
            supervised.restart(number)
            restart_at += restart_seconds
        time.sleep(0.2)


def counted(lake: Path, made: Sequence[Kind], senders: Senders) -> list[Figure]:
    """Count every id: what is missing, what is there twice, and what the rollups say."""
    figures = []
    opened = open_lake(lake)
    update(opened)
    with connect(opened) as connection:
        for kind, sent in zip(made, senders.sent, strict=True):
            rows = {
                int(number, 16) if isinstance(number, str) else number: (count, distinct)
                for number, count, distinct in connection.sql(kind.sql).fetchall()
            }
            lost = sum(max(kind.rows - rows.get(number, (0, 0))[1], 0) for number in sent)
            doubled = sum(count - distinct for count, distinct in rows.values())
            unknown = len(rows.keys() - set(sent))
            name = kind.signal.name
            figures += [
                Figure(f"{name} acknowledged", len(sent) * kind.rows),
                Figure(f"{name} lost", lost, lost == 0),
                Figure(f"{name} doubled", doubled, doubled == 0),
                Figure(f"{name} of requests never acknowledged", unknown, unknown == 0),
            ]
        (spans,) = connection.sql("SELECT count(*) FROM spans").fetchone() or (0,)
        for table in ("latency_minutes", "latency_hours"):
            (found,) = connection.sql(f"SELECT sum(spans) FROM {table}").fetchone() or (0,)
            figures.append(Figure(f"spans counted by {table}", int(found or 0), found == spans))
    return figures


def flat(memory: Memory) -> list[Figure]:
    """Say how memory went: its line must not rise by more than a little over what was watched."""
    figures = []
    for role, (middle, slope, seconds) in sorted(memory.slopes().items()):
        enough = seconds >= LEAST_FIT_SECONDS and role != UPKEEP
        good = slope * seconds / 60 <= MOST_GROWTH_MIB if enough else None
        most = max(held for _, held in memory.samples[role]) / MIB
        figures += [
            Figure(f"{role}: MiB, held between bursts", middle),
            Figure(f"{role}: MiB a minute of that", slope, good),
            Figure(f"{role}: MiB, most", most, most <= MOST_MIB[role]),
        ]
    return figures


if __name__ == "__main__":
    sys.exit(main())
