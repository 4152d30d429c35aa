"""One object of bpftrace's JSON, by its type."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from collectors.bpftrace_batch import STATS, Batch, Events, HistPrints, MapPrint, stats_prints

# Types whose data is an event and nothing more.
EVENT_TYPES = ("attached_probes", "printf", "time", "cat", "join", "syscall", "value")
MAP_TYPES = ("map", "hist", "lhist", "stats", "tseries")
COMPLAINT_TYPES = ("errorf", "warnf", "helper_error", "runtime_error")
# What bpftrace says of its own tests.
SKIPPED_TYPES = ("test_result", "benchmark_result")
TYPES = (*EVENT_TYPES, *MAP_TYPES, *COMPLAINT_TYPES, *SKIPPED_TYPES, "lost_events")

_SLOT_TIME = "%Y-%m-%d %H:%M:%S"
_YEAR_2000_NANO = 946_684_800_000_000_000
_SECOND = 1_000_000_000
_INT64 = (-(2**63), 2**63 - 1)


class StrangeObjectError(Exception):
    """An object that is none of bpftrace's."""


class Repeated(dict[str, Any]):
    """An object with equal names: different stacks may print alike, and each of them counts."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self._pairs = pairs

    def items(self) -> Any:
        """Give all pairs."""
        return self._pairs


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its pairs."""
    found = dict(pairs)
    return found if len(found) == len(pairs) else Repeated(pairs)


# What printf printed may hold any character as it is.
DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_object)


def decode(text: str) -> object:
    """Read a JSON document.

    Raises:
        ValueError: it is none.
    """
    try:
        return DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


class Prints:
    """Numbers the prints of each map."""

    def __init__(self) -> None:
        self._last: Counter[str] = Counter()

    def begin(self, metric: str) -> int:
        """Give the number of another print of a map, from 1."""
        self._last[metric] += 1
        return self._last[metric]


def keyed(data: object) -> Iterator[tuple[str | None, Any]]:
    """Give a map's values by key; one without keys has the key None."""
    if isinstance(data, dict):
        yield from data.items()
    else:
        yield None, data


def add_object(batch: Batch, given: object, line: int, prints: Prints) -> None:
    """Add what an object says to a batch.

    Args:
        batch: what is said so far.
        given: the object.
        line: where it stands.
        prints: gives each print of a map its number.

    Raises:
        StrangeObjectError: it is none of bpftrace's, or not all of it can be read.
    """
    if not isinstance(given, dict) or not isinstance(given.get("type"), str):
        raise StrangeObjectError("not an object with a type")
    kind, data = given["type"], given.get("data")
    if kind in COMPLAINT_TYPES:
        batch.warnings[kind] += 1
    elif kind in SKIPPED_TYPES:
        batch.warnings[f"skipped_{kind}"] += 1
    elif kind == "lost_events":
        batch.lost.append((line, _lost(data)))
    elif kind in MAP_TYPES:
        if not isinstance(data, dict) or not all(name.startswith("@") for name in data):
            raise StrangeObjectError(f"{kind}: its data is no map")
        add = {"map": _add_map, "stats": _add_stats, "tseries": _add_series}.get(kind, _add_hist)
        # Read as a whole, so that a bad object leaves nothing.
        own = Batch()
        for metric, values in data.items():
            add(own, as_text(metric), values, line, prints)
        batch.maps += own.maps
        batch.hists += own.hists
    else:
        batch.warnings["unknown_type"] += kind not in EVENT_TYPES
        _add_event(batch, as_text(kind), data, line)


def _lost(data: object) -> int:
    """Give how many events were lost."""
    for name in ("events", "count"):
        number = data.get(name) if isinstance(data, dict) else None
        if isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= _INT64[1]:
            return number
    raise StrangeObjectError("lost_events: no number of events")


def _add_event(batch: Batch, kind: str, data: object, line: int) -> None:
    """Add an event."""
    if kind == "time" and isinstance(data, str):
        batch.clocks.append((line, data))
    fields = []
    if isinstance(data, dict):
        fields = [(as_text(name), as_text(value)) for name, value in data.items()]
    text = None if data is None else as_text(data).removesuffix("\n")
    batch.events.append(Events(kind, [line], pa.array([text], pa.string()), [fields]))


def as_text(value: object) -> str:
    """Give a value as text: strings as they are, all else as JSON."""
    if isinstance(value, str):
        # Half of a surrogate pair cannot be stored.
        return value.encode("utf-8", "replace").decode()
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()


def _texts(names: list[str]) -> list[str]:
    """Give names as they can be stored; nearly always that is as they are."""
    try:
        "".join(names).encode()
    except UnicodeEncodeError:
        return [as_text(name) for name in names]
    return names


