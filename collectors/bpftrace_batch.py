"""What a part of bpftrace's output says, whichever form it was printed in."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from collectors.frames_and_stacks import Bools


@dataclass(frozen=True)
class MapPrint:
    """A map, or a part of one, that was printed.

    Attributes:
        line: where in the file.
        number: of the print; parts of one have the same.
        metric: the map's name, with what of its values it is where there are several.
        keys: joined as printed; None for a map without.
        values: one a key: numbers, or text of numbers.
        extra: further keys by name, one tuple a value: the slot of a time series.
        unit: of the values; None for that of the map's name.
        times: of the values in Unix nanoseconds; 0 for unknown, empty for none known.
    """

    line: int
    number: int
    metric: str
    keys: Sequence[str] | None
    values: Sequence[object]
    extra: Sequence[tuple[str, str]] = ()
    unit: str | None = None
    times: Sequence[int] = ()


@dataclass(frozen=True)
class HistPrints:
    """Histograms that were printed: n of them, m buckets in all.

    Attributes:
        lines, numbers, metrics: n of each, as of ``MapPrint``.
        keys: n keys, joined; None for a map without.
        sizes: n numbers of buckets.
        lows, highs, counts: m of each as int64; an open end is NULL.
        inclusive: m flags, whether the bound above is in the bucket.
    """

    lines: Sequence[int]
    numbers: Sequence[int]
    metrics: Sequence[str]
    keys: Sequence[str | None]
    sizes: Sequence[int]
    lows: pa.Array
    highs: pa.Array
    counts: pa.Array
    inclusive: Bools


@dataclass(frozen=True)
class Events:
    """Events of one kind.

    Attributes:
        event: which.
        lines: n places in the file.
        texts: n texts as printed.
        fields: n times what is known by name; None for nothing.
    """

    event: str
    lines: Sequence[int]
    texts: pa.Array
    fields: Sequence[Sequence[tuple[str, str]]] | None = None


@dataclass
class Batch:
    """All that a part says.

    Attributes:
        maps, hists, events: what was printed.
        clocks: line and text of each time of day.
        lost: line and number of lost events.
        rejects: line and reason of what cannot be read.
        messages: objects or lines that could be.
        warnings: what was repaired or dropped, by reason.
    """

    maps: list[MapPrint] = field(default_factory=list)
    hists: list[HistPrints] = field(default_factory=list)
    events: list[Events] = field(default_factory=list)
    clocks: list[tuple[int, str]] = field(default_factory=list)
    lost: list[tuple[int, int]] = field(default_factory=list)
    rejects: list[tuple[int, str]] = field(default_factory=list)
    messages: int = 0
    warnings: Counter[str] = field(default_factory=Counter)


STATS = ("count", "average", "total")


def stats_prints(
    line: int,
    number: int,
    metric: str,
    keys: Sequence[str] | None,
    values: Sequence[Sequence[object]],
) -> list[MapPrint]:
    """Give stats as three maps: @x.count, @x.average and @x.total.

    Args:
        line, number, metric, keys: see ``MapPrint``.
        values: for each key its count, average and total.
    """
    columns = zip(*values, strict=True)
    return [
        MapPrint(
            line, number, f"{metric}.{name}", keys, column, unit="" if name == "count" else None
        )
        for name, column in zip(STATS, columns, strict=False)
    ]
