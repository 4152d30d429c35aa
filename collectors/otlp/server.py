"""The receiver's process: gRPC in, journal on disk, landing beside it; start and graceful stop."""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from collectors.otlp import grpc_services, landing_process
from collectors.otlp.admission import Admission
from collectors.otlp.journal import Journal
from collectors.otlp.journal_folder import (
    JournalFolder,
    hold,
    open_journal,
    remembered,
    seal_leftovers,
)
from collectors.otlp.worker import Worker, WorkerCommand
from pipeline.lake import Lake
from pipeline.settings import Settings

log = logging.getLogger("tailgate.receiver")


@dataclass(frozen=True)
class Ready:
    """What a started receiver tells.

    Attributes:
        grpc_port: where it listens.
        landing_pid: the landing process.
    """

    grpc_port: int
    landing_pid: int | None


def serve(
    lake: Lake,
    settings: Settings,
    journal: str = "default",
    beside: Sequence[WorkerCommand] = (),
    on_ready: Callable[[Ready], None] = lambda ready: None,
) -> None:
    """Receive until SIGINT or SIGTERM, then drain.

    Args:
        lake: where rows land.
        settings: everything that can be set.
        journal: the journal's name; receivers on one lake have one each.
        beside: more processes to keep running.
        on_ready: called once, when requests are welcome.

    Raises:
        JournalInUse: another receiver has that journal.
        CannotListen: the port is taken.
        LakeUnavailable: the lake's disk refuses.
    """
    folder = open_journal(lake, journal)
    with hold(folder, "receiver"):
        for damage in seal_leftovers(folder):
            log.warning(
                "journal %s: %d bytes at %d are no request; %s",
                folder.path,
                len(damage.content),
                damage.offset,
                "cut short by a crash, never acknowledged" if damage.torn else "set aside",
            )
        asyncio.run(_serve(lake, settings, folder, beside, on_ready))


async def _serve(
    lake: Lake,
    settings: Settings,
    folder: JournalFolder,
    beside: Sequence[WorkerCommand],
    on_ready: Callable[[Ready], None],
) -> None:
    """Run everything on one event loop until a signal comes."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    landing = Worker(landing_process.command(str(lake.path), folder.path.name, settings))
    others = [Worker(command) for command in beside]
    journal = Journal(folder, settings.journal, on_sealed=lambda: _wake(loop, landing))
    admission = Admission(journal, folder, settings)
    admission.remember(remembered(folder))
    server, health = grpc_services.make_server(admission, settings.receiver)
    try:
        port = grpc_services.listen(server, settings.receiver)
        await server.start()
        for worker in (landing, *others):
            worker.start()
        await grpc_services.set_health(health, True)
        while landing.pid is None and not stop.is_set():
            await asyncio.sleep(0.01)
        on_ready(Ready(port, landing.pid))
        await stop.wait()
        log.info("stopping: no new requests; landing what is journaled")
    finally:
        await _drain(server, health, journal, admission, landing, others, settings)


def _wake(loop: asyncio.AbstractEventLoop, landing: Worker) -> None:
    """Wake landing from the journal's disk thread."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(landing.wake)


async def _drain(
    server: Any,
    health: Any,
    journal: Journal,
    admission: Admission,
    landing: Worker,
    others: Sequence[Worker],
    settings: Settings,
) -> None:
    """Stop accepting, sync, land what is journaled; never longer than the settings allow."""
    ends = time.monotonic() + settings.receiver.drain_seconds
    await grpc_services.set_health(health, False)
    await server.stop(grace=settings.receiver.drain_seconds / 4)
    await journal.close()
    await admission.close()
    landed = await landing.stop(max(ends - time.monotonic() - 0.5, 0.1))
    for worker in others:
        await worker.stop(max(ends - time.monotonic(), 0.1))
    log.info(
        "stopped after %d requests, %d items%s",
        admission.counts["requests"],
        admission.counts["accepted_items"],
        "" if landed else "; what is journaled lands at the next start",
    )
