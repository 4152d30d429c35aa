"""Admission: what every request passes, whatever it came by: limits, checks, journal, answer.

When ``take`` returns, what was accepted is on the disk.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from collectors.otlp.batch_ids import batch_id
from collectors.otlp.frames import Frame
from collectors.otlp.identity import ANYONE, Identity, Tokens
from collectors.otlp.journal import Journal
from collectors.otlp.journal_folder import JournalFolder
from collectors.otlp.retry_window import RetryWindow
from collectors.otlp.screening import Redaction, remove_foreign
from collectors.otlp.signals import Signal
from collectors.otlp.telemetry import Telemetry, resident_bytes
from pipeline.errors import BadRequest, JournalError, Overloaded
from pipeline.settings import Settings

log = logging.getLogger("tailgate.receiver")

# Some exporters drop a batch at the first refusal, so a full receiver waits a little before it
# refuses: often landing catches up meanwhile.
_PATIENCE_SECONDS = 0.5

_RETRY_SECONDS = 2.0

_LOOK_EVERY_SECONDS = 0.2


@dataclass(frozen=True)
class Accepted:
    """The answer to a request that was taken.

    Attributes:
        rejected: how many of its items were not kept.
        message: why, or a warning where all were kept; mostly empty.
    """

    rejected: int = 0
    message: str = ""


class Admission:
    """Takes requests for one journal.

    Attributes:
        counts: requests and items by what became of them.
    """

    def __init__(
        self,
        journal: Journal,
        folder: JournalFolder,
        settings: Settings,
        telemetry: Telemetry | None = None,
    ) -> None:
        """Begin with what the journal remembers.

        Raises:
            BadSetting: the file of tokens cannot be read.
        """
        self._journal = journal
        self.telemetry = telemetry or Telemetry(folder)
        tokens = settings.receiver.tokens_file
        self._tokens = Tokens(Path(tokens)) if tokens else None
        self._redaction = Redaction(settings.redact.keys) if settings.redact.keys else None
        self._memory_bytes = 0
        self._folder = folder
        self._settings = settings
        self._window = RetryWindow(
            settings.journal.retry_window_seconds, settings.journal.retry_window_requests
        )
        self._under_way: dict[bytes, asyncio.Task[JournalError | None]] = {}
        self._in_flight = 0
        self._in_flight_bytes = 0
        self._patient_bytes = 0
        self._backlog_seen = folder.backlog_bytes()
        self._appended_seen = 0
        self._room = asyncio.Event()
        self.counts: Counter[str] = Counter()
        self._task = asyncio.create_task(self._look())

    def remember(self, seen: list[tuple[int, bytes]]) -> None:
        """Take over what an earlier process took."""
        for time_unix_nano, name in seen:
            self._window.add(name, time_unix_nano)

    async def close(self) -> None:
        """Stop looking at the backlog."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def identify(self, authorization: str | None) -> Identity:
        """Tell who sends.

        Args:
            authorization: the request's ``authorization`` header.

        Raises:
            Unauthenticated: tokens are asked for, and this is none of them.
        """
        return self._tokens.identify(authorization) if self._tokens else ANYONE

    async def take(
        self,
        signal: Signal,
        payload: bytes,
        sender: Identity = ANYONE,
        transport: str = "grpc",
    ) -> Accepted:
        """Check a request, make it durable and say what of it was rejected.

        Args:
            signal: what it claims to be.
            payload: its bytes.
            sender: whose it is, as ``identify`` told.
            transport: how it came, for the counters: grpc or http.

        Raises:
            BadRequest: it is not that; sending it again would not help.
            Overloaded: a limit is reached; sending it again later helps.
        """
        self.counts["requests"] += 1
        telemetry, started = self.telemetry, time.monotonic()
        telemetry.received.labels(signal.name, transport).inc()
        telemetry.bytes.labels(signal.name).observe(len(payload))
        try:
            sender.spend(started)
            await self._enter(len(payload))
            try:
                accepted = await self._take(signal, payload, sender)
            finally:
                self._in_flight -= 1
                self._in_flight_bytes -= len(payload)
                self._room.set()
        except (BadRequest, Overloaded) as error:
            self.counts["refused_requests"] += 1
            telemetry.refused.labels(signal.name, type(error).__name__).inc()
            raise
        telemetry.seconds.labels(signal.name).observe(time.monotonic() - started)
        return accepted

    async def _take(self, signal: Signal, payload: bytes, sender: Identity) -> Accepted:
        """Do what ``take`` does, within the limits."""
        try:
            # upb reads the whole message, also what the columnar check skips.
            message = signal.request.FromString(payload)
        except DecodeError as error:
            raise BadRequest(_why_not(signal, error)) from error
        payload, foreign = self._screen(signal, message, payload, sender)
        found = signal.check(payload)
        kept = found.total - found.rejected
        if kept:
            await self._store(signal, payload)
        reasons = found.reasons | foreign
        rejected, total = (n + sum(foreign.values()) for n in (found.rejected, found.total))
        self.counts["accepted_items"] += kept
        self.counts["rejected_items"] += rejected
        self.telemetry.acknowledged.labels(signal.name).inc(kept)
        for reason, count in reasons.items():
            self.telemetry.rejected.labels(signal.name, reason).inc(count)
        if not rejected:
            return Accepted(message=found.warning)
        why = "; ".join(f"{reason} ({count})" for reason, count in reasons.items())
        return Accepted(rejected, f"{rejected} of {total} rejected: {why}")

    def _screen(
        self, signal: Signal, message: Any, payload: bytes, sender: Identity
    ) -> tuple[bytes, dict[str, int]]:
        """Take out what the sender may not write and what nobody may keep.

        Returns:
            The request's bytes, its own where nothing was taken out, and how many items were
            taken out, by reason.
        """
        changed = False
        foreign: dict[str, int] = {}
        if sender.services:
            foreign = remove_foreign(message, signal, sender)
            changed = bool(foreign)
        if self._redaction and self._redaction.concerns(payload):
            redacted = self._redaction.apply(message)
            self.telemetry.redacted.inc(redacted)
            changed = changed or redacted > 0
        return (message.SerializeToString() if changed else payload), foreign

    async def _store(self, signal: Signal, payload: bytes) -> None:
        """Append a request to the journal, once however often it is sent."""
        name = batch_id(signal.name, payload)
        if name in self._window:
            self._count_repeat(signal)
            return
        append = self._under_way.get(name)
        if append is not None:
            self._count_repeat(signal)
        else:
            append = asyncio.create_task(self._append(signal, name, payload))
            self._under_way[name] = append
        # The append goes on even if the sender hangs up, or its repeat would find nothing.
        error = await asyncio.shield(append)
        if error is not None:
            raise Overloaded(str(error), _RETRY_SECONDS) from error

    def _count_repeat(self, signal: Signal) -> None:
        self.counts["repeated_requests"] += 1
        self.telemetry.repeated.labels(signal.name).inc()

    async def _append(self, signal: Signal, batch_id: bytes, payload: bytes) -> JournalError | None:
        """Make a request durable and remember it; an error is given to all who wait for it."""
        now = time.time_ns()
        try:
            await self._journal.append(Frame(signal.number, now, batch_id, payload))
        except JournalError as error:
            self.counts["failed_appends"] += 1
            return error
        else:
            self._window.add(batch_id, now)
            return None
        finally:
            del self._under_way[batch_id]

    async def _enter(self, size: int) -> None:
        """Wait a little for room, then refuse."""
        why = self._no_room(size)
        # Those that wait hold memory too, so only as many wait as may be in flight.
        if why and self._patient_bytes + size <= self._settings.receiver.max_waiting_bytes:
            self._patient_bytes += size
            try:
                why = await self._wait_for_room(size)
            finally:
                self._patient_bytes -= size
        if why:
            raise Overloaded(f"{why}; send again later", _RETRY_SECONDS)
        self._in_flight += 1
        self._in_flight_bytes += size

    async def _wait_for_room(self, size: int) -> str:
        """Wait until there is room or patience ends; give which limit still stands then."""
        ends = time.monotonic() + _PATIENCE_SECONDS
        while (why := self._no_room(size)) and (left := ends - time.monotonic()) > 0:
            self._room.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._room.wait(), left)
        return why

    def _no_room(self, size: int) -> str:
        """Say which limit is reached; empty when none is."""
        limit = self._settings.receiver.max_concurrent_requests
        if self._in_flight >= limit:
            return f"{limit} requests are in flight, which is the limit"
        most_memory = self._settings.receiver.max_memory_bytes
        if self._memory_bytes > most_memory and self._in_flight:
            return f"the receiver holds more than {most_memory} bytes of memory"
        waiting = self._settings.receiver.max_waiting_bytes
        # A request above the limit alone is let in when nothing else is.
        if self._in_flight and self._in_flight_bytes + size > waiting:
            return f"requests in flight hold {waiting} bytes, which is the limit"
        backlog = self.backlog_bytes()
        if backlog and backlog + size > self._settings.journal.backlog_bytes:
            return f"the journal holds {backlog} bytes that have not landed"
        return ""

    def backlog_bytes(self) -> int:
        """Give the bytes journaled and not yet landed, as of the last look and what came since."""
        return self._backlog_seen + self._journal.appended_bytes - self._appended_seen

    async def _look(self) -> None:
        """Look at the backlog now and then: landing takes segments away in its own process."""
        while True:
            appended = self._journal.appended_bytes
            try:
                # In a thread: a disk that hangs must not stop the answers.
                self._backlog_seen = await asyncio.to_thread(self._folder.backlog_bytes)
                self._appended_seen = appended
            except OSError as error:
                log.warning("%s: cannot be looked at: %s", self._folder.path, error)
            self._memory_bytes = resident_bytes()
            self._room.set()
            await asyncio.sleep(_LOOK_EVERY_SECONDS)


def _why_not(signal: Signal, error: DecodeError) -> str:
    """Say what is wrong with the bytes, as far as upb tells."""
    return (
        f"not an OTLP {signal.name} request ({error}); "
        f"fields nested more than 100 deep and text that is not UTF-8 are refused too"
    )
