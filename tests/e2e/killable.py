"""A receiver as a process on ports that it keeps: killed in the middle, and started again."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from tests.e2e.serving import free_ports
from tests.otlp.receivers import environment, gone, wait_until


class Server:
    """``tailgate serve`` on ports of its own, that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.lake, self._ready = folder / "lake", folder / "ready.json"
        self._log = folder / "serve.log"
        self.ports = free_ports(2)
        self.start()

    def start(self) -> None:
        """Start and wait for requests to be welcome."""
        self._ready.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "pipeline.cli.main", "serve", "--no-upkeep"),
                    *("--lake", str(self.lake), "--ready-file", str(self._ready)),
                    *("--grpc-port", str(self.ports[0]), "--http-port", str(self.ports[1])),
                ],
                stderr=log,
                env=environment() | {"TAILGATE_JOURNAL_SEGMENT_SECONDS": "0.2"},
            )
        wait_until(lambda: self._ready.exists() or self.process.poll() is not None, "the receiver")
        assert self.process.poll() is None, self._log.read_text()[-3000:]
        self.landing_pid = json.loads(self._ready.read_text())["landing_pid"]

    def kill(self) -> None:
        """Kill it, so that nothing is said or finished, and wait until all of it is gone."""
        self.process.kill()
        self.process.wait()
        wait_until(lambda: gone(self.landing_pid), "landing to end")

    def stop(self) -> None:
        """Stop it as Ctrl-C does: all that it took is in the lake then."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 0, self._log.read_text()[-3000:]
