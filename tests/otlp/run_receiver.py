"""A receiver of its own: ``python run_receiver.py LAKE JOURNAL SETTINGS`` serves until a signal.

Prints {"grpc_port": …, "landing_pid": …} once requests are welcome.
"""

import dataclasses
import json
import logging
import sys

from collectors.otlp.server import Ready, serve
from pipeline.errors import TailgateError
from pipeline.lake import open_lake
from pipeline.settings import Journal, Landing, Receiver, Settings


def main(lake: str, journal: str, given: str) -> int:
    """Serve."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    sections = json.loads(given)
    settings = Settings(
        receiver=Receiver(**{"grpc_port": 0, "http_port": 0} | sections.get("receiver", {})),
        journal=Journal(**sections.get("journal", {})),
        landing=Landing(**sections.get("landing", {})),
    )
    try:
        serve(open_lake(lake, create=True), settings, journal, on_ready=_tell)
    except TailgateError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def _tell(ready: Ready) -> None:
    print(json.dumps(dataclasses.asdict(ready)), flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
