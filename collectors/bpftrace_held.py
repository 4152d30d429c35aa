"""Maps and histograms of a piece, held until it is known which of them were printed as totals.

A map that a program prints again and again and never clears repeats its totals: no count of it
falls from one print to the next. That is known when all prints have come, so rows wait here as
plain columns.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import repeat

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.bpftrace_batch import HistPrints, MapPrint
from collectors.bpftrace_keys import join_surplus, key_parts, unit_of_name
from collectors.bpftrace_repeats import repeats_totals
from collectors.bpftrace_values import read_values
from collectors.collector import Reading
from collectors.frames_and_stacks import Bools, Ints
from collectors.imported_rows import complete
from pipeline.schema import ATTRIBUTES, EBPF_COUNTS, EBPF_HISTOGRAMS

LOST = "lost"

# Of bounds that are plain numbers.
_PLAIN = "count"

# A key as printed; with a further one by name where a map has those.
Key = str | None | tuple[str | None, tuple[str, str]]


class Held:
    """Rows of ebpf_counts and ebpf_histograms that wait.

    Attributes:
        rows: how many.
    """

    def __init__(self, reading: Reading, separator: str, tool: str) -> None:
        self.rows = 0
        self._reading = reading
        self._separator = separator
        self._tool = tool
        self._arity: dict[str, int] = {}
        self._repeats: dict[str, bool] = {}
        self._clear()

    def _clear(self) -> None:
        self.rows = 0
        self._metrics: dict[str, int] = {}
        self._units: list[str | None] = []
        self._keys: list[dict[Key, int]] = []
        self._counts: list[tuple[Ints, ...]] = []
        self._doubles: list[pa.Array] = []
        self._buckets: list[tuple[Ints, ...]] = []
        self._bounds: list[tuple[pa.Array, pa.Array, pa.Array]] = []
        self._inclusive: list[Bools] = []

    def add_map(self, given: MapPrint, time_unix_nano: int, warnings: Counter[str]) -> list[int]:
        """Hold a map.

        Args:
            given: the map.
            time_unix_nano: when it was printed.
            warnings: gains what cannot be stored.

        Returns:
            Places of the values that are no numbers, and are not held.
        """
        values = read_values(given.values, warnings)
        metric = self._metric(given.metric, given.unit)
        keys: Sequence[Key] = given.keys or [None] * len(given.values)
        if given.extra:
            keys = list(zip(given.keys or repeat(None), given.extra, strict=False))
        if values.places is not None:
            keys = [keys[place] for place in values.places]
        codes = self._keys[metric]
        keyed = [codes.setdefault(key, len(codes)) for key in keys]
        count = len(keyed)
        times = np.full(count, time_unix_nano, dtype=np.int64)
        if given.times:
            slots = np.array(given.times, dtype=np.int64)
            slots = slots if values.places is None else slots[values.places]
            times = np.where(slots, slots, times)
        self._counts.append(
            (
                np.full(count, metric),
                np.array(keyed, dtype=np.int64),
                np.full(count, given.number),
                times,
            )
        )
        self._doubles.append((values.whole, values.double))
        self.rows += count
        return values.others

    def add_hists(self, given: HistPrints, times: Ints) -> None:
        """Hold histograms printed at n times."""
        metrics = [self._metric(name, None) for name in given.metrics]
        keys = [
            self._keys[metric].setdefault(key, len(self._keys[metric]))
            for metric, key in zip(metrics, given.keys, strict=True)
        ]
        sizes = np.array(given.sizes, dtype=np.int64)
        columns = (metrics, keys, given.numbers, times)
        self._buckets.append(
            tuple(np.repeat(np.asarray(column, dtype=np.int64), sizes) for column in columns)
        )
        self._bounds.append((given.lows, given.highs, given.counts))
        self._inclusive.append(given.inclusive)
        self.rows += int(sizes.sum())

    def take(self, warnings: Counter[str]) -> dict[str, pa.Table]:
        """Give the rows of both tables, and hold none any more."""
        spans = np.concatenate([[0], np.cumsum([len(keys) for keys in self._keys])]).astype(int)
        shown = [
            self._shown(name, keys) for name, keys in zip(self._metrics, self._keys, strict=True)
        ]
        maps = pa.array([pairs for metric in shown for pairs, _ in metric], ATTRIBUTES)
        lists = pa.array([parts for metric in shown for _, parts in metric], pa.list_(pa.string()))
        tables = {}
        for table, rows, complete_rows in (
            (EBPF_COUNTS, self._counts, self._count_columns),
            (EBPF_HISTOGRAMS, self._buckets, self._bucket_columns),
        ):
            if not rows:
                tables[table.name] = table.arrow_schema.empty_table()
                continue
            metric, key, number, times = (
                np.concatenate([each[i] for each in rows]).astype(np.int64) for i in range(4)
            )
            series = spans[metric] + key
            columns = complete_rows(metric, series, number)
            columns |= {
                "time_unix_nano": pa.array(times),
                "interval_nano": self._interval(metric, number),
                "tool": pa.repeat(self._tool, len(metric)),
                "metric": pa.array(list(self._metrics), pa.string()).take(pa.array(metric)),
                "keys": maps.take(pa.array(series)),
            }
            if table is EBPF_COUNTS:
                columns["key_list"] = lists.take(pa.array(series))
            origin = self._reading.origin.resource()
            tables[table.name] = complete(table, columns, self._reading, origin, warnings)
        self._clear()
        return tables

    def _metric(self, name: str, unit: str | None) -> int:
        """Give a metric's number."""
        number = self._metrics.setdefault(name, len(self._metrics))
        if number == len(self._keys):
            self._keys.append({})
            self._units.append(unit_of_name(name.partition(".")[0]) if unit is None else unit)
        return number

    def _shown(
        self, metric: str, keys: dict[Key, int]
    ) -> list[tuple[list[tuple[str, str]], list[str]]]:
        """Give a map's keys as pairs and as a list, told apart by how many the map has."""
        whole = [key if isinstance(key, tuple) else (key, None) for key in keys]
        cut = [[] if key is None else key_parts(key, self._separator) for key, _ in whole]
        least = min((len(parts) for parts in cut if parts), default=1)
        arity = self._arity[metric] = min(least, self._arity.get(metric, least))
        found = []
        for parts, (_, extra) in zip(cut, whole, strict=True):
            told = join_surplus(parts, arity, self._separator)
            pairs = [(f"key{number}", part) for number, part in enumerate(told)]
            found.append((pairs + ([extra] if extra else []), told))
        return found

    def _count_columns(self, metric: Ints, series: Ints, number: Ints) -> dict[str, pa.Array]:
        """Give the columns that only ebpf_counts has."""
        whole = pa.concat_arrays([each for each, _ in self._doubles])
        double = pa.concat_arrays([each for _, each in self._doubles])
        figures = pc.coalesce(double, whole.cast(pa.float64(), safe=False)).to_numpy()
        units = pa.array([unit or None for unit in self._units], pa.string())
        return {
            "unit": units.take(pa.array(metric)),
            "value_int": whole,
            "value_double": double,
            "is_cumulative": self._cumulative(metric, series, number, figures),
        }

    def _bucket_columns(self, metric: Ints, series: Ints, number: Ints) -> dict[str, pa.Array]:
        """Give the columns that only ebpf_histograms has."""
        lows, highs, counts = (
            pa.concat_arrays([each[i] for each in self._bounds]) for i in range(3)
        )
        plain = self._reading.origin.unit or _PLAIN
        units = pa.array([unit or plain for unit in self._units], pa.string())
        many = counts.to_numpy()
        # Buckets without a count come and go at the ends.
        filled = many > 0
        floor = pc.fill_null(lows, -(2**63)).to_numpy()
        # A series here is one bucket of one histogram.
        pairs = np.stack([series, floor], axis=1)
        order = np.lexsort((floor, series))
        steps = np.any(pairs[order][1:] != pairs[order][:-1], axis=1)
        bucket = np.empty(len(series), dtype=np.int64)
        bucket[order] = np.concatenate([[0], np.cumsum(steps)])
        return {
            "unit": units.take(pa.array(metric)),
            "bucket_low": lows,
            "bucket_high": highs,
            "high_inclusive": pa.array(np.concatenate(self._inclusive)),
            "count": counts,
            "is_cumulative": self._cumulative(
                metric, bucket, number, many.astype(np.float64), filled
            ),
        }

    def _cumulative(
        self,
        metric: Ints,
        series: Ints,
        number: Ints,
        figures: "np.ndarray[tuple[int], np.dtype[np.float64]]",
        filled: Bools | None = None,
    ) -> pa.Array:
        """Tell of each row whether its map was printed as totals."""
        chosen = slice(None) if filled is None else filled
        found = repeats_totals(metric[chosen], series[chosen], number[chosen], figures[chosen])
        names = list(self._metrics)
        for place, repeats in found.items():
            # What was cleared once is no total later on.
            self._repeats[names[place]] = repeats and self._repeats.get(names[place], True)
        told = np.array([name != LOST and self._repeats.get(name, False) for name in names])
        return pa.array(told[metric])

    def _interval(self, metric: Ints, number: Ints) -> pa.Array:
        """Give what a print is over: the recording, where it is the only one of its map."""
        lasted = self._reading.origin.duration_nano
        last = np.zeros(len(self._metrics), dtype=np.int64)
        np.maximum.at(last, metric, number)
        return pa.array(np.full(len(metric), lasted), mask=(last[metric] > 1) | (lasted == 0))
