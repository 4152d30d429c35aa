"""Customers: an open-loop load of Poisson arrivals that never waits for an answer."""

import http.client
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from random import Random
from threading import BoundedSemaphore, Lock
from typing import Any, NamedTuple

from shop_http import send
from shop_model import BASKET_LINES_WEIGHTS, CART_COUNT, SKU_COUNT, VERSIONS, VISITS, sku
from shop_switches import LoadStep

# More than this under way at once and an arrival is turned away and counted, never delayed:
# a load that waits for slow answers hides them (coordinated omission; Gil Tene, 2013).
UNDER_WAY_MOST = 256


@dataclass(frozen=True)
class Arrival:
    """A customer's request, due `due_s` seconds after the shop opened."""

    due_s: float
    version: str
    pick: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any = None
    operation: str = ""
    step: int = 0


class Outcome(NamedTuple):
    """What became of one arrival that was due at `due_s`.

    `late_ms` is how long after it was due it left. `latency_ms` counts from when it was due to the
    answer's last byte, and is infinite where none came: a customer who was turned away waits on.
    """

    step: int
    due_s: float
    operation: str
    late_ms: float
    latency_ms: float
    status: int | None


@dataclass
class Tally:
    """What came of the arrivals."""

    sent: int = 0
    answered: int = 0
    failed: int = 0
    unanswered: int = 0
    turned_away: int = 0
    latest_ms: float = 0.0
    outcomes: list[Outcome] = field(default_factory=list, repr=False)

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"{self.sent} requests sent, {self.answered} answered, {self.failed} of them with an"
            f" error, {self.unanswered} unanswered, {self.turned_away} turned away;"
            f" the latest left {self.latest_ms:.1f} ms after it was due"
        )


def stepped(
    seed: int,
    steps: Sequence[LoadStep],
    versions: Sequence[str] = VERSIONS,
    operations: Sequence[str] = (),
) -> Iterator[Arrival]:
    """Draw the arrivals of steps that follow one another; one step is a run at a fixed rate."""
    began_s = 0.0
    for number, step in enumerate(steps):
        drawn = f"{seed}/step-{number}" if number else seed
        for arrival in arrivals(drawn, step.rate_per_s, step.seconds, versions, operations):
            yield replace(arrival, due_s=began_s + arrival.due_s, step=number)
        began_s += step.seconds


def arrivals(
    seed: int | str,
    rate_per_s: float,
    seconds: float,
    versions: Sequence[str] = VERSIONS,
    operations: Sequence[str] = (),
) -> Iterator[Arrival]:
    """Draw the arrivals of a run, in order of time; the same seed draws the same arrivals.

    A coin splits them between the versions, so each version sees a Poisson process too. Where
    operations are named, customers ask for nothing else.

    >>> [round(arrival.due_s, 1) for arrival in arrivals(7, 2.0, 1.0)] == sorted(
    ...     round(arrival.due_s, 1) for arrival in arrivals(7, 2.0, 1.0))
    True
    """
    random = Random(f"{seed}/load")
    visits = [visit for visit in VISITS if not operations or visit.name in operations]
    shares = [visit.share for visit in visits]
    popularity = [1 / rank for rank in range(1, SKU_COUNT + 1)]
    due_s = random.expovariate(rate_per_s)
    while due_s < seconds:
        version = random.choice(versions)
        pick = random.randrange(1 << 16)
        visit = random.choices(visits, shares)[0]
        customer = random.randint(1, CART_COUNT)
        line_count = random.choices(*zip(*BASKET_LINES_WEIGHTS.items(), strict=True))[0]
        # Drawn twice, a product is one line all the same.
        numbers = sorted(set(random.choices(range(1, SKU_COUNT + 1), popularity, k=line_count)))
        lines = [{"sku": sku(number), "quantity": random.randint(1, 3)} for number in numbers]
        yield Arrival(
            due_s=due_s,
            version=version,
            pick=pick,
            method=visit.method,
            path=visit.route.format(id=sku(numbers[0])),
            headers={"Cookie": f"cart={customer}"},
            body={"customer": f"customer-{customer}", "lines": lines}
            if visit.method == "POST"
            else None,
            operation=visit.name,
        )
        due_s += random.expovariate(rate_per_s)


def run_load(arrivals_due: Iterator[Arrival], gateways: Mapping[str, list[int]]) -> Tally:
    """Send each arrival when it is due, whatever became of those before it; wait for the last."""
    tally = Tally()
    lock = Lock()
    free = BoundedSemaphore(UNDER_WAY_MOST)

    def visit(arrival: Arrival, port: int, late_ms: float) -> None:
        status = None
        try:
            response = send(port, arrival.method, arrival.path, arrival.body, arrival.headers)
            status = response.status
        except (OSError, http.client.HTTPException):
            pass  # counted below as unanswered
        finally:
            free.release()
        answered_s = math.inf if status is None else time.monotonic()
        latency_ms = (answered_s - opened_s - arrival.due_s) * 1000
        with lock:
            tally.unanswered += status is None
            tally.answered += status is not None
            tally.failed += status is not None and status >= 400
            tally.outcomes.append(
                Outcome(arrival.step, arrival.due_s, arrival.operation, late_ms, latency_ms, status)
            )

    opened_s = time.monotonic()
    # Leaving the pool waits for the requests under way, on Ctrl-C as well: their spans matter.
    with ThreadPoolExecutor(UNDER_WAY_MOST) as pool:
        for arrival in arrivals_due:
            wait_s = opened_s + arrival.due_s - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            late_ms = (time.monotonic() - opened_s - arrival.due_s) * 1000
            tally.latest_ms = max(tally.latest_ms, late_ms)
            if free.acquire(blocking=False):
                tally.sent += 1
                ports = gateways[arrival.version]
                pool.submit(visit, arrival, ports[arrival.pick % len(ports)], late_ms)
            else:
                with lock:
                    tally.turned_away += 1
                    never = (arrival.operation, late_ms, math.inf, None)
                    tally.outcomes.append(Outcome(arrival.step, arrival.due_s, *never))
    return tally
