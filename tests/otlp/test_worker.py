"""Workers: kept running, woken, and asked to finish within a limit."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from collectors.otlp import worker
from collectors.otlp.worker import Worker, WorkerCommand

pytestmark = pytest.mark.slow

# Tells each start and each waking by a line in a file; drains when its input ends.
CHILD = """
import os, sys
from pathlib import Path
def tell(text):
    with open(sys.argv[1], "a") as file:
        file.write(text + "\\n")
tell(f"start {os.getpid()}")
for line in sys.stdin:
    tell("woken")
tell("drained")
sys.exit(int(sys.argv[2]))
"""
STUBBORN = "import time\ntime.sleep(600)"


def run(use: Callable[[], Awaitable[None]]) -> None:
    unheard: list[object] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: unheard.append(context))
        await use()

    asyncio.run(main())
    assert not unheard


async def told(file: Path, line: str, count: int = 1) -> list[str]:
    """Wait until a child has told something so often."""
    for _ in range(6000):
        lines = file.read_text().splitlines() if file.exists() else []
        if sum(each.startswith(line) for each in lines) >= count:
            return lines
        await asyncio.sleep(0.01)
    raise AssertionError(f"{line} was not told {count} times")


def test_a_worker_is_woken_and_drains_when_it_is_stopped(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def use() -> None:
        child = Worker(WorkerCommand("child", ("-c", CHILD, str(log), "0"), drains=True))
        child.start()
        await told(log, "start")
        child.wake()
        await told(log, "woken")
        assert await child.stop(30)
        assert (await told(log, "drained"))[-1] == "drained"
        assert child.restarts == 0

    run(use)


def test_a_waking_before_the_worker_is_there_is_not_lost(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def use() -> None:
        child = Worker(WorkerCommand("child", ("-c", CHILD, str(log), "0"), drains=True))
        child.start()
        child.wake()
        await told(log, "woken")
        assert await child.stop(30)

    run(use)


def test_a_worker_that_dies_is_started_again(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def use() -> None:
        child = Worker(WorkerCommand("child", ("-c", CHILD, str(log), "0"), drains=True))
        child.start()
        for count in (1, 2, 3):
            lines = await told(log, "start", count)
            os.kill(int(lines[-1].split()[1]), signal.SIGKILL)
        await told(log, "start", 4)
        child.wake()
        assert await child.stop(30)
        assert child.restarts == 3

    run(use)


def test_a_stop_starts_a_worker_that_is_away_to_drain(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def use() -> None:
        child = Worker(WorkerCommand("child", ("-c", CHILD, str(log), "0"), drains=True))
        child.start()
        lines = await told(log, "start")
        os.kill(int(lines[0].split()[1]), signal.SIGKILL)
        while child.restarts == 0:
            await asyncio.sleep(0.001)
        assert await child.stop(30)
        assert (await told(log, "drained"))[-1] == "drained"

    run(use)


def test_a_worker_that_failed_to_drain_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def use() -> None:
        child = Worker(WorkerCommand("child", ("-c", CHILD, str(log), "1"), drains=True))
        child.start()
        await told(log, "start")
        assert not await child.stop(30)

    run(use)


@pytest.mark.parametrize("drains", [True, False])
def test_a_stop_has_its_limit(drains: bool) -> None:
    async def use() -> None:
        child = Worker(WorkerCommand("child", ("-c", STUBBORN), drains=drains))
        child.start()
        while child.pid is None:
            await asyncio.sleep(0.01)
        pid = child.pid
        began = time.monotonic()
        assert not await child.stop(0.5)
        assert time.monotonic() - began < 20
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    run(use)


def test_a_worker_that_cannot_be_started_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"

    async def use() -> None:
        monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
        child = Worker(WorkerCommand("child", ("-c", CHILD, str(log), "0"), drains=True))
        child.start()
        while child.restarts == 0:
            await asyncio.sleep(0.01)
        monkeypatch.undo()
        await told(log, "start")
        assert await child.stop(30)

    run(use)


def test_a_worker_that_never_started_needs_no_stop() -> None:
    async def use() -> None:
        assert await Worker(WorkerCommand("child", ("-c", STUBBORN))).stop(1)

    run(use)


def test_work_is_done_once_more_after_the_input_ends() -> None:
    reading, writing = os.pipe()
    done = []
    os.write(writing, b"\n")

    def work() -> bool:
        done.append(1)
        if len(done) == 3:
            os.close(writing)
        return len(done) in (1, 2)

    worker.loop(work, idle_seconds=30, source=reading)
    os.close(reading)
    # Two with more to do, one without; woken: one more; ended: one more.
    assert len(done) == 5
