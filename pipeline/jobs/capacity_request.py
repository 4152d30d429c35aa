"""What is asked of a capacity: whose, the objective, limits, prices and a target, checked once."""

import math
import re
from dataclasses import dataclass

from pipeline.errors import UsageError
from pipeline.jobs.judge_request import Pairs

CHOOSABLE = ("service_name", "service_version", "deployment_environment")
LEAST_BUCKET_S, MOST_BUCKET_S = 10, 60

_OBJECTIVE = re.compile(r"p(?P<quantile>50|95)=(?P<value>\d+(?:\.\d+)?)(?P<unit>ms|s)", re.ASCII)
_PRICE = re.compile(r"(?P<value>\d+(?:\.\d+)?)/h", re.ASCII)
_AMOUNT = re.compile(r"(?P<value>\d+(?:\.\d+)?)(?P<unit>[A-Za-z]*)", re.ASCII)
_BYTES = {"": 1.0, "B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9}
_BYTES |= {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}
_CPU_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
_RESOURCES = ("cpu", "memory")
_GLOB = re.compile(r"([*?\[])")


@dataclass(frozen=True)
class CapacityRequest:
    """The question.

    Attributes:
        where: column and value pairs of CHOOSABLE.
        service: pattern of services, beside ``where``.
        since_unix_nano, until_unix_nano: the window; None for open.
        bucket_s: length of a bucket of time; 0 for as long as the CPU's points are apart.
        objective_quantile, objective_s: the latency that must be held; 0 seconds for none.
        cores, memory_bytes: limits of an instance; 0 for those that metrics tell.
        target_per_second: requests that must fit; 0 for no target.
        zones: of which one may be lost; 1 for no zones.
        cpu_attribute: of spans, with the CPU time of their thread; empty for what is known.
        cpu_price, memory_price: of a core and of a GiB for an hour; 0 for none.

    Raises:
        UsageError: one of these that is none.
    """

    where: Pairs = ()
    service: str = "*"
    since_unix_nano: int | None = None
    until_unix_nano: int | None = None
    bucket_s: int = 0
    objective_quantile: float = 0.95
    objective_s: float = 0.0
    cores: float = 0.0
    memory_bytes: float = 0.0
    target_per_second: float = 0.0
    zones: int = 1
    cpu_price: float = 0.0
    memory_price: float = 0.0
    cpu_attribute: str = ""

    def __post_init__(self) -> None:
        for column, _ in self.where:
            if column not in CHOOSABLE:
                raise UsageError(f"capacity: {column} cannot choose; known: {', '.join(CHOOSABLE)}")
        if self.bucket_s and not LEAST_BUCKET_S <= self.bucket_s <= MOST_BUCKET_S:
            raise UsageError(
                f"capacity: buckets of {self.bucket_s} s; write {LEAST_BUCKET_S} to "
                f"{MOST_BUCKET_S} seconds"
            )
        for name, number in self._numbers.items():
            if not math.isfinite(number) or number < 0:
                raise UsageError(f"capacity: {name} of {number}; write a number of 0 or more")
        _ = self.cpu_unit
        if self.zones < 1:
            raise UsageError(f"capacity: {self.zones} zones; write 1 or more")

    @property
    def _numbers(self) -> dict[str, float]:
        return {
            "an objective": self.objective_s,
            "a limit of cores": self.cores,
            "a limit of memory": self.memory_bytes,
            "a target": self.target_per_second,
            "a price of a core": self.cpu_price,
            "a price of memory": self.memory_price,
        }

    @property
    def pattern(self) -> str:
        """Give the pattern of services; one that is named in ``where`` stands for itself."""
        name = dict(self.where).get("service_name")
        return self.service if name is None else _GLOB.sub(r"[\1]", name)

    @property
    def cpu_unit(self) -> float:
        """Give the seconds of the unit that ``cpu_attribute`` ends with.

        Raises:
            UsageError: it ends with none.
        """
        for ending, seconds in _CPU_UNITS.items():
            if not self.cpu_attribute or re.search(rf"[._]{ending}$", self.cpu_attribute):
                return seconds
        raise UsageError(
            f"--cpu-attribute {self.cpu_attribute}: no unit; its name must end with "
            f"{', '.join(f'_{each}' for each in _CPU_UNITS)}"
        )

    @property
    def has_prices(self) -> bool:
        """Tell whether costs can be told."""
        return self.cpu_price > 0 or self.memory_price > 0


def parse_objective(text: str) -> tuple[float, float]:
    """Read an objective: the quantile, and seconds.

    Raises:
        UsageError: it is none.

    >>> parse_objective("p95=600ms")
    (0.95, 0.6)
    """
    found = _OBJECTIVE.fullmatch(text.strip())
    if not found or not float(found["value"]) > 0:
        raise UsageError(f"--slo {text!r}: write p50 or p95 and a time, such as p95=600ms")
    unit = 1e-3 if found["unit"] == "ms" else 1.0
    return int(found["quantile"]) / 100, float(found["value"]) * unit


def parse_limits(texts: tuple[str, ...]) -> dict[str, float]:
    """Read limits of an instance: cores and bytes.

    Raises:
        UsageError: one is none, or given twice.

    >>> parse_limits(("cpu=2 memory=1GiB",))
    {'cpu': 2.0, 'memory': 1073741824.0}
    """
    return {name: _amount(name, value) for name, value in _pairs("--limit", texts).items()}


def parse_prices(texts: tuple[str, ...]) -> dict[str, float]:
    """Read prices of a core and of a GiB for an hour.

    Raises:
        UsageError: one is none, or given twice.

    >>> parse_prices(("cpu=0.04/h", "memory=0.005/h"))
    {'cpu': 0.04, 'memory': 0.005}
    """
    prices = {}
    for name, value in _pairs("--price", texts).items():
        found = _PRICE.fullmatch(value)
        if not found:
            raise UsageError(f"--price {name}={value}: write an amount an hour, such as 0.04/h")
        prices[name] = float(found["value"])
    return prices


def _pairs(option: str, texts: tuple[str, ...]) -> dict[str, str]:
    """Read NAME=VALUE pairs with blanks or commas between them."""
    pairs: dict[str, str] = {}
    for part in " ".join(texts).replace(",", " ").split():
        name, sign, value = part.partition("=")
        if not sign or name not in _RESOURCES:
            raise UsageError(f"{option} {part!r}: write cpu=… or memory=…")
        if name in pairs:
            raise UsageError(f"{option} {part!r}: {name} given twice; give it once")
        pairs[name] = value
    return pairs


def _amount(name: str, text: str) -> float:
    """Read cores or bytes."""
    found = _AMOUNT.fullmatch(text)
    units = {"": 1.0, "m": 1e-3} if name == "cpu" else _BYTES
    if not found or found["unit"] not in units or not float(found["value"]) > 0:
        example = "2 or 500m" if name == "cpu" else "1GiB or 512MiB"
        raise UsageError(f"--limit {name}={text}: write {example}")
    return float(found["value"]) * units[found["unit"]]
