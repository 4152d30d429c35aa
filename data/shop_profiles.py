"""Recording the shop's processor use with real profilers: py-spy, perf and bpftrace.

Each profiler runs where it is found and may attach; what is missing is left out and said. They look
at the checkout processes only, by process id.
"""

import gzip
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product, takewhile
from pathlib import Path

from shop_fleet import Plan, open_shop
from shop_load import arrivals, run_load
from shop_model import VERSIONS
from shop_profile_truth import facts
from shop_record import receiving

PROFILED = "checkout"

# Ends of files whose command line is the profiler's own business: {pid}, {seconds}, {rate}, {file}.
PY_SPY = "py-spy record --pid {pid} --duration {seconds} --rate {rate} --output {file}"
COMMANDS: Mapping[str, str] = {
    "pyspy.raw.txt": f"{PY_SPY} --format raw",
    "pyspy.speedscope.json": f"{PY_SPY} --format speedscope",
    "pyspy.chrometrace.json": f"{PY_SPY} --format chrometrace",
    "perf-script.txt": (
        "perf record --quiet -e cpu-clock -F {rate} -g -p {pid} -o {file}.data -- sleep {seconds}"
        " && perf script -i {file}.data > {file} && rm {file}.data"
    ),
    "perf-stat.json": "perf stat -j -o {file} -p {pid} -- sleep {seconds}",
    "perf-stat.csv": "perf stat -x, -I 1000 -o {file} -p {pid} -- sleep {seconds}",
    "bpftrace.stacks.json": (
        "bpftrace -f json -o {file} -e 'profile:hz:{rate} /pid == {pid}/"
        " {{ @[kstack, ustack, comm] = count(); }} interval:s:{seconds} {{ exit(); }}'"
    ),
    "bpftrace.reads.json": (
        "bpftrace -f json -o {file} -e 'tracepoint:syscalls:sys_enter_recvfrom /pid == {pid}/"
        " {{ @start[tid] = nsecs; }} tracepoint:syscalls:sys_exit_recvfrom /@start[tid]/"
        " {{ @recv_us = hist((nsecs - @start[tid]) / 1000); delete(@start[tid]); }}"
        " interval:s:{seconds} {{ clear(@start); exit(); }}'"
    ),
}
RATE_HERTZ = 100
_TRIES = 10


@dataclass(frozen=True)
class Recording:
    """One run of one profiler.

    Attributes:
        name: of the file, without .gz.
        place: the instance that was profiled.
        command: what was run, with its placeholders.
        content: what it wrote.
        began: when.
    """

    name: str
    place: str
    command: str
    content: bytes
    began: datetime


def record_profiles(
    out: Path, plan: Plan, rate_per_s: float, seconds: int, rounds: int, only: Sequence[str] = ()
) -> str:
    """Open the shop, profile both versions' checkout, and write what the profilers wrote.

    Args:
        out: folder of a folder a version; what is there is replaced when the run has ended well.
        plan: the shop; its `compute` makes checkout burn time.
        rate_per_s: customers a second.
        seconds: how long a profiler looks.
        rounds: how often py-spy looks, or each of ``only``; the other profilers look once.
        only: names of COMMANDS; none for all.

    Returns:
        What was recorded and what was left out, for people.
    """
    present, missing = _present(only or tuple(COMMANDS))
    # Those that are asked for look together, and as often; of all, one after the other.
    looks = [(present, number) for number in range(rounds)] if only else []
    if not only:
        often = [name for name in present if name == "pyspy.raw.txt"]
        looks = [(often, number) for number in range(rounds) if often]
        looks += [([name], 0) for name in present if name not in often]
    recordings: list[Recording] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shop-profiles-")))
        endpoint = stack.enter_context(receiving(lambda message: None))
        plan = replace(plan, endpoint=endpoint, pids_file=folder / "pids.json")
        gateways = stack.enter_context(open_shop(plan))
        pids: dict[str, int] = json.loads((folder / "pids.json").read_text())
        places = [name for name in pids if name.startswith(f"{PROFILED}-")]
        # A profiler takes some seconds more to write down what it saw: customers come until the
        # last has ended.
        ended = threading.Event()
        coming = arrivals(plan.seed, rate_per_s, 60.0 * len(looks) + seconds * len(looks))
        load = threading.Thread(
            target=run_load, args=(takewhile(lambda _: not ended.is_set(), coming), gateways)
        )
        load.start()
        time.sleep(2)
        for names, number in looks:
            recordings += _look(names, number, places, pids, seconds, folder)
        ended.set()
        load.join()
    _write(out, recordings, seconds)
    told = {"faults": dict(plan.faults), "compute": plan.compute, "files": facts(out)}
    (out / "expected.json").write_text(json.dumps(told, indent=1) + "\n")
    (out / "README.md").write_text(_readme(plan, rate_per_s, seconds, recordings))
    left_out = f"; left out: {', '.join(missing)}" if missing else ""
    return f"{len(recordings)} recordings in {out}{left_out}"


