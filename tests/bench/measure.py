"""What a bench gives: a figure, what it is held against, and whether that is reached."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """One line of the table.

    Attributes:
        name: what was measured.
        value, unit: the figure.
        against: the peer or limit of the same run.
        ratio: the figure in the peer's terms.
        goal: the least (or with ``at_most`` the greatest) ratio or value that is good enough;
            None where there is none.
        judged: what the goal speaks of, ``ratio`` or ``value``.
        at_most: whether less is better.
    """

    name: str
    value: float
    unit: str
    against: str = ""
    ratio: float | None = None
    goal: float | None = None
    judged: str = "value"
    at_most: bool = False

    @property
    def reached(self) -> bool | None:
        """Tell whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        figure = self.ratio if self.judged == "ratio" else self.value
        assert figure is not None
        return figure <= self.goal if self.at_most else figure >= self.goal


def table(measures: Sequence[Measure]) -> str:
    """Lay measures out for a person."""
    lines = [f"{'measured':<58} {'value':>14} {'unit':<9} {'ratio':>7} {'goal':>12}  against"]
    for m in measures:
        ratio = "" if m.ratio is None else f"{m.ratio:.2f}"
        goal = ""
        if m.goal is not None:
            mark = "ok" if m.reached else "MISSED"
            goal = f"{'<=' if m.at_most else '>='}{m.goal:g} {mark}"
        value = f"{m.value:,.3f}" if m.value < 100 else f"{m.value:,.0f}"
        lines.append(f"{m.name:<58} {value:>14} {m.unit:<9} {ratio:>7} {goal:>12}  {m.against}")
    return "\n".join(lines)
