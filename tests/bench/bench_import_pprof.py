"""Reading pprof: 300,000 samples, from bytes to rows, against Python's protobuf on the same."""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from collectors.collector import Reading, Rows
from collectors.expand import Content
from collectors.origin import Origin
from collectors.pprof import PPROF
from measure import Measure, table

SAMPLES, STACKS, LOCATIONS, FUNCTIONS, THREADS, SPANS = 300_000, 60_000, 12_000, 4_000, 64, 20_000
NOON = 1_795_608_000_000_000_000
GOAL_SAMPLES, GOAL_MEGABYTES = 250_000, 20.0

_Proto = descriptor_pb2.FieldDescriptorProto
_NUMBER, _TEXT, _MESSAGE = _Proto.TYPE_INT64, _Proto.TYPE_BYTES, _Proto.TYPE_MESSAGE

# Fields of the messages, as far as the walk needs them: number, kind, whether they repeat.
FIELDS: dict[str, dict[str, tuple[int, Any, bool]]] = {
    "ValueType": {"type": (1, _NUMBER, False), "unit": (2, _NUMBER, False)},
    "Label": {"key": (1, _NUMBER, False), "str": (2, _NUMBER, False), "num": (3, _NUMBER, False)},
    "Sample": {
        "location_id": (1, _NUMBER, True),
        "value": (2, _NUMBER, True),
        "label": (3, "Label", True),
    },
    "Line": {"function_id": (1, _NUMBER, False), "line": (2, _NUMBER, False)},
    "Location": {"id": (1, _NUMBER, False), "line": (4, "Line", True)},
    "Function": {"id": (1, _NUMBER, False), "name": (2, _NUMBER, False)},
    "Profile": {
        "sample_type": (1, "ValueType", True),
        "sample": (2, "Sample", True),
        "location": (4, "Location", True),
        "function": (5, "Function", True),
        "string_table": (6, _TEXT, True),
        "time_nanos": (9, _NUMBER, False),
        "duration_nanos": (10, _NUMBER, False),
    },
}


def main() -> list[Measure]:
    """Measure on a file that is thrown away afterwards."""
    message = profile_class()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        path = Path(folder) / "profile.pb"
        data = written(message, np.random.default_rng(1))
        path.write_bytes(data)
        read, walk = [], []
        for _ in range(3):
            read.append(seconds(rows_of, path))
            walk.append(seconds(walked, message, data))
        megabytes = len(data) / 1e6
        peak = peak_bytes(path)
        ours, theirs = min(read), min(walk)
        against = f"a walk over protobuf objects, {theirs:.2f} s"
        ratio = theirs / ours
        rate = SAMPLES / ours
        return [
            Measure("pprof to rows", rate, "samples/s", against, ratio, GOAL_SAMPLES),
            Measure("pprof to rows", megabytes / ours, "MB/s", against, ratio, GOAL_MEGABYTES),
            Measure(
                "pprof to rows, peak", peak / len(data), "x input", "", None, 10, "value", True
            ),
            *against_go(path, ours),
        ]


def against_go(path: Path, ours: float) -> list[Measure]:
    """Measure go tool pprof on the same file, where there is one."""
    if not shutil.which("go"):
        return []
    took = []
    for _ in range(2):
        command = ["go", "tool", "pprof", "-symbolize=none", "-raw", str(path)]
        took.append(seconds(subprocess.run, command, stdout=subprocess.DEVNULL, check=True))
    against = f"go tool pprof -raw, {min(took):.2f} s"
    return [Measure("pprof to rows, against Go", ours, "s", against, min(took) / ours)]


def rows_of(path: Path) -> int:
    """Read a file to rows and count them."""
    with Content(path) as content:
        sha256 = content.sha256()
        origin = Origin({"service.name": "shop"})
        reading = Reading(lambda _: 0, origin, NOON, NOON, file=path.name, sha256=sha256)
        rows = 0
        for item in PPROF.read(content, reading):
            assert isinstance(item, Rows)
            rows += sum(each.num_rows for each in item.tables.values())
        return rows


