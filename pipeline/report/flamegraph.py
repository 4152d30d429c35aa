"""What a flame graph shows: its tree, its heading and its functions, whatever it is drawn as."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import pipeline
from pipeline.errors import NotEnoughData
from pipeline.jobs.profile_selection import Selection
from pipeline.report.flame_functions import Function, functions_of
from pipeline.report.flame_tree import Tree, build_tree, stacks_of

# A frame of a ten-thousandth is a tenth of a pixel on a wide screen: seen only after zooming in.
LEAST_SHARE = 0.0001

# What a browser lays out and searches without a pause, in a page of a few megabytes.
MOST_NODES = 60_000

_SECOND_NANO = 1_000_000_000
_UNITS = {
    "nanoseconds": ((60e9, "min"), (1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")),
    "bytes": ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")),
}


@dataclass(frozen=True)
class FlameGraph:
    """A flame graph, ready to be drawn.

    Attributes:
        title: what it is of.
        facts: name and text of what is known of it, in the order they are read.
        baseline_facts: the same of what it is compared with; empty for nothing.
        notes: what a reader should know, a sentence each.
        unit: of the values.
        tree: the call paths.
        functions: all functions, by name.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    baseline_facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    unit: str
    tree: Tree
    functions: list[Function]

    @property
    def compared(self) -> bool:
        """Tell whether it shows a difference."""
        return bool(self.baseline_facts)


def make_flamegraph(
    selection: Selection,
    baseline: Selection | None = None,
    least_share: float = LEAST_SHARE,
    most_nodes: int = MOST_NODES,
) -> FlameGraph:
    """Make the flame graph of a selection, or of its difference to a baseline.

    Args:
        selection: whose values are the widths.
        baseline: what its shares are compared with.
        least_share: of the total that a frame must have taken to be drawn, from 0 to 1.
        most_nodes: frames drawn at most.

    Raises:
        NotEnoughData: no value of the selection is above 0.
    """
    stacks = stacks_of(selection, baseline)
    tree = build_tree(stacks, least_share, most_nodes)
    if tree.totals[0] <= 0 or (baseline is not None and tree.totals[1] <= 0):
        raise NotEnoughData("no value is above 0, so there is nothing to draw")
    notes = list(dict.fromkeys([*selection.notes, *(baseline.notes if baseline else ())]))
    if tree.hidden:
        smallest = f"{100 * tree.least / tree.totals[0]:.2g} %"
        notes.append(f"{tree.hidden:,} frames below {smallest} of the total are not drawn")
    if stacks.negative:
        notes.append(f"{stacks.negative:,} stacks with values below 0 count as 0")
    title = f"Flame graph: {selection.profile_type} of {_whose(selection)}"
    if baseline is not None:
        title += f" against {_whose(baseline)}"
    return FlameGraph(
        title,
        (*_facts(selection), ("tailgate", pipeline.__version__)),
        tuple(_facts(baseline)) if baseline is not None else (),
        tuple(notes),
        selection.sample_unit,
        tree,
        functions_of(stacks),
    )


def human(value: float, unit: str) -> str:
    """Write a value with a unit that keeps it short.

    >>> human(1_500_000, "nanoseconds"), human(2048, "bytes"), human(12345, "count")
    ('1.5 ms', '2 KiB', '12,345')
    """
    for size, name in _UNITS.get(unit, ()):
        if abs(value) >= size or size == 1:
            number = value / size
            return f"{number:.3g} {name}" if abs(number) < 1000 else f"{number:,.0f} {name}"
    return f"{value:,.0f}" + ("" if unit in ("count", "") else f" {unit}")


def percent(share: float) -> str:
    """Write a share in percent.

    >>> percent(0.12345), percent(1)
    ('12.35 %', '100.00 %')
    """
    return f"{100 * share:.2f} %"


def _whose(selection: Selection) -> str:
    """Name the services of a selection, with their versions."""
    versions: dict[str, list[str]] = {}
    for service, version in _pairs(selection):
        versions.setdefault(service, []).extend([version] if version else [])
    return _some([f"{service} {_some(each)}".strip() for service, each in versions.items()])


def _some(texts: Sequence[str]) -> str:
    """Name a few, and how many more there are."""
    more = len(texts) - 3
    return ", ".join(texts[:3]) + (f" and {more} more" if more > 0 else "")


def _pairs(selection: Selection) -> list[tuple[str, str]]:
    rows = selection.profiles.select(["service_name", "service_version"]).to_pylist()
    return sorted({(row["service_name"], row["service_version"] or "") for row in rows})


def _facts(selection: Selection) -> list[tuple[str, str]]:
    """Say what a selection is of."""
    rows = selection.profiles.select(["time_unix_nano", "duration_nano"]).to_pylist()
    first = min((row["time_unix_nano"] for row in rows), default=0)
    last = max((row["time_unix_nano"] + (row["duration_nano"] or 0) for row in rows), default=0)
    versions = [version for _, version in _pairs(selection) if version]
    facts = [("service", _some(sorted({service for service, _ in _pairs(selection)})))]
    facts += [("version", _some(sorted(set(versions))))] if versions else []
    facts += [
        ("window", f"{_time(first)} to {_time(last)}" if last > first else _time(first)),
        ("profiles", f"{selection.profiles.num_rows:,}"),
        ("type", f"{selection.profile_type} ({selection.sample_type}, {selection.sample_unit})"),
        ("total", human(selection.total, selection.sample_unit)),
    ]
    filters = [f"{key}={value}" for key, value in selection.request.where]
    return [*facts, ("filters", ", ".join(filters))] if filters else facts


def _time(unix_nano: int) -> str:
    """Write a time in UTC, to the second.

    >>> _time(1_795_608_000_000_000_000)
    '2026-11-25 12:00:00Z'
    """
    moment = datetime.datetime.fromtimestamp(unix_nano // _SECOND_NANO, datetime.UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"
