"""The shop of data/shop.py run against ``tailgate serve``: its lake, and its own account."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.cli.main import cli
from tests.otlp.receivers import PATIENCE_SECONDS, ROOT, environment, gone, wait_until

SHOP = ROOT / "data" / "shop.py"
CLOSING_SECONDS = 90


@dataclass(frozen=True)
class ShopRun:
    """A lake with all that a shop sent, and its account: what customers saw, what it knows."""

    lake: Path
    account: dict[str, Any]

    def instances(self, service: str) -> list[dict[str, Any]]:
        """Give what the instances of a service know of themselves."""
        told = self.account["instances"]
        return [told[name] for name in sorted(told) if name.startswith(f"{service}-")]

    def ask(self, command: str, *arguments: str) -> tuple[dict[str, Any], int]:
        """Ask a command of tailgate, in this process; give its JSON and its status."""
        answer = self.lake.with_name(f"{command}.json")
        asked = [command, "--lake", str(self.lake), *arguments]
        told = [*asked, "--format", "json", "--output", str(answer)]
        status = cli.main(told, standalone_mode=False)
        return json.loads(answer.read_bytes()), int(status or 0)


def run_shop(folder: Path, arguments: Sequence[str], seconds: float) -> ShopRun:
    """Run the shop for a while into a receiver, and stop both; folders must be empty."""
    lake, ready, tally = folder / "lake", folder / "ready.json", folder / "tally.json"
    log = folder / "serve.log"
    # Whole batches, as a receiver in use has them: nobody looks at the lake before the end.
    patient = {"TAILGATE_JOURNAL_SEGMENT_SECONDS": "5"}
    serve = [
        *(sys.executable, "-m", "pipeline.cli.main", "serve", "--no-upkeep", "--lake", str(lake)),
        *("--ready-file", str(ready), "--grpc-port", "0", "--http-port", "0"),
    ]
    with log.open("wb") as out:
        server = subprocess.Popen(serve, stderr=out, env=environment() | patient, cwd=folder)
    landing = 0
    try:
        wait_until(lambda: ready.exists() or server.poll() is not None, "the receiver")
        assert server.poll() is None, log.read_text()[-3000:]
        told = json.loads(ready.read_text())
        landing = told["landing_pid"]
        _open_shop(f"http://127.0.0.1:{told['grpc_port']}", tally, arguments, seconds)
        server.send_signal(signal.SIGINT)
        assert server.wait(PATIENCE_SECONDS) == 0, log.read_text()[-3000:]
    finally:
        if server.poll() is None:
            server.kill()
        server.wait()
        if landing:
            wait_until(lambda: gone(landing), "landing to end")
    return ShopRun(lake, json.loads(tally.read_text()))


def _open_shop(endpoint: str, tally: Path, arguments: Sequence[str], seconds: float) -> None:
    """Run the shop's own command."""
    command = [
        *(sys.executable, str(SHOP), "run", "--endpoint", endpoint, "--seconds", f"{seconds:g}"),
        *("--tally", str(tally), *arguments),
    ]
    done = subprocess.run(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        timeout=seconds + CLOSING_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
