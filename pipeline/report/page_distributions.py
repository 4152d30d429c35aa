"""Two distributions drawn over each other: cumulative, the tail of it, and as histograms."""

import math
from itertools import pairwise

import numpy as np

from pipeline.jobs.judge_pictures import QUANTILES, Picture, SidePicture
from pipeline.report.page_axes import (
    LEFT,
    RIGHT,
    SIDE_CLASSES,
    SIDES,
    WIDTH,
    Axis,
    Frame,
    chart,
    line,
    number,
)
from pipeline.report.text import significant
from pipeline.stats.cells import WIDTH as BUCKET_LOG_WIDTH
from pipeline.stats.cells import Floats

_HEIGHT = 236
_TOP, _BOTTOM = 46, _HEIGHT - 36
_NANO_A_MILLI = 1e6

# The lowest thousandth is mostly what failed at once; it would only push the rest together.
_LEAST_SHARE = 0.001
_MOST_POINTS = 72
_BARS = 36
_PER_CENT = 100.0

# Narrower than this, two labels would stand on each other.
_LABEL = 26

_DURATION = "duration, ms (log scale)"


def distributions(picture: Picture) -> str:
    """Draw both sides' requests by duration, three ways."""
    x = _durations(picture)
    return _cumulative(picture, x) + _tail(picture, x) + _histogram(picture, x)


def _durations(picture: Picture) -> Axis:
    """Give the axis of durations that all three share, in ms."""
    low, high = math.inf, 0.0
    for side in picture.sides:
        if not side.counts.any():
            continue
        rising = np.cumsum(side.counts)
        first = int(np.searchsorted(rising, _LEAST_SHARE * rising[-1], side="right"))
        last = int(np.flatnonzero(side.counts)[-1])
        low = min(low, _milliseconds(picture.low_bucket + first))
        high = max(high, _milliseconds(picture.low_bucket + last + 1))
    # One bucket alone would have no width to be drawn in.
    return Axis(low / 1.02, high * 1.02, LEFT, WIDTH - RIGHT, logarithmic=True)


def _milliseconds(bucket: float) -> float:
    """Give the lower bound of a bucket."""
    return math.exp(bucket * BUCKET_LOG_WIDTH) / _NANO_A_MILLI


def _bounds(picture: Picture) -> Floats:
    """Give the k + 1 bounds of the buckets, in ms."""
    buckets = picture.low_bucket + np.arange(len(picture.sides[0].counts) + 1)
    bounds: Floats = np.exp(buckets * BUCKET_LOG_WIDTH) / _NANO_A_MILLI
    return bounds


def _curve(picture: Picture, side: SidePicture, x: Axis, shares: Floats) -> Floats:
    """Give a share at each of the bounds, NaN where the axis does not reach; thinned out."""
    bounds = _bounds(picture)
    seen = np.flatnonzero((bounds >= x.low) & (bounds <= x.high))
    chosen = seen[np.unique(np.linspace(0, len(seen) - 1, _MOST_POINTS).round().astype(int))]
    return np.stack([bounds[chosen], shares[chosen]])


def _below(side: SidePicture) -> Floats:
    """Give the share of requests below each of the k + 1 bounds."""
    rising = np.concatenate([[0.0], np.cumsum(side.counts)])
    shares: Floats = rising / rising[-1]
    return shares


def _cumulative(picture: Picture, x: Axis) -> str:
    """Draw the share of requests that took at most so long."""
    y = Axis(0, _PER_CENT, _BOTTOM, _TOP)
    parts = [Frame(x, y, _DURATION, "").drawn(), _caption("% of requests at most so long")]
    parts += _marks(picture, x)
    for side, letter in _drawable(picture):
        xs, ys = _curve(picture, side, x, _PER_CENT * _below(side))
        parts.append(f'<path class="l {letter}" d="{line(x.place(xs), y.place(ys))}"/>')
    return chart("Cumulative distribution (ECDF)", _about(picture), _HEIGHT, parts)


def _tail(picture: Picture, x: Axis) -> str:
    """Draw the share of requests that took longer, so that the last per cent is seen."""
    largest = max(side.counts.sum() for side in picture.sides)
    low = max(0.5 * _PER_CENT / largest, 0.001)
    y = Axis(low, _PER_CENT, _BOTTOM, _TOP, logarithmic=True)
    wanted = [(each, f"{each:g}") for each in (100, 10, 1, 0.1, 0.01, 0.001) if each >= low]
    parts = [Frame(x, y, _DURATION, "", y_ticks=wanted).drawn()]
    parts.append(_caption("% of requests that took longer (log scale)"))
    parts += _marks(picture, x)
    for side, letter in _drawable(picture):
        above = _PER_CENT * (1 - _below(side))
        above[above < low] = np.nan
        xs, ys = _curve(picture, side, x, above)
        parts.append(f'<path class="l {letter}" d="{line(x.place(xs), y.place(ys))}"/>')
    return chart("Tail", _about(picture), _HEIGHT, parts)


