"""What the shop is made of, as data: services, steps, visits, faults, and how long a step takes.

Nothing here sleeps, reads a clock or opens a file, so every delay can be tested by hand.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from statistics import NormalDist

VERSIONS = ("1.4.1", "1.4.2")
FAULTY_VERSION = "1.4.2"

SKU_COUNT = 60
CART_COUNT = 150
CART_LINES_LEAST, CART_LINES_MOST = 2, 8
BASKET_LINES_WEIGHTS = {1: 0.65, 2: 0.25, 3: 0.10}
PRICE_TTL_S = 60.0

# Real checkouts fail now and then; a gate that has only seen zero errors has not been tried.
BACKGROUND_ERROR_SHARE = 0.002
SLOW_TAIL_SHARE = 0.05

# Hosts of one fleet differ by a few per cent, and the load of a shared machine wanders.
HOST_SIGMA = 0.03
DRIFT_AMPLITUDE = 0.05
DRIFT_PERIOD_MINUTES = 9
DRIFT_SIGMA = 0.012


@dataclass(frozen=True)
class Service:
    """One service of the shop and how many instances of it each version runs."""

    name: str
    instances: int


SERVICES = (
    Service("gateway", 3),
    Service("checkout", 3),
    Service("pricing", 2),
    Service("orders", 2),
)


OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "gateway": ("GET /products/{id}", "GET /cart", "POST /checkout"),
    "checkout": ("POST /checkout",),
    "pricing": ("GET /price/{sku}",),
    "orders": ("GET /orders/{id}", "POST /orders"),
}
"""What each service answers, as its SERVER spans are named."""


@dataclass(frozen=True)
class Step:
    """A piece of work in a service: a lognormal time around its median."""

    service: str
    name: str
    median_ms: float
    sigma: float


STEPS = (
    Step("gateway", "route", 1.5, 0.30),
    Step("checkout", "check basket", 14.0, 0.30),
    Step("checkout", "charge card", 52.0, 0.45),
    Step("pricing", "look up", 0.8, 0.30),
    Step("pricing", "query", 7.0, 0.45),
    Step("orders", "validate", 1.0, 0.30),
    Step("orders", "query", 1.8, 0.45),
)


@dataclass(frozen=True)
class Visit:
    """A kind of request that customers send to the gateway, and its share of all requests."""

    method: str
    route: str
    share: float

    @property
    def name(self) -> str:
        """The operation of the gateway that answers it."""
        return f"{self.method} {self.route}"


VISITS = (
    Visit("POST", "/checkout", 0.55),
    Visit("GET", "/products/{id}", 0.25),
    Visit("GET", "/cart", 0.20),
)


@dataclass(frozen=True)
class Fault:
    """Something that can be wrong with one version; `size` says how much, in `unit`."""

    name: str
    size: float
    unit: str
    effect: str


FAULTS = (
    Fault("slow-operation", 1.5, "x", "every step of checkout takes SIZE times as long"),
    Fault("slow-tail", 3.0, "x", "the slowest 5 % of card charges take SIZE times as long"),
    Fault("errors", 0.05, "share", "SIZE of the POST /checkout requests answer 500"),
    Fault(
        "n-plus-one",
        1.0,
        "queries",
        "orders reads each item of a cart apart (an item: SIZE)",
    ),
    Fault(
        "hot-function", 4.0, "x", "signing a receipt computes SIZE times as much (see --compute)"
    ),
    Fault("short-ttl", 2.0, "s", f"a price is cached for SIZE seconds, not {PRICE_TTL_S:g}"),
)


@dataclass(frozen=True)
class Known:
    """What is set to a known size, so that an estimate can be held against it; 0 is not set.

    Attributes:
        metrics_s: seconds between two exports of metrics; 0 sends none.
        cpu_ms: CPU time that a request burns, by service and operation: `orders POST /orders`.
        concurrency: requests that an instance works on at once, by service.
        price_writes_per_s: prices that are written anew, over all products.
        cache_ttl_s: how long pricing keeps a price.
        miss_ms: what the database takes for a price that was not cached, on average.
    """

    metrics_s: float = 0.0
    cpu_ms: Mapping[str, float] = field(default_factory=dict)
    concurrency: Mapping[str, int] = field(default_factory=dict)
    price_writes_per_s: float = 0.0
    cache_ttl_s: float = 0.0
    miss_ms: float = 0.0

    @property
    def tells_prices(self) -> bool:
        """Whether spans say how long a price is kept, and which version of it was read."""
        return self.price_writes_per_s > 0 or self.cache_ttl_s > 0


Faults = Mapping[str, float]
"""The faults switched on in one process: name to size."""


def fault_from(text: str) -> Fault:
    """Read a fault switch, `name` or `name=size`.

    Raise `ValueError` for a name not in `FAULTS`, a size that is not a positive number, a share
    above one, or a part of a query.

    >>> fault_from("errors=0.2").size
    0.2
    """
    name, _, size_text = text.partition("=")
    known = {fault.name: fault for fault in FAULTS}
    if name not in known:
        raise ValueError(f"{name}: no such fault; known faults: {', '.join(known)}")
    fault = known[name]
    size = float(size_text) if size_text else fault.size
    if not 0 < size < math.inf:
        raise ValueError(f"{text}: the size of a fault is a number above zero")
    if fault.unit == "share" and size > 1:
        raise ValueError(f"{text}: a share is at most 1")
    if fault.unit == "queries" and size != int(size):
        raise ValueError(f"{text}: queries come whole")
    return replace(fault, size=size)


def fault_factor(step: Step, z: float, faults: Faults) -> float:
    """Return how many times longer a step takes because of `faults`.

    `z` is the standard normal draw behind the step's time: the slowest 5 % are those above its
    95 % point, so the slow tail leaves the median where it was.

    >>> charge = next(step for step in STEPS if step.name == "charge card")
    >>> [fault_factor(charge, z, {"slow-tail": 3.0}) for z in (0.0, 2.0)]
    [1.0, 3.0]
    """
    factor = 1.0
    if step.service == "checkout":
        factor *= faults.get("slow-operation", 1.0)
    if step.name == "charge card" and z > NormalDist().inv_cdf(1 - SLOW_TAIL_SHARE):
        factor *= faults.get("slow-tail", 1.0)
    return factor


def step_ms(step: Step, z: float, faults: Faults) -> float:
    """Return the time of a step in milliseconds for the standard normal draw `z`.

    >>> step_ms(Step("orders", "query", 2.0, 0.5), 0.0, {})
    2.0
    """
    return step.median_ms * math.exp(step.sigma * z) * fault_factor(step, z, faults)


def host_factor(seed: int, host: str) -> float:
    """Return how slow a host is, around 1. Both versions use the same hosts, so it favours none."""
    return math.exp(Random(f"{seed}/host/{host}").gauss(0, HOST_SIGMA))


def drift_factor(seed: int, elapsed_s: float) -> float:
    """Return how slow the minute of the run at `elapsed_s` is, around 1, alike for every process.

    >>> drift_factor(7, 60.0) == drift_factor(7, 119.9)
    True
    """
    minute = int(elapsed_s // 60)
    wave = DRIFT_AMPLITUDE * math.sin(2 * math.pi * minute / DRIFT_PERIOD_MINUTES)
    return 1 + wave + Random(f"{seed}/minute/{minute}").gauss(0, DRIFT_SIGMA)


def checkout_error_share(faults: Faults) -> float:
    """Return the share of checkouts whose card charge fails."""
    return faults.get("errors", BACKGROUND_ERROR_SHARE)


def sign_rounds(rounds: int, faults: Faults) -> int:
    """Return how many rounds of signing an order computes, where of all else it is `rounds`.

    >>> sign_rounds(2, {}), sign_rounds(2, {"hot-function": 4.0})
    (2, 8)
    """
    return round(rounds * faults.get("hot-function", 1.0))


def price_ttl_s(faults: Faults, known: Known) -> float:
    """Return how long pricing keeps a price, in seconds; a fault counts first.

    >>> price_ttl_s({}, Known()), price_ttl_s({}, Known(cache_ttl_s=3.0))
    (60.0, 3.0)
    """
    return faults.get("short-ttl", known.cache_ttl_s or PRICE_TTL_S)


def miss_ms(step: Step, z: float, mean_ms: float) -> float:
    """Return the time of a miss in milliseconds: spread as the step's, with a mean that is set.

    No host and no minute makes it longer, so that the mean is what was set.

    >>> round(miss_ms(Step("pricing", "query", 7.0, 0.45), 0.45 / 2, 30.0), 9)
    30.0
    """
    return mean_ms * math.exp(step.sigma * z - step.sigma**2 / 2)


def sku(number: int) -> str:
    """Return the name of product `number`, which starts at 1 for the most popular.

    >>> sku(7)
    'sku-007'
    """
    return f"sku-{number:03d}"


def host_of(instance: int) -> str:
    """Return the made-up host an instance runs on: instance 1 of every service shares a host."""
    return f"shop-host-{instance}"
