"""Landing that dies on purpose: ``python run_landing.py LAKE FAULT`` lands all that is sealed.

FAULT is JSON: {"after": n} ends the process at once after its n-th durable effect, and
{"poison": hex} while it decodes a request that has these bytes. Ends with status 0 when all landed.
"""

import dataclasses
import itertools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from collectors.otlp import landing
from collectors.otlp.journal_folder import hold, open_journal
from collectors.otlp.retry_window import RetryWindow
from collectors.otlp.signals import TRACES
from pipeline.lake import open_lake
from pipeline.settings import Landing

DIED = 9
EFFECTS = (
    (os, "fsync"),
    (Path, "replace"),
    (Path, "unlink"),
    (DeltaTable, "create_write_transaction"),
)


def die_after(count: int) -> None:
    """End the process after so many durable effects."""
    effects = itertools.count(1)

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def effect(*arguments: Any, **more: Any) -> Any:
            result = real(*arguments, **more)
            if next(effects) == count:
                os._exit(DIED)
            return result

        return effect

    for owner, name in EFFECTS:
        setattr(owner, name, dying(getattr(owner, name)))


def die_of(poison: bytes) -> None:
    """End the process, as a fault in native code does, when a request holds these bytes."""

    def decode(payloads: Any, *more: Any) -> Any:
        if any(poison in payload for payload in payloads):
            os._exit(DIED)
        return TRACES.decode(payloads, *more)

    # Landing knows its signals by this name.
    setattr(landing, "SIGNALS", (dataclasses.replace(TRACES, read=decode),))  # noqa: B010


def main(lake_path: str, fault: str) -> int:
    """Land until nothing sealed is left."""
    given = json.loads(fault)
    lake = open_lake(lake_path)
    journal = open_journal(lake)
    if "after" in given:
        die_after(given["after"])
    if "poison" in given:
        die_of(bytes.fromhex(given["poison"]))
    with hold(journal, "landing"):
        lander = landing.Lander(lake, journal, Landing(), RetryWindow(600, 1000))
        while lander.land():
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
