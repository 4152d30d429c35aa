"""Switches of the shop that name a part of it, read and checked: `NAME=SIZE` and the like."""

import math
from dataclasses import dataclass
from pathlib import Path

from shop_model import OPERATIONS, VISITS


@dataclass(frozen=True)
class LoadStep:
    """A time of the load in which customers come at one rate."""

    rate_per_s: float
    seconds: float


def ramp(first_per_s: float, last_per_s: float, steps: int, seconds: float) -> tuple[LoadStep, ...]:
    """Cut a run into steps as long as each other whose rates rise, or fall, evenly.

    >>> [step.rate_per_s for step in ramp(5.0, 20.0, 4, 60.0)]
    [5.0, 10.0, 15.0, 20.0]
    """
    gap = (last_per_s - first_per_s) / max(steps - 1, 1)
    return tuple(LoadStep(first_per_s + gap * step, seconds / steps) for step in range(steps))


def operation_from(text: str) -> tuple[str, str]:
    """Read an operation, `POST /orders` or with its service before it; return both.

    Where several services answer one of that name it is that of the last, which does the work.
    Raise `ValueError` for one that nobody answers.

    >>> operation_from("POST /checkout"), operation_from("gateway POST /checkout")
    (('checkout', 'POST /checkout'), ('gateway', 'POST /checkout'))
    """
    service, _, rest = text.partition(" ")
    if rest in OPERATIONS.get(service, ()):
        return service, rest
    found = [(name, text) for name, answered in OPERATIONS.items() if text in answered]
    if not found:
        known = (f"{name} {each}" for name, answered in OPERATIONS.items() for each in answered)
        raise ValueError(f"{text}: no such operation; known operations: {', '.join(known)}")
    return found[-1]


def cpu_from(text: str) -> tuple[str, float]:
    """Read `OPERATION=MS`; return service and operation in one, and milliseconds.

    >>> cpu_from("GET /price/{sku}=2.5")
    ('pricing GET /price/{sku}', 2.5)
    """
    name, sign, size = text.rpartition("=")
    if not sign:
        raise ValueError(f"{text}: write OPERATION=MS, such as 'POST /checkout=20'")
    found = " ".join(operation_from(name.strip()))
    try:
        return found, above_zero(size)
    except ValueError as error:
        raise ValueError(f"{name}={error}") from error


def count_from(text: str) -> tuple[str, int]:
    """Read `SERVICE=N`; return both. Raise `ValueError` for another service or no whole number.

    >>> count_from("pricing=2")
    ('pricing', 2)
    """
    name, sign, size = text.partition("=")
    if not sign:
        raise ValueError(f"{text}: write SERVICE=N, such as checkout=2")
    if name not in OPERATIONS:
        raise ValueError(f"{name}: no such service; known services: {', '.join(OPERATIONS)}")
    if not size.isdecimal() or int(size) < 1:
        raise ValueError(f"{text}: {size or 'nothing'} is no whole number above zero")
    return name, int(size)


def visit_from(text: str) -> str:
    """Read an operation that customers ask for; raise `ValueError` for another."""
    known = [visit.name for visit in VISITS]
    if text not in known:
        raise ValueError(f"{text}: no customer asks for that; they ask for {', '.join(known)}")
    return text


def ramp_from(text: str) -> tuple[float, float, int]:
    """Read `FROM:TO:STEPS`: customers a second, first and last, and how many steps that takes.

    >>> ramp_from("5:40:8")
    (5.0, 40.0, 8)
    """
    parts = text.split(":")
    if len(parts) != 3 or not parts[2].isdecimal() or int(parts[2]) < 2:
        raise ValueError(f"{text}: write FROM:TO:STEPS with 2 steps or more, such as 5:40:8")
    return above_zero(parts[0]), above_zero(parts[1]), int(parts[2])


def load_steps(
    asked: tuple[float, float, int] | None, rate: float, seconds: float
) -> tuple[LoadStep, ...]:
    """Give the steps of a run: those of a ramp, or one at a fixed rate."""
    return ramp(*asked, seconds) if asked else (LoadStep(rate, seconds),)


def above_zero(text: str) -> float:
    """Read a number above zero.

    >>> above_zero("2.5")
    2.5
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{text or 'nothing'}: a number above zero, please")
    return number


def not_below_zero(text: str) -> float:
    """Read zero or a number above it."""
    return 0.0 if text.strip() in ("0", "0.0") else above_zero(text)


def writable(text: str) -> Path:
    """Read the name of a file that is written when all is over; its folder must be there now."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"{text}: no file in a folder that is there; make {path.parent} first")
    return path