def walked(message: Any, data: bytes) -> int:
    """Read the same through Python's protobuf, to values by stack and labels."""
    profile = message.FromString(data)
    names = {each.id: profile.string_table[each.name] for each in profile.function}
    functions = {
        each.id: [names[line.function_id] for line in each.line] for each in profile.location
    }
    rows = []
    for sample in profile.sample:
        stack = [name for place in sample.location_id for name in functions[place]]
        labels = {profile.string_table[each.key]: each.str or each.num for each in sample.label}
        rows += [(tuple(stack), labels, value) for value in sample.value if value]
    return len(rows)


def peak_bytes(path: Path) -> int:
    """Give what reading takes at most, in a process of its own."""
    command = [sys.executable, __file__, str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(told.stdout)


def tell_peak(path: Path) -> None:
    """Tell by how much reading a file raises this process's peak."""
    small = path.with_name("small.pb")
    message = profile_class()(string_table=[b"", b"samples", b"count"])
    message.sample_type.add(type=1, unit=2)
    small.write_bytes(message.SerializeToString())
    rows_of(small)
    before = highest_bytes()
    rows_of(path)
    print(highest_bytes() - before)


def highest_bytes() -> int:
    """Give the most that this process held so far."""
    # The kernel's other figure, ru_maxrss, begins with that of the parent.
    (line,) = (
        each
        for each in Path("/proc/self/status").read_text().splitlines()
        if each.startswith("VmHWM")
    )
    return 1024 * int(line.split()[1])


def profile_class() -> Any:
    """Make the class of profiles from its descriptor."""
    file = descriptor_pb2.FileDescriptorProto(name="bench.proto", package="b", syntax="proto3")
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for key, (number, kind, repeats) in fields.items():
            label = _Proto.LABEL_REPEATED if repeats else _Proto.LABEL_OPTIONAL
            field = message.field.add(name=key, number=number, label=label)
            field.type = _MESSAGE if isinstance(kind, str) else kind
            if isinstance(kind, str):
                field.type_name = f".b.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("b.Profile"))


def written(message: Any, random: np.random.Generator) -> bytes:
    """Write a profile: stacks of 5 to 39 frames, a thread, a span and an endpoint a sample."""
    profile = message(time_nanos=NOON, duration_nanos=30_000_000_000)
    strings = [b"", b"samples", b"count", b"cpu", b"nanoseconds", b"thread id", b"span_id", b"path"]
    profile.sample_type.add(type=1, unit=2)
    profile.sample_type.add(type=3, unit=4)
    for number in range(FUNCTIONS):
        profile.function.add(id=number + 1, name=len(strings))
        strings.append(b"package%d.function%d" % (number % 97, number))
    for number, line in enumerate(random.integers(1, 2000, LOCATIONS).tolist()):
        location = profile.location.add(id=number + 1)
        # Every tenth function is inlined in another.
        for step in range(1 + (number % 10 == 0)):
            location.line.add(function_id=(number + step) % FUNCTIONS + 1, line=line)
    stacks = [
        (random.zipf(1.3, depth) % LOCATIONS + 1).tolist()
        for depth in random.integers(5, 40, STACKS).tolist()
    ]
    spans, paths = len(strings), len(strings) + SPANS
    strings += [b"%016x" % (number + 1) for number in range(SPANS)]
    strings += [b"/path/%d" % number for number in range(50)]
    drawn = random.integers(0, [STACKS, THREADS, SPANS, 50, 8], (SAMPLES, 5)).tolist()
    for stack, thread, span, path, count in drawn:
        sample = profile.sample.add(
            location_id=stacks[stack], value=[count + 1, (count + 1) * 10_000_000]
        )
        sample.label.add(key=5, num=1000 + thread)
        sample.label.add(key=6, str=spans + span)
        sample.label.add(key=7, str=paths + path)
    profile.string_table.extend(strings)
    return bytes(profile.SerializeToString())


def seconds(function: Any, *arguments: Any, **named: Any) -> float:
    """Time one call."""
    started = time.monotonic()
    function(*arguments, **named)
    return time.monotonic() - started


if __name__ == "__main__":
    if len(sys.argv) > 1:
        tell_peak(Path(sys.argv[1]))
        sys.exit()
    print(table(main()))
    sys.exit()
