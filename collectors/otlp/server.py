"""The receiver's process: gRPC and HTTP in, journal on disk, landing beside; start and stop."""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collectors.otlp import grpc_services, landing_process
from collectors.otlp.admission import Admission
from collectors.otlp.exposure import require_guarded
from collectors.otlp.http_endpoints import make_app
from collectors.otlp.http_server import HttpServer
from collectors.otlp.journal import Journal
from collectors.otlp.journal_folder import (
    JournalFolder,
    hold,
    open_journal,
    remembered,
    seal_leftovers,
)
from collectors.otlp.memory import settle
from collectors.otlp.state import RECEIVER_FILE, write_state
from collectors.otlp.telemetry import Telemetry
from collectors.otlp.worker import Worker, WorkerCommand
from pipeline.lake import Lake
from pipeline.settings import Settings

log = logging.getLogger("tailgate.receiver")

_TELL_EVERY_SECONDS = 2.0

# What Prometheus' text format calls itself.
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Ready:
    """What a started receiver tells.

    Attributes:
        grpc_port, http_port: where it listens.
        landing_pid: the landing process.
    """

    grpc_port: int
    http_port: int
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
        BadSetting: it would be open to other machines, or a file of the settings is wrong.
        JournalInUse: another receiver has that journal.
        CannotListen: a port is taken.
        LakeUnavailable: the lake's disk refuses.
    """
    require_guarded(settings.receiver)
    settle()
    folder = open_journal(lake, journal)
    with hold(folder, "receiver"):
        for damage in seal_leftovers(folder):
            log.warning(
                "journal %s: %d bytes at %d are no request; %s",
                folder.path,
                len(damage.content),
                damage.offset,
                "cut short by a crash, or damaged" if damage.torn else "set aside",
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
    running = _Running(lake, settings, folder, beside)
    try:
        ready = await running.start(stop)
        if not stop.is_set():
            on_ready(ready)
        await stop.wait()
        log.info("stopping: no new requests; landing what is journaled")
    finally:
        await running.drain()


class _Running:
    """The parts of a receiver, in the order they start."""

    def __init__(
        self,
        lake: Lake,
        settings: Settings,
        folder: JournalFolder,
        beside: Sequence[WorkerCommand],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._settings = settings
        self._folder = folder
        self._landing = Worker(landing_process.command(str(lake.path), folder.path.name, settings))
        self._others = [Worker(command) for command in beside]
        self._telemetry = Telemetry(folder)
        self._journal = Journal(
            folder,
            settings.journal,
            on_sealed=lambda: _wake(loop, self._landing),
            on_synced=self._telemetry.sync_seconds.observe,
        )
        self._admission = Admission(self._journal, folder, settings, self._telemetry)
        self._admission.remember(remembered(folder))
        self._grpc, self._health = grpc_services.make_server(self._admission, settings.receiver)
        metrics = Route("/metrics", self._metrics)
        app = make_app(self._admission, settings.receiver, self._not_ready, [metrics])
        self._http = HttpServer(app, settings.receiver)
        self._serving = False
        self._told: asyncio.Task[None] | None = None
        self._addresses: dict[str, str] = {}

    async def start(self, stop: asyncio.Event) -> Ready:
        """Listen and start the other processes.

        Raises:
            CannotListen: a port is taken.
        """
        receiver = self._settings.receiver
        http_port = self._http.listen()
        grpc_port = grpc_services.listen(self._grpc, receiver)
        await self._grpc.start()
        await self._http.start()
        for worker in (self._landing, *self._others):
            worker.start()
        await grpc_services.set_health(self._health, True)
        while self._landing.pid is None and not stop.is_set():
            await asyncio.sleep(0.01)
        self._serving = True
        self._addresses = {
            "grpc": f"{receiver.host}:{grpc_port}",
            "http": f"{receiver.host}:{http_port}",
        }
        self._told = asyncio.create_task(self._tell())
        return Ready(grpc_port, http_port, self._landing.pid)

    async def drain(self) -> None:
        """Stop accepting, sync, land what is journaled; never longer than the settings allow."""
        seconds = self._settings.receiver.drain_seconds
        ends = time.monotonic() + seconds
        self._serving = False
        await grpc_services.set_health(self._health, False)
        await asyncio.gather(self._grpc.stop(grace=seconds / 4), self._http.stop(grace=seconds / 4))
        await self._journal.close()
        await self._admission.close()
        landed = await self._landing.stop(max(ends - time.monotonic() - 0.5, 0.1))
        for worker in self._others:
            await worker.stop(max(ends - time.monotonic(), 0.1))
        if self._told:
            self._told.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._told
            self._write(stopped=True)
        log.info(
            "stopped after %d requests, %d items%s",
            self._admission.counts["requests"],
            self._admission.counts["accepted_items"],
            "" if landed else "; what is journaled lands at the next start",
        )

    def _not_ready(self) -> str:
        """Say why requests are not welcome; empty while they are."""
        return "" if self._serving else "starting or stopping"

    async def _metrics(self, request: Request) -> Response:
        """Answer a scrape; reading the journal's folder must not hold up the answers to senders."""
        text = await asyncio.to_thread(self._telemetry.text)
        return Response(text, media_type=_METRICS_TYPE)

    async def _tell(self) -> None:
        """Leave the figures for `tailgate status`, now and then."""
        while True:
            await asyncio.to_thread(self._write)
            await asyncio.sleep(_TELL_EVERY_SECONDS)

    def _write(self, stopped: bool = False) -> None:
        totals = self._telemetry.totals()
        state = {**self._addresses, "totals": totals, "stopped": stopped}
        write_state(self._folder.path / RECEIVER_FILE, state)


def _wake(loop: asyncio.AbstractEventLoop, landing: Worker) -> None:
    """Wake landing from the journal's disk thread."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(landing.wake)
