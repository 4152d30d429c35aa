"""A selection of profiles as speedscope's JSON: frames shared, a sampled profile a thread.

Source: www.speedscope.app/file-format-schema.json.
"""

import json
from collections import defaultdict
from typing import Any, BinaryIO

import pipeline
from pipeline.jobs.profile_selection import Selection

_SCHEMA = "https://www.speedscope.app/file-format-schema.json"
_UNITS = ("nanoseconds", "bytes")

Thread = tuple[str, str, int, int]


def write_speedscope(selection: Selection, out: BinaryIO) -> None:
    """Write a selection for speedscope, the busiest thread first.

    Stacks whose value is not positive are left out: a viewer cannot draw them.

    Args:
        selection: what is looked at first of it is written; threads apart where they are kept.
        out: where; it gets UTF-8.
    """
    ends = selection.depths.cumsum().tolist()
    starts = [0, *ends]
    places = selection.places.tolist()
    number, frames = _frames(selection)
    threads: dict[Thread, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    names = ["comm", "thread_name", "pid", "thread_id", "stack", "value"]
    for row in selection.first_rows().select(names).to_pylist():
        thread = (row["thread_name"] or "", row["comm"] or "", row["pid"], row["thread_id"])
        threads[thread][row["stack"]] += row["value"]
    unit = selection.sample_unit if selection.sample_unit in _UNITS else "none"
    profiles: list[dict[str, Any]] = []
    for thread, values in threads.items():
        kept = [(stack, value) for stack, value in sorted(values.items()) if value > 0]
        stacks = [
            [number[place] for place in reversed(places[starts[stack] : ends[stack]])]
            for stack, _ in kept
        ]
        weights = [value for _, value in kept]
        profiles.append(
            {
                "type": "sampled",
                "name": thread_name(thread) or selection.profile_type,
                "unit": unit,
                "startValue": 0,
                "endValue": sum(weights),
                "samples": stacks,
                "weights": weights,
            }
        )
    profiles.sort(key=lambda profile: (-profile["endValue"], profile["name"]))
    document = {
        "$schema": _SCHEMA,
        "exporter": f"tailgate@{pipeline.__version__}",
        "name": f"{selection.profile_type} ({selection.sample_type})",
        "activeProfileIndex": 0,
        "shared": {"frames": frames},
        "profiles": profiles,
    }
    out.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def thread_name(thread: Thread) -> str:
    """Name a thread for people; empty where nothing is known of it.

    Args:
        thread: its name, its command's name, its process and its number.

    >>> thread_name(("worker", "app", 3, 7)), thread_name(("", "app", 3, None))
    ('worker 3/7', 'app 3')
    """
    name, comm, pid, thread_id = thread
    number = "/".join(str(each) for each in (pid, thread_id) if each is not None)
    return " ".join(filter(None, (name or comm, number)))


def _frames(selection: Selection) -> tuple[list[int], list[dict[str, Any]]]:
    """Give the frames as speedscope has them, and the number of each of the selection's in it."""
    numbers: dict[tuple[Any, ...], int] = {}
    of_frame = []
    for row in selection.frames.select(["function", "file", "line", "column"]).to_pylist():
        key = (row["function"] or "[unknown]", row["file"], row["line"], row["column"])
        of_frame.append(numbers.setdefault(key, len(numbers)))
    names = ("name", "file", "line", "col")
    frames = [
        {name: value for name, value in zip(names, key, strict=True) if value is not None}
        for key in numbers
    ]
    return of_frame, frames