def _add_map(batch: Batch, metric: str, values: object, line: int, prints: Prints) -> None:
    """Add a map: one value, or one a key."""
    if isinstance(values, dict):
        pairs = list(values.items())
        keys: list[str] | None = _texts([key for key, _ in pairs])
        found = [value for _, value in pairs]
    else:
        keys, found = None, [values]
    batch.maps.append(MapPrint(line, prints.begin(metric), metric, keys, found))


def _add_stats(batch: Batch, metric: str, values: object, line: int, prints: Prints) -> None:
    """Add stats: count, average and total, or as avg() wrote before, the average alone."""
    if not isinstance(values, dict) or not _is_keyed_by_key(values):
        pairs: list[tuple[str | None, Any]] = [(None, values)]
    else:
        pairs = [(as_text(key), value) for key, value in values.items()]
    whole = [pair for pair in pairs if isinstance(pair[1], dict)]
    bare = [pair for pair in pairs if not isinstance(pair[1], dict)]
    number = prints.begin(metric)
    if bare:
        keys = _keys(bare)
        batch.maps.append(MapPrint(line, number, metric, keys, [value for _, value in bare]))
    if whole:
        figures = [[value.get(name) for name in STATS] for _, value in whole]
        batch.maps += stats_prints(line, number, metric, _keys(whole), figures)


def _is_keyed_by_key(values: dict[str, Any]) -> bool:
    """Tell whether these are the stats of keys, and not the figures of one."""
    return set(values) != set(STATS) or any(isinstance(each, dict) for each in values.values())


def _keys(pairs: Sequence[tuple[str | None, Any]]) -> list[str] | None:
    keys = [key for key, _ in pairs if key is not None]
    return keys if len(keys) == len(pairs) else None


def _add_hist(batch: Batch, metric: str, values: object, line: int, prints: Prints) -> None:
    """Add histograms."""
    number = prints.begin(metric)
    keys: list[str | None] = []
    sizes: list[int] = []
    buckets: list[dict[str, Any]] = []
    for key, found in keyed(values):
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise StrangeObjectError(f"{metric}: not a list of buckets")
        keys.append(None if key is None else as_text(key))
        sizes.append(len(found))
        buckets += found
    columns = [
        [_whole(metric, each.get(name)) for each in buckets] for name in ("min", "max", "count")
    ]
    if any(count is None or count < 0 for count in columns[2]):
        raise StrangeObjectError(f"{metric}: a bucket without a count")
    lows, highs, counts = (pa.array(column, pa.int64()) for column in columns)
    many = len(keys)
    printed = ([line] * many, [number] * many, [metric] * many, keys, sizes)
    inclusive = np.ones(len(buckets), dtype=np.bool_)
    batch.hists.append(HistPrints(*printed, lows, highs, counts, inclusive))


def _whole(metric: str, value: object) -> int | None:
    """Give a whole number of 64 bits, which may be quoted; None for none."""
    if value is None:
        return None
    number = whole_number(value)
    if number is None or not _INT64[0] <= number <= _INT64[1]:
        raise StrangeObjectError(f"{metric}: a bucket that is not in whole numbers of 64 bits")
    return number


def whole_number(value: object) -> int | None:
    """Give a whole number, which may be quoted; None if it is none.

    >>> whole_number("-7"), whole_number(7.5), whole_number(True)
    (-7, None, None)
    """
    if isinstance(value, int):
        return None if isinstance(value, bool) else value
    # Longer is no number of bpftrace's, and Python would not read it.
    if isinstance(value, str) and len(value) <= 24 and value.isascii():
        digits = value[1:] if value.startswith("-") else value
        return int(value) if digits.isdigit() else None
    return None


def _add_series(batch: Batch, metric: str, values: object, line: int, prints: Prints) -> None:
    """Add a time series: a value a slot."""
    number = prints.begin(metric)
    for key, slots in keyed(values):
        if not isinstance(slots, list) or not all(isinstance(each, dict) for each in slots):
            raise StrangeObjectError(f"{metric}: not a list of slots")
        starts = [as_text(each.get("interval_start", "")) for each in slots]
        batch.maps.append(
            MapPrint(
                line,
                number,
                metric,
                None if key is None else [as_text(key)] * len(slots),
                [each.get("value") for each in slots],
                [("interval_start", start) for start in starts],
                times=[slot_time(start) for start in starts],
            )
        )


def slot_time(text: str) -> int:
    """Give a slot's time; 0 where it is none of this age, as from the boot of a machine.

    >>> slot_time("2026-11-25 12:00:00.5"), slot_time("1970-01-01 00:00:01.000")
    (1795608000500000000, 0)
    """
    whole, _, fraction = text.partition(".")
    try:
        when = datetime.strptime(whole, _SLOT_TIME).replace(tzinfo=UTC)
    except ValueError:
        return 0
    part = fraction[:9].ljust(9, "0")
    nano = int(when.timestamp()) * _SECOND + (int(part) if part.isascii() and part.isdigit() else 0)
    return nano if _YEAR_2000_NANO <= nano <= _INT64[1] else 0
