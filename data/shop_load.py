"""Customers: an open-loop load of Poisson arrivals that never waits for an answer."""

import http.client
import math
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from threading import BoundedSemaphore, Lock
from typing import Any

from shop_http import send
from shop_model import BASKET_LINES_WEIGHTS, CART_COUNT, SKU_COUNT, VERSIONS, VISITS, sku

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


@dataclass
class Tally:
    """What came of the arrivals."""

    sent: int = 0
    answered: int = 0
    failed: int = 0
    unanswered: int = 0
    turned_away: int = 0
    latest_ms: float = 0.0

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"{self.sent} requests sent, {self.answered} answered, {self.failed} of them with an"
            f" error, {self.unanswered} unanswered, {self.turned_away} turned away;"
            f" the latest left {self.latest_ms:.1f} ms after it was due"
        )


def arrivals(seed: int, rate_per_s: float, seconds: float) -> Iterator[Arrival]:
    """Draw the arrivals of a run, in order of time; the same seed draws the same arrivals.

    A coin splits them between the versions, so each version sees a Poisson process too.

    >>> [round(arrival.due_s, 1) for arrival in arrivals(7, 2.0, 1.0)] == sorted(
    ...     round(arrival.due_s, 1) for arrival in arrivals(7, 2.0, 1.0))
    True
    """
    random = Random(f"{seed}/load")
    shares = [visit.share for visit in VISITS]
    popularity = [1 / rank for rank in range(1, SKU_COUNT + 1)]
    due_s = random.expovariate(rate_per_s)
    while due_s < seconds:
        version = random.choice(VERSIONS)
        pick = random.randrange(1 << 16)
        visit = random.choices(VISITS, shares)[0]
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
        )
        due_s += random.expovariate(rate_per_s)


def run_load(arrivals_due: Iterator[Arrival], gateways: Mapping[str, list[int]]) -> Tally:
    """Send each arrival when it is due, whatever became of those before it; wait for the last."""
    tally = Tally()
    lock = Lock()
    free = BoundedSemaphore(UNDER_WAY_MOST)

    def visit(arrival: Arrival, port: int) -> None:
        status = math.nan
        try:
            response = send(port, arrival.method, arrival.path, arrival.body, arrival.headers)
            status = response.status
        except (OSError, http.client.HTTPException):
            pass  # counted below as unanswered
        finally:
            free.release()
        with lock:
            tally.unanswered += math.isnan(status)
            tally.answered += not math.isnan(status)
            tally.failed += status >= 400

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
                pool.submit(visit, arrival, ports[arrival.pick % len(ports)])
            else:
                tally.turned_away += 1
    return tally
