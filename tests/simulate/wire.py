"""The shop itself in real time, through a receiver and the judge: minutes of it a release.

python -m tests.simulate.wire [--minutes 9] [--rate 20] [--only NAME …]

The rest of the evidence goes faster than the clock: this is the same with nothing made shorter.
Status 1 where a verdict is not the one expected.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.e2e.killable import Server
from tests.otlp.receivers import ROOT, environment

# The fault of 1.4.2, and what the judge must say. Twice as slow: of three hosts a side an
# interval is wide, and half of a checkout is of other things.
RELEASES = {"none": 0, "slow-operation=2": 1, "slow-tail": 1, "errors": 1}

# Checkouts as customers see them: of the rest there are too few in minutes to settle p99. A version
# has three hosts of the gateway, and hosts differ by 3 %.
_WHERE = ("--where", "service.name=gateway", "--where", "operation=POST /checkout")
_TOLERANCES = ("--tolerance", "30", "--tolerance-errors", "2")


def main() -> int:
    """Run the releases one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--rate", type=float, default=20.0, help="customers a second")
    parser.add_argument("--only", action="append", choices=RELEASES)
    asked = parser.parse_args()
    good = True
    for name in asked.only or RELEASES:
        with tempfile.TemporaryDirectory(prefix="tailgate-wire-") as folder:
            status = _release(Path(folder), name, asked.minutes, asked.rate)
        print(f"{name}: exit status {status}, expected {RELEASES[name]}", flush=True)
        good &= status == RELEASES[name]
    return 0 if good else 1


def _release(folder: Path, name: str, minutes: float, rate: float) -> int:
    """Run the shop with one fault and judge; give the judge's exit status."""
    fault = [] if name == "none" else ["--fault", name]
    server = Server(folder)
    try:
        subprocess.run(
            [
                *(sys.executable, str(ROOT / "data" / "shop.py"), "run", *fault),
                *("--endpoint", f"http://127.0.0.1:{server.ports[0]}"),
                *("--seconds", str(60 * minutes), "--rate", str(rate)),
            ],
            check=True,
        )
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()
    command = [
        *(sys.executable, "-m", "pipeline.cli.main", "judge", "--lake", str(server.lake)),
        *("--baseline", "service.version=1.4.1", "--canary", "service.version=1.4.2"),
        *(*_WHERE, *_TOLERANCES),
    ]
    return subprocess.run(command, env=environment(), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
