"""Processes for benches: a receiver, bare peers, and what they hold in memory."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

_BARE = """
import asyncio, sys
import grpc

async def main():
    async def export(request, context):
        return request if sys.argv[1] == "echo" else b""
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.aio.server(options=options)
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    handler = {"Export": grpc.unary_unary_rpc_method_handler(export)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handler),))
    print(server.add_insecure_port("127.0.0.1:" + sys.argv[2]), flush=True)
    await server.start()
    await server.wait_for_termination()

asyncio.run(main())
"""


@contextlib.contextmanager
def stopped(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Stop a process at the end, however the block ends."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def bare_server(kind: str, port: int = 0) -> Iterator[int]:
    """Run a grpc.aio server that only echoes (or drops) what it gets; give its port."""
    process = subprocess.Popen(
        [sys.executable, "-c", _BARE, kind, str(port)], stdout=subprocess.PIPE, text=True
    )
    with stopped(process):
        assert process.stdout
        yield int(process.stdout.readline())


@contextlib.contextmanager
def receiver(
    lake: Path, upkeep: bool = True, arguments: Sequence[str] = ()
) -> Iterator[tuple[int, psutil.Process]]:
    """Run ``tailgate serve``; give its gRPC port and its process."""
    with serving(lake, upkeep, arguments) as (ports, process):
        yield ports["grpc_port"], process


@contextlib.contextmanager
def serving(
    lake: Path, upkeep: bool = True, arguments: Sequence[str] = ()
) -> Iterator[tuple[dict[str, int], psutil.Process]]:
    """Run ``tailgate serve``; give what its ready file tells and its process."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.json"
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pipeline.cli.main", "serve", "--lake", str(lake)),
                *("--grpc-port", "0", "--http-port", "0", "--ready-file", str(ready)),
                *([] if upkeep else ["--no-upkeep"]),
                *arguments,
            ],
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with stopped(process):
            deadline = time.monotonic() + 30
            while not ready.exists():
                assert process.poll() is None, "the receiver did not start"
                assert time.monotonic() < deadline, "the receiver did not start in 30 s"
                time.sleep(0.02)
            yield json.loads(ready.read_text()), psutil.Process(process.pid)


class Memory:
    """Watches the memory of a process and its children, sampled four times a second."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.samples: list[tuple[float, dict[int, int]]] = []

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        started = time.monotonic()
        while not self._stop.wait(0.25):
            held = {}
            with contextlib.suppress(psutil.Error):
                for one in (self._process, *self._process.children(recursive=True)):
                    with contextlib.suppress(psutil.Error):
                        held[one.pid] = one.memory_info().rss
            self.samples.append((time.monotonic() - started, held))

    def largest_process(self) -> int:
        """Give the most that any one process held, in bytes."""
        return max(max(held.values(), default=0) for _, held in self.samples)

    def total(self, first: float = 0.0, last: float = 1e9) -> int:
        """Give the most that all held together between two times, in bytes."""
        inside = [sum(held.values()) for at, held in self.samples if first <= at <= last]
        return max(inside, default=0)


def cpu_count() -> int:
    """Give the processors there are."""
    return os.cpu_count() or 1