def _histogram(picture: Picture, x: Axis) -> str:
    """Draw the share of requests in each of a number of ranges."""
    bounds, shares = _bars(picture, x)
    y = Axis(0, _PER_CENT * float(shares.max()) * 1.05, _BOTTOM, _TOP)
    parts = [Frame(x, y, _DURATION, "").drawn(), _caption("% of requests in each range")]
    parts += _marks(picture, x)
    places = x.place(bounds)
    for (side, letter), own in zip(_sides(picture), shares, strict=True):
        if side.counts.any():
            tops = y.place(_PER_CENT * own)
            steps = "".join(
                f"V{number(top)}H{number(right)}"
                for top, right in zip(tops, places[1:], strict=True)
            )
            shape = f"M{number(places[0])} {_BOTTOM}{steps}V{_BOTTOM}"
            parts.append(f'<path class="f {letter}" d="{shape}"/>')
    for bar, (left, right) in enumerate(pairwise(places)):
        of = [f"{name} {_PER_CENT * shares[row, bar]:.3g} %" for row, name in enumerate(SIDES)]
        span = f"{significant(bounds[bar], 3)}–{significant(bounds[bar + 1], 3)} ms"
        parts.append(
            f'<path class="h" d="M{number(left)} {_TOP}H{number(right)}V{_BOTTOM}H{number(left)}">'
            f"<title>{span}: {', '.join(of)}</title></path>"
        )
    return chart("Histogram", _about(picture), _HEIGHT, parts)


def _bars(picture: Picture, x: Axis) -> tuple[Floats, Floats]:
    """Give n + 1 bounds in ms of ranges of whole buckets, and both sides' shares in them, 2 x n."""
    bounds = _bounds(picture)
    first = int(np.searchsorted(bounds, x.low))
    count = int(np.searchsorted(bounds, x.high, side="right")) - 1 - first
    width = -(-count // _BARS)
    starts = np.arange(first, first + count, width)
    shares = []
    for side in picture.sides:
        total = side.counts.sum() or 1.0
        shares.append(np.add.reduceat(side.counts[: first + count], starts) / total)
    ends = bounds[np.append(starts, first + count)]
    return ends, np.stack(shares)


def _sides(picture: Picture) -> list[tuple[SidePicture, str]]:
    return list(zip(picture.sides, SIDE_CLASSES, strict=True))


def _drawable(picture: Picture) -> list[tuple[SidePicture, str]]:
    """Give the sides that have something to draw."""
    return [each for each in _sides(picture) if each[0].counts.any()]


def _marks(picture: Picture, x: Axis) -> list[str]:
    """Draw where the quantiles of each side lie: the baseline's names above the canary's."""
    parts = []
    for row, ((side, letter), name) in enumerate(zip(_sides(picture), SIDES, strict=True)):
        if not side.counts.any():
            continue
        last = -math.inf
        # From the tail down: where there is no room, the tail keeps its name.
        names = []
        places = [x.at(value) for value in np.exp(side.log_quantiles) / _NANO_A_MILLI]
        for p, place, log in reversed(
            list(zip(QUANTILES, places, side.log_quantiles.tolist(), strict=True))
        ):
            value = significant(math.exp(log) / _NANO_A_MILLI)
            about = f"<title>p{_PER_CENT * p:g} {name}: {value} ms</title>"
            parts.append(
                f'<path class="q {letter}" d="M{number(place)} {_TOP - 3 - 4 * (1 - row)}'
                f'V{_BOTTOM}">{about}</path>'
            )
            if last == -math.inf or last - place >= _LABEL:
                anchor = ' class="e' if place > WIDTH - _LABEL else ' class="m'
                names.append(
                    f'<text x="{number(place)}" y="{_TOP - 18 + 11 * row}"{anchor} k {letter}">'
                    f"p{_PER_CENT * p:g}</text>"
                )
                last = place
        parts += names
    return parts


def _caption(text: str) -> str:
    """Write what the upright axis shows, above the names of the quantiles."""
    return f'<text x="{LEFT}" y="12" class="t">{text}</text>'


def _about(picture: Picture) -> str:
    """Say in words what the charts show."""
    told = []
    for (side, _), name in zip(_sides(picture), SIDES, strict=True):
        values = [
            f"p{_PER_CENT * p:g} {significant(math.exp(log) / _NANO_A_MILLI)} ms"
            for p, log in zip(QUANTILES, side.log_quantiles.tolist(), strict=True)
            if not math.isnan(log)
        ]
        told.append(f"{name}: {', '.join(values) or 'no durations'}")
    return "; ".join(told)
