"""What tests with real senders share: a receiver, and the JavaScript SDK where it can be had."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.otlp.receivers import Receiver, gone, wait_until

JAVASCRIPT = Path(__file__).with_name("javascript")


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """Give a receiver that is gone afterwards."""
    started = Receiver(tmp_path / "lake", "default", {"journal": {"segment_seconds": 0.05}})
    try:
        yield started.wait_until_ready()
    finally:
        started.end()
        if started.landing_pid:
            wait_until(lambda: gone(started.landing_pid), "landing to end")


@pytest.fixture(scope="session")
def javascript(request: pytest.FixtureRequest) -> Path:
    """Give a folder with the senders and the SDK installed; skips, with the reason, without it.

    Outside the repository, and kept from run to run.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on this machine")
    wanted = (JAVASCRIPT / "package.json").read_bytes()
    name = f"tailgate-otlp-javascript-{hashlib.sha256(wanted).hexdigest()[:12]}"
    folder = Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}"
    if not folder.exists():
        _install(folder)
    for sender in JAVASCRIPT.glob("*.mjs"):
        shutil.copy(sender, folder)
    return folder


def _install(folder: Path) -> None:
    """Install the pinned packages, whole or not at all."""
    partial = Path(tempfile.mkdtemp(prefix=folder.name))
    shutil.copy(JAVASCRIPT / "package.json", partial)
    options = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
    try:
        made = subprocess.run(
            ["npm", "install", *options, "--fetch-retries=0", "--fetch-timeout=30000"],
            cwd=partial,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        failed = made.stderr.strip()[-300:] if made.returncode else ""
    except subprocess.TimeoutExpired:
        failed = "no answer within 120 s"
    if failed:
        shutil.rmtree(partial)
        pytest.skip(f"npm cannot install the OpenTelemetry SDK here: {failed}")
    try:
        partial.rename(folder)
    except OSError:  # another run was first
        shutil.rmtree(partial)
