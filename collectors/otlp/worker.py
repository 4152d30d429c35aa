"""A process of the server's own: started, started again when it dies, asked to end by closing its
standard input.

The child reads its standard input: a line wakes it, the end of it asks it to finish and go. So it
also ends when the parent is killed, without anybody left to tell it.
"""

import asyncio
import contextlib
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

log = logging.getLogger("tailgate.worker")

# A piece of work; True when there may be more at once.
Work = Callable[[], bool]

# A child that dies again and again is started ever more seldom, up to this.
_SHORTEST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 30.0


@dataclass(frozen=True)
class WorkerCommand:
    """What to run beside the receiver.

    Attributes:
        name: for people.
        arguments: for the Python interpreter that runs us.
        drains: whether a stop waits for it to finish its work.
    """

    name: str
    arguments: tuple[str, ...]
    drains: bool = False


class Worker:
    """One child process under watch."""

    def __init__(self, command: WorkerCommand) -> None:
        """Prepare; ``start`` starts it."""
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._is_wake_missed = False
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """Give the child's process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the child and the watch over it."""
        self._task = asyncio.create_task(self._watch())

    def wake(self) -> None:
        """Tell the child that there is work; a child that is away is told when it is there."""
        pipe = self._process.stdin if self._process else None
        if pipe is None or pipe.is_closing():
            # It may have started, and looked for work, before we know of it.
            self._is_wake_missed = True
        # A pipe that nobody empties holds enough wake-ups already.
        elif pipe.transport.get_write_buffer_size() == 0:
            with contextlib.suppress(OSError):
                pipe.write(b"\n")

    async def stop(self, seconds: float) -> bool:
        """Ask the child to finish, and end it if it takes longer than that.

        A child that drains and is away just now is started once more for that.

        Returns:
            Whether it finished, by itself and well.
        """
        if self._task is None:
            return True
        ends = time.monotonic() + seconds
        self._stopping = True
        if self._process is not None and self._process.returncode is None:
            finished = await self._finish(self._process, seconds)
        else:
            finished = False
        await self._end_watch()
        # It may also have died just now, or while it was asked.
        if not finished and self._command.drains and time.monotonic() < ends:
            with contextlib.suppress(OSError):
                process = await self._spawn()
                finished = await self._finish(process, ends - time.monotonic())
        return finished

    async def _finish(self, process: asyncio.subprocess.Process, seconds: float) -> bool:
        """Ask a child to finish and wait for it; after so many seconds end it."""
        if process.stdin:
            process.stdin.close()
        if not self._command.drains:
            _signal(process, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            log.warning("%s did not finish in %.1f s: ended", self._command.name, seconds)
            _signal(process, signal.SIGKILL)
            await process.wait()
        return process.returncode == 0

    async def _end_watch(self) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _spawn(self) -> asyncio.subprocess.Process:
        """Start the child."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *self._command.arguments,
            stdin=asyncio.subprocess.PIPE,
            # Ctrl-C reaches the whole group of a terminal; the child waits to be asked.
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )

    async def _watch(self) -> None:
        """Run the child, again and again."""
        pause = _SHORTEST_PAUSE_SECONDS
        while not self._stopping:
            started = time.monotonic()
            try:
                self._process = await self._spawn()
                if self._is_wake_missed:
                    self._is_wake_missed = False
                    self.wake()
                why = f"ended with status {await self._process.wait()}"
            except OSError as error:
                why = f"cannot be started ({error})"
            if self._stopping:
                return
            self.restarts += 1
            long_lived = time.monotonic() - started > _LONGEST_PAUSE_SECONDS
            pause = (
                _SHORTEST_PAUSE_SECONDS if long_lived else min(2 * pause, _LONGEST_PAUSE_SECONDS)
            )
            log.warning("%s %s; starting it again in %.1f s", self._command.name, why, pause)
            await asyncio.sleep(pause)


def _signal(process: asyncio.subprocess.Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


def loop(work: Work, idle_seconds: float, source: int = 0) -> None:
    """Run a child's work until its standard input ends, and once more after that.

    Args:
        work: does a piece of work; True when there may be more at once.
        idle_seconds: the longest wait between two looks for work.
        source: the file descriptor that wakes and ends us.
    """
    while True:
        while work():
            pass
        ready, _, _ = select.select([source], [], [], idle_seconds)
        if ready and not os.read(source, 65536):
            while work():
                pass
            return


def quiet_signals(numbers: Sequence[int] = (signal.SIGINT,)) -> None:
    """Ignore signals that are the parent's to act on."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
