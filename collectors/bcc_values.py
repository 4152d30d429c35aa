"""Columns of text as numbers, times and maps, within the range of the lake's types."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.collector import Reading
from collectors.frames_and_stacks import Ints
from pipeline.schema import ATTRIBUTES

_DAY = 86_400_000_000_000
_CLOCK = r"^\[?(?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d)(?:[.,](?P<f>\d{1,9}))?\]?:?$"


def whole_numbers(texts: pa.Array) -> pa.Array:
    """Give texts as int64, NULL where one is no whole number or beyond 64 bits.

    >>> whole_numbers(pa.array(["7", "-1", "9223372036854775808", "x", None])).to_pylist()
    [7, -1, None, None, None]
    """
    short = pc.match_substring_regex(texts, r"^-?[0-9]{1,18}$")
    long = pc.match_substring_regex(texts, r"^-?[0-9]{19,40}$")
    numbers = pc.cast(pc.if_else(short, texts, pa.scalar(None, pa.string())), pa.int64())
    if not pc.any(long).as_py():
        return numbers
    encoded = pc.if_else(long, texts, pa.scalar(None, pa.string())).dictionary_encode()
    values = [int(text) for text in encoded.dictionary.to_pylist()]
    known = pa.array([v if -(2**63) <= v < 2**63 else None for v in values], pa.int64())
    return pc.coalesce(numbers, known.take(encoded.indices))


def decimals(texts: pa.Array) -> pa.Array:
    """Give texts as float64, NULL where one is no plain decimal number; a "%" behind is ignored.

    >>> decimals(pa.array(["1.5", "99.9%", "nan", "1e9"])).to_pylist()
    [1.5, 99.9, None, None]
    """
    plain = pc.ascii_rtrim(texts, characters="%")
    # Longer ones are beyond the precision of a float, and at 309 digits beyond its range.
    good = pc.match_substring_regex(plain, r"^-?[0-9]{1,40}(?:\.[0-9]{0,40})?$")
    return pc.cast(pc.if_else(good, plain, pa.scalar(None, pa.string())), pa.float64())


def scaled(texts: pa.Array, factor: int) -> pa.Array:
    """Give decimals times a factor as int64, NULL where that is none or out of range."""
    values = pc.multiply(decimals(texts), float(factor))
    fits = pc.less(pc.abs(values), float(2**63))
    kept = pc.if_else(fits, values, pa.scalar(None, pa.float64()))
    return pc.cast(pc.round(kept), pa.int64(), safe=False)


def entries(names: Sequence[str], columns: Sequence[pa.Array], count: int) -> pa.MapArray:
    """Give a map a row, of equally long columns in their order.

    >>> entries(["a", "b"], [pa.array(["1", "2"]), pa.array(["x", "y"])], 2).to_pylist()
    [[('a', '1'), ('b', 'x')], [('a', '2'), ('b', 'y')]]
    """
    width = len(names)
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * width)
    if not width or not count:
        empty = pa.array([], pa.string())
        return pa.MapArray.from_arrays(offsets, empty, empty).cast(ATTRIBUTES)
    keys = pa.array(list(names), pa.string()).take(pa.array(np.tile(np.arange(width), count)))
    return pa.MapArray.from_arrays(offsets, keys, interleaved(columns, count)).cast(ATTRIBUTES)


def interleaved(columns: Sequence[pa.Array], count: int) -> pa.Array:
    """Give the values of columns row by row, end to end."""
    flat = pa.concat_arrays([_plain(column) for column in columns])
    order = np.arange(len(columns) * count).reshape(len(columns), count).T.ravel()
    return flat.take(pa.array(order))


def _plain(column: pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


class Clock:
    """Gives printed times of day their date: the one nearest to the recording, then onwards.

    A tool prints the local time of its machine and no zone; it is taken as UTC.

    Attributes:
        base: when the recording was made, as far as is known, in ns.
    """

    def __init__(self, reading: Reading) -> None:
        self.base = reading.origin.time_unix_nano or reading.modified_unix_nano
        self._midnight: int | None = None
        self._last = 0

    def times(self, clocks: pa.Array) -> Ints:
        """Give n clock times ``HH:MM:SS`` as ns since the epoch; -1 where one is none."""
        parts = pc.extract_regex(clocks, _CLOCK)
        hours, minutes, seconds = (
            pc.cast(pc.struct_field(parts, name), pa.int64()) for name in ("h", "m", "s")
        )
        fraction = pc.utf8_rpad(pc.struct_field(parts, "f"), 9, "0")
        nanos = pc.cast(pc.if_else(pc.equal(fraction, "0" * 9), "0", fraction), pa.int64())
        whole = pc.add(pc.multiply(pc.add(pc.multiply(hours, 60), minutes), 60), seconds)
        of_day = pc.add(pc.multiply(whole, 1_000_000_000), nanos)
        result: Ints = np.full(len(clocks), -1, dtype=np.int64)
        known = np.asarray(pc.is_valid(of_day).to_numpy(zero_copy_only=False), dtype=np.bool_)
        if known.any():
            days = np.asarray(of_day.drop_null().to_numpy(zero_copy_only=False), dtype=np.int64)
            result[known] = self._dated(days)
        return result

    def _dated(self, of_day: Ints) -> Ints:
        """Add the day to times of day in the order they were printed."""
        if self._midnight is None:
            today = self.base - self.base % _DAY
            first = int(of_day[0])
            choices = (today, today - _DAY, today + _DAY)
            self._midnight = min(choices, key=lambda day: abs(day + first - self.base))
            self._last = first
        before = np.concatenate([[self._last], of_day[:-1]])
        step = of_day - before
        # Half a day back is midnight passed; half a day on is a late line from before it.
        passed = np.cumsum((step < -_DAY // 2).astype(np.int64) - (step > _DAY // 2))
        dated: Ints = self._midnight + passed * _DAY + of_day
        self._last = int(of_day[-1])
        self._midnight += int(passed[-1]) * _DAY
        return dated