def _present(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Give the recordings whose profiler is there, and those whose is not."""
    found: dict[bool, list[str]] = {True: [], False: []}
    for name in names:
        found[_path(COMMANDS[name].split()[0]) is not None].append(name)
    return found[True], found[False]


def _path(program: str) -> str | None:
    """Find a program beside the interpreter or on the path."""
    beside = Path(sys.executable).with_name(program)
    return str(beside) if beside.exists() else shutil.which(program)


def _look(
    names: Sequence[str],
    number: int,
    places: Sequence[str],
    pids: Mapping[str, int],
    seconds: int,
    folder: Path,
) -> Iterator[Recording]:
    """Run some profilers on every place at once, and give what each wrote."""
    running = []
    for name, place in product(names, places):
        stem, _, end = name.partition(".")
        file = folder / f"{place}.{stem}.{number}.{end}"
        values = {"pid": pids[place], "seconds": seconds, "rate": RATE_HERTZ, "file": file}
        program, _, rest = COMMANDS[name].partition(" ")
        command = f"{_path(program)} {rest.format(**values)}"
        running.append((name, place, file, command, datetime.now(UTC), _started(command)))
    for name, place, file, command, began, process in running:
        for tries_left in reversed(range(_TRIES)):
            done = process.wait(60 + 10 * seconds) == 0
            if done and file.exists() and file.stat().st_size:
                label = file.name.removeprefix(f"{place}.")
                yield Recording(label, place, COMMANDS[name], _plain(file.read_bytes()), began)
                break
            # perf gives up when a thread that it has listed ends before it attaches to it.
            if tries_left:
                began, process = datetime.now(UTC), _started(command)


def _started(command: str) -> subprocess.Popen[bytes]:
    """Start a profiler."""
    return subprocess.Popen(
        command, shell=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _readme(plan: Plan, rate_per_s: float, seconds: int, recordings: Sequence[Recording]) -> str:
    """Say where the recordings come from."""
    programs = dict.fromkeys(one.command.split()[0] for one in recordings)
    lines = [
        "# Recorded profiles of the shop's checkout",
        "",
        "Written by `data/shop.py profile`, together with `expected.json`; do not edit by hand.",
        "",
        "Real profilers looked at the checkout process of each version, by process id, while",
        f"customers came {rate_per_s:g} times a second. The shop mostly sleeps; for profilers each",
        f"checkout computes {plan.compute} rounds of `data/shop_compute.py` as well.",
        f"Version {plan.fault_version} has: {', '.join(plan.faults) or 'no fault'}.",
        "",
        f"- Recorded {min(one.began for one in recordings):%F %T} UTC, {seconds} s each",
        *(f"- {_version(program)}" for program in programs),
        "- Paths of the recording machine are replaced; nothing else is changed",
        "- Beside each file a sidecar says which instance it is of, when, and by which command",
        "",
        "`expected.json` holds what a plain walk over the files counts.",
    ]
    return "\n".join(lines) + "\n"


def _version(program: str) -> str:
    """Ask a profiler for its version."""
    done = subprocess.run(
        [str(_path(program)), "--version"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or program


def _plain(content: bytes) -> bytes:
    """Take this machine's own paths out of a recording."""
    for path, name in (
        (str(Path(__file__).resolve().parent), "/srv/shop"),
        (sys.prefix, "/srv/python"),
        (sys.base_prefix, "/usr/python"),
    ):
        content = content.replace(path.encode(), name.encode())
    return content


def _write(out: Path, recordings: Sequence[Recording], seconds: int) -> None:
    """Write recordings, a sidecar beside each, and a sidecar a version."""
    for version in VERSIONS:
        own = [one for one in recordings if one.place.startswith(f"{PROFILED}-{version}-")]
        folder = out / version
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        (folder / "tailgate-import.toml").write_text(
            f'service = "{PROFILED}"\n\n[attributes]\n"service.version" = "{version}"\n'
        )
        for one in own:
            file = folder / f"{one.place.rpartition('-')[2]}.{one.name}.gz"
            file.write_bytes(gzip.compress(one.content, mtime=0))
            (folder / f"{file.name}.tailgate.toml").write_text(
                f"# {one.command}\n"
                f"time = {one.began:%Y-%m-%dT%H:%M:%S.%fZ}\n"
                f"duration_seconds = {seconds}\nrate_hertz = {RATE_HERTZ}\n\n"
                f'[attributes]\n"service.instance.id" = "{one.place}"\n'
            )
