"""The shop's processes together: started at once, wired to each other, stopped front to back."""

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from shop_model import SERVICES, VERSIONS, Faults, Known, Service
from shop_store import create
from shop_tracing import Place

START_TIMEOUT_S = 60.0
# A flush of the last batch has this long before the process is ended by force.
STOP_TIMEOUT_S = 15.0

SHOP = Path(__file__).with_name("shop.py")


class ShopError(Exception):
    """The shop could not open, or one of its processes ended on its own."""


@dataclass(frozen=True)
class Plan:
    """What to open: where spans go, which faults one version has, how many instances run."""

    endpoint: str
    gzip: bool = False
    seed: int = 7
    export_delay_s: float = 5.0
    instances_most: int = 3
    # Of services that run just so many instances, whatever is usual.
    scale: Mapping[str, int] = field(default_factory=dict)
    versions: tuple[str, ...] = VERSIONS
    known: Known = field(default_factory=Known)
    faults: Faults = field(default_factory=dict)
    fault_version: str = VERSIONS[-1]
    # Rounds of real computing in every checkout, for profilers.
    compute: int = 0
    # Where to write which process is whose, for whom attaches to them.
    pids_file: Path | None = None

    def places(self, databases: str) -> list[Place]:
        """List every process of the shop, the front of the house first."""
        return [
            Place(
                service=service.name,
                version=version,
                instance=instance,
                seed=self.seed,
                endpoint=self.endpoint,
                gzip=self.gzip,
                export_delay_s=self.export_delay_s,
                faults=dict(self.faults) if version == self.fault_version else {},
                databases=databases,
                compute=self.compute,
                known=self.known,
            )
            for service in SERVICES
            for version in self.versions
            for instance in range(1, self._instances(service) + 1)
        ]

    def _instances(self, service: Service) -> int:
        return self.scale.get(service.name, min(service.instances, self.instances_most))


Member = tuple[Place, subprocess.Popen[str]]


@contextmanager
def open_shop(
    plan: Plan, environment: Mapping[str, str] = os.environ, told: dict[str, Any] | None = None
) -> Iterator[Mapping[str, list[int]]]:
    """Open the shop and give each version's gateway ports; close it on the way out.

    What each process knows to be true of itself is put into `told`, by its name, when it ends.

    Raise `ShopError` where a process does not start, has ended before it was told to, or does
    not end well when it is.
    """
    members: list[Member] = []
    with TemporaryDirectory(prefix="shop-") as databases:
        try:
            for version in plan.versions:
                create(Path(databases) / f"{version}.sqlite", plan.seed)
            for place in plan.places(databases):
                # One by one: what has started is stopped even if the next does not start.
                members.append((place, _start(place, environment)))  # noqa: PERF401
            ports = [_port(place, process) for place, process in members]
            _wire(members, ports)
            if plan.pids_file:
                pids = {place.name: process.pid for place, process in members}
                plan.pids_file.write_text(json.dumps(pids))
            yield {
                version: [
                    port
                    for (place, _), port in zip(members, ports, strict=True)
                    if place.service == "gateway" and place.version == version
                ]
                for version in plan.versions
            }
            _check(members)
        finally:
            unwell = _stop(members, {} if told is None else told)
        if unwell:
            raise ShopError(f"did not send all of their spans: {', '.join(unwell)}")


def _start(place: Place, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    # A proxy set for the machine must not come between processes of one machine.
    direct = environment.get("no_grpc_proxy") or environment.get("no_proxy") or ""
    environment = {**environment, "no_grpc_proxy": f"{direct},127.0.0.1,localhost".lstrip(",")}
    return subprocess.Popen(
        [sys.executable, str(SHOP), "serve", place.to_json()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None  # both are pipes, see _start
    return stream


def _port(place: Place, process: subprocess.Popen[str]) -> int:
    stdout = _pipe(process.stdout)
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        line = stdout.readline() if selector.select(START_TIMEOUT_S) else ""
    if not line:
        raise ShopError(f"{place.name} did not start: it printed no port; see its error above")
    return int(line)


def _wire(members: list[Member], ports: list[int]) -> None:
    """Tell each process the ports of its own version's services, and when the shop opened."""
    started_unix_s = time.time()
    for place, process in members:
        peers: dict[str, list[int]] = {}
        for (peer, _), port in zip(members, ports, strict=True):
            if peer.version == place.version:
                peers.setdefault(peer.service, []).append(port)
        stdin = _pipe(process.stdin)
        try:
            stdin.write(json.dumps({"peers": peers, "started_unix_s": started_unix_s}) + "\n")
            stdin.flush()
        except BrokenPipeError as error:
            raise ShopError(f"{place.name} ended at once; see its error above") from error


def _check(members: list[Member]) -> None:
    ended = [place.name for place, process in members if process.poll() is not None]
    if ended:
        raise ShopError(f"ended while the shop was open: {', '.join(ended)}")


def _stop(members: list[Member], told: dict[str, Any]) -> list[str]:
    """Close every process's input and wait for its flush; end by force what does not go.

    Return the names of those that did not end well.
    """
    for _, process in members:
        with suppress(BrokenPipeError):  # it may be gone already
            _pipe(process.stdin).close()
    deadline_s = time.monotonic() + STOP_TIMEOUT_S
    for place, process in members:
        try:
            process.wait(max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        stdout = _pipe(process.stdout)
        last = stdout.read()
        stdout.close()
        if last.startswith("{"):
            told[place.name] = json.loads(last)
    return [place.name for place, process in members if process.returncode != 0]
