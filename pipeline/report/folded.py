"""A selection of profiles as folded stacks: ``root;caller;leaf value`` a line.

Source: github.com/brendangregg/FlameGraph, stackcollapse-perf.pl.
"""

from collections import Counter
from typing import BinaryIO

from pipeline.jobs.profile_selection import Selection

# What FlameGraph's tools append to say what a frame is.
_SUFFIXES = {"kernel": "_[k]", "jit": "_[j]", "inlined": "_[i]"}

# A semicolon parts frames and a line feed stacks, so neither can stand in a name.
_PARTING = str.maketrans({";": ":", "\n": " ", "\r": " ", "\v": " ", "\f": " "})


def write_folded(selection: Selection, out: BinaryIO) -> None:
    """Write a selection as folded stacks, sorted by their text; values in the sample's unit.

    Stacks of no value are left out.

    Args:
        selection: what is looked at first of it is written.
        out: where; it gets UTF-8.
    """
    names = [
        frame_text(row["function"] or "", row["kind"])
        for row in selection.frames.select(["function", "kind"]).to_pylist()
    ]
    ends = selection.depths.cumsum().tolist()
    starts = [0, *ends]
    places = selection.places.tolist()
    totals: Counter[str] = Counter()
    rows = selection.first_rows().group_by("stack").aggregate([("value", "sum")])
    for stack, value in zip(rows["stack"].to_pylist(), rows["value_sum"].to_pylist(), strict=True):
        leaf_first = places[starts[stack] : ends[stack]]
        totals[";".join(names[place] for place in reversed(leaf_first))] += value
    for text, value in sorted(totals.items()):
        if value:
            out.write(f"{text} {value}\n".encode())


def frame_text(function: str, kind: str) -> str:
    """Write a frame so that it can stand in a folded line.

    >>> frame_text("operator new(a; b)", "native"), frame_text("do_syscall_64", "kernel")
    ('operator new(a: b)', 'do_syscall_64_[k]')
    """
    text = (function or "[unknown]").translate(_PARTING)
    suffix = _SUFFIXES.get(kind, "")
    return text if text.endswith(suffix) else text + suffix
