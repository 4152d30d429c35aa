"""``tailgate serve`` on ports that stay, killed and started again; its memory; a disk to fill."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from tests.e2e.serving import free_ports
from tests.otlp.receivers import environment, gone, wait_until

DISK_BYTES = 8 << 30
# What a process takes until it is warm is no growth.
WARM_SECONDS = 20.0
# Compaction comes every 20 s and takes a part of that.
WINDOW_SECONDS = 30.0
MIB = 1 << 20

SETTINGS = {
    "TAILGATE_JOURNAL_BACKLOG_BYTES": str(256 * MIB),
    "TAILGATE_MAINTENANCE_COMPACT_SECONDS": "20",
    "TAILGATE_MAINTENANCE_ROLLUP_SECONDS": "5",
    "TAILGATE_MAINTENANCE_VACUUM_HOURS": "0.05",
}


class Supervised:
    """A receiver that is started again.

    Attributes:
        ports: where it listens, each time.
        restarts: signals that ended it, in order.
    """

    def __init__(self, folder: Path) -> None:
        self.lake = folder / "disk" / "lake"
        self.ports = dict(zip(("grpc", "http"), free_ports(2), strict=True))
        self.restarts: list[str] = []
        self._folder = folder
        self.log = folder / "serve.log"

    def start(self) -> None:
        """Start it and wait for requests to be welcome."""
        ready = self._folder / "ready.json"
        ready.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "pipeline.cli.main", "serve"),
                    *("--lake", str(self.lake), "--ready-file", str(ready)),
                    *("--grpc-port", str(self.ports["grpc"])),
                    *("--http-port", str(self.ports["http"])),
                ],
                stderr=log,
                env=environment() | SETTINGS,
                cwd=self._folder,
            )
        wait_until(lambda: ready.exists() or self.process.poll() is not None, "the receiver")
        assert self.process.poll() is None, self.log.read_text(errors="replace")[-3000:]

    def restart(self, number: signal.Signals) -> None:
        """End it by a signal and start it again at once, as a supervisor does."""
        self.process.send_signal(number)
        status = self.process.wait(60)
        if number is signal.SIGTERM:
            assert status == 0, f"SIGTERM ended it with status {status}"
        self.restarts.append(number.name)
        self.start()

    def stop(self) -> int:
        """Stop it well and give the status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def end(self) -> None:
        """Make sure that nothing of it is left."""
        if not hasattr(self, "process"):
            return
        children: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(self.process.pid).children()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for child in children:
            wait_until(lambda pid=child.pid: gone(pid), "its children to end")  # type: ignore[misc]

    def quarantined(self) -> int:
        """Count what was set aside."""
        return len(list((self.lake / "_journal" / "default" / "quarantine").glob("*.json")))


@dataclass
class Memory:
    """Resident bytes of each process, sampled once a second once it is warm.

    Attributes:
        samples: (seconds, bytes) by what the process does.
    """

    supervised: Supervised
    samples: dict[str, list[tuple[float, int]]] = field(default_factory=dict)

    def watch(self, stop: threading.Event) -> None:
        """Sample until told to stop."""
        began = time.monotonic()
        while not stop.wait(1.0):
            with contextlib.suppress(psutil.Error):
                parent = psutil.Process(self.supervised.process.pid)
                for process in (parent, *parent.children()):
                    if time.time() - process.create_time() > WARM_SECONDS:
                        at = time.monotonic() - began
                        held = process.memory_info().rss
                        self.samples.setdefault(_role(process), []).append((at, held))

    def troughs(self, role: str) -> list[tuple[float, int]]:
        """Give the least that a process held in each window: what stays between its bursts."""
        windows: dict[int, tuple[float, int]] = {}
        for at, held in self.samples[role]:
            number = int(at // WINDOW_SECONDS)
            windows[number] = min(windows.get(number, (at, held)), (at, held), key=lambda s: s[1])
        return [windows[number] for number in sorted(windows)]

    def slopes(self) -> dict[str, tuple[float, float, float]]:
        """Fit a line to each one's troughs.

        Returns:
            MiB in its middle, MiB a minute, and the seconds that it spans, by what it does.
        """
        fitted = {}
        for role in self.samples:
            troughs = self.troughs(role)
            if len(troughs) >= 3:
                at, held = np.array(troughs, dtype=float).T
                slope, start = np.polyfit(at, held / MIB, 1)
                fitted[role] = (start + slope * at.mean(), slope * 60, at[-1] - at[0])
        return fitted


def _role(process: psutil.Process) -> str:
    words = " ".join(process.cmdline())
    return next((name for name in ("landing", "upkeep") if f"{name}" in words), "receiver")


@contextlib.contextmanager
def disk(folder: Path) -> Iterator[str]:
    """Mount a disk of a bounded size; give why it cannot be, empty where it is."""
    place = folder / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        yield "a disk of its own needs mount, which needs root"
        return
    options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)]
    made = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if made.returncode:
        yield f"a disk cannot be mounted here: {made.stderr.strip()}"
        return
    try:
        yield ""
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path, seconds: float) -> None:
    """Leave no byte on a disk, for so long; what is freed meanwhile is taken as well."""
    ballast = place / "ballast"
    ends = time.monotonic() + seconds
    try:
        with ballast.open("ab") as file:
            while time.monotonic() < ends:
                free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
                if free:
                    with contextlib.suppress(OSError):
                        os.posix_fallocate(file.fileno(), file.seek(0, 2), free)
                time.sleep(0.05)
    finally:
        ballast.unlink()
