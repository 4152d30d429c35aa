"""Axes and the frame that charts of a page are drawn in: SVG made here, coloured by the page."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipeline.report.visible import escaped
from pipeline.stats.cells import Floats

# Of every chart, in its own units, which are about a pixel where it is shown.
WIDTH = 380
LEFT, RIGHT = 46, 10

SIDES = ("baseline", "canary")

# Classes of the page's style: b for the baseline, c for the canary.
SIDE_CLASSES = ("b", "c")

_FEW_DECADES = 2.5
_LEAST_TICKS = 3


@dataclass(frozen=True)
class Axis:
    """Where values stand.

    Attributes:
        low, high: values at the ends; both above zero on a logarithmic axis.
        start, end: where these stand, in the chart's units.
        logarithmic: whether equal ratios are equal distances.
        most_ticks: about how many there is room for.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False
    most_ticks: int = 5

    def place(self, values: ArrayLike) -> Floats:
        """Give where values stand; those beyond the ends stand at the ends, NaN stays."""
        found = np.asarray(values, dtype=np.float64)
        low, high = self.low, self.high
        if self.logarithmic:
            found = np.log(np.maximum(found, 1e-300))
            low, high = math.log(low), math.log(high)
        share = np.clip((found - low) / (high - low), 0.0, 1.0)
        placed: Floats = self.start + share * (self.end - self.start)
        return placed

    def at(self, value: float) -> float:
        """Give where one value stands."""
        return float(self.place(value))

    def ticks(self) -> list[float]:
        """Give round values between the ends, rising."""
        if self.logarithmic:
            found = log_ticks(self.low, self.high)
            return found[:: -(-len(found) // (self.most_ticks + 2))]
        return ticks(self.low, self.high, self.most_ticks)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Give round values between two.

    >>> ticks(0, 103)
    [0.0, 50.0, 100.0]
    """
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last <= first:
        # The steps skip over all of it: finer ones do not.
        return ticks(low, high, 2 * most)
    # Adding zero makes a zero of a negative one.
    return [float(f"{number * step:.10g}") + 0.0 for number in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Give powers of ten between two values, and their halves and fifths where those are few.

    >>> log_ticks(0.8, 40), log_ticks(1, 1000)
    ([1.0, 2.0, 5.0, 10.0, 20.0], [1.0, 10.0, 100.0, 1000.0])
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    few = math.log10(high / low) < _FEW_DECADES
    found = [
        float(f"{step * 10.0**power:.3g}")
        for power in range(first, last + 1)
        for step in ((1, 2, 5) if few else (1,))
    ]
    inside = [value for value in found if low * 0.999 <= value <= high * 1.001]
    return inside if len(inside) >= _LEAST_TICKS else ticks(low, high)


def plain(value: float) -> str:
    """Write a tick's value, never as a power of ten.

    >>> [plain(value) for value in (0.0, 0.05, 20.0, 5000000.0)]
    ['0', '0.05', '20', '5,000,000']
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"


@dataclass(frozen=True)
class Frame:
    """A chart's axes, drawn.

    Attributes:
        x, y: the axes; y from the bottom up.
        x_title, y_title: what they show, with the unit.
        x_ticks, y_ticks: value and text; none given, round values are chosen.
    """

    x: Axis
    y: Axis
    x_title: str = ""
    y_title: str = ""
    x_ticks: Sequence[tuple[float, str]] | None = None
    y_ticks: Sequence[tuple[float, str]] | None = None

    def drawn(self) -> str:
        """Draw lines of the grid, their values and the titles."""
        x, y = self.x, self.y
        parts = []
        down, across, texts = [], [], []
        for value, text in _labelled(x, self.x_ticks):
            place = number(x.at(value))
            down.append(f"M{place} {number(y.end)}V{number(y.start)}")
            if text:
                texts.append(
                    f'<text x="{place}" y="{number(y.start + 13)}" class="m">{escaped(text)}</text>'
                )
        for value, text in _labelled(y, self.y_ticks):
            height = y.at(value)
            across.append(f"M{number(x.start)} {number(height)}H{number(x.end)}")
            texts.append(
                f'<text x="{number(x.start - 5)}" y="{number(height + 3.5)}" class="e">'
                f"{escaped(text)}</text>"
            )
        parts.append(f'<path class="g" d="{"".join([*down, *across])}"/>')
        parts += texts
        if self.x_title:
            middle = number((x.start + x.end) / 2)
            parts.append(
                f'<text x="{middle}" y="{number(y.start + 28)}" class="m t">'
                f"{escaped(self.x_title)}</text>"
            )
        if self.y_title:
            parts.append(
                f'<text x="{number(x.start)}" y="{number(y.end - 7)}" class="t">'
                f"{escaped(self.y_title)}</text>"
            )
        return "".join(parts)


def _labelled(axis: Axis, given: Sequence[tuple[float, str]] | None) -> Iterable[tuple[float, str]]:
    """Give an axis' ticks with their texts."""
    return given if given is not None else [(value, plain(value)) for value in axis.ticks()]


def number(value: float) -> str:
    """Write a coordinate, to a tenth.

    >>> number(3.0), number(-0.04), number(2.25)
    ('3', '0', '2.2')
    """
    text = f"{value:.1f}"
    return "0" if text == "-0.0" else text.removesuffix(".0")


def line(xs: Floats, ys: Floats) -> str:
    """Give the path through points; one that is NaN breaks it, and a lone one is still seen.

    >>> line(np.array([0.0, 1.0, 2.0, 3.0]), np.array([5.0, 6.0, np.nan, 7.0]))
    'M0 5L1 6M3 7h.1'
    """
    parts: list[str] = []
    alone = False
    before = False
    for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
        if math.isnan(x) or math.isnan(y):
            parts += ["h.1"] if alone else []
            before = alone = False
            continue
        parts.append(f"{'L' if before else 'M'}{number(x)} {number(y)}")
        alone = not before
        before = True
    return "".join([*parts, *(["h.1"] if alone else [])])


def chart(title: str, about: str, height: float, parts: Iterable[str], tall: bool = False) -> str:
    """Give a figure: its title, and a picture that says what it shows to who cannot see it."""
    kind = ' class="tall"' if tall else ""
    return (
        f"<figure{kind}><figcaption>{escaped(title)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {number(height)}" role="img" aria-label="{escaped(about)}">'
        f"{''.join(parts)}</svg></figure>"
    )
