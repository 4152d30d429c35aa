"""What tests of the receiver share: receivers as processes, journals, and a small disk."""

import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.otlp.receivers import Receiver, gone, wait_until

# Quick to land, so that tests are quick.
QUICK: dict[str, Any] = {
    "journal": {"segment_seconds": 0.05},
    "receiver": {"drain_seconds": 30.0},
}

StartReceiver = Callable[..., Receiver]


@pytest.fixture
def start_receiver(tmp_path: Path) -> Iterator[StartReceiver]:
    """Start receivers on a lake; all are gone afterwards, and their landings too."""
    started: list[Receiver] = []

    def start(
        lake: Path = tmp_path / "lake", name: str = "default", ready: bool = True, **sections: Any
    ) -> Receiver:
        merged = {
            section: QUICK.get(section, {}) | sections.get(section, {})
            for section in {*QUICK, *sections}
        }
        receiver = Receiver(lake, name, merged)
        started.append(receiver)
        return receiver.wait_until_ready() if ready else receiver

    yield start
    for receiver in started:
        receiver.end()
    for receiver in started:
        if receiver.landing_pid:
            wait_until(partial(gone, receiver.landing_pid), "landing to end")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on a disk of 8 MB; skips where none can be made."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a small disk needs mount, which needs root")
    options = ["-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    made = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
