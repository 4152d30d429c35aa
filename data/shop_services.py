"""The four services of the shop: gateway, checkout, pricing and orders."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from opentelemetry.trace import Tracer

import shop_store as store
from shop_books import Books
from shop_compute import compute_order
from shop_http import Client, Request, Response, Route
from shop_model import (
    STEPS,
    Faults,
    checkout_error_share,
    drift_factor,
    host_factor,
    host_of,
    miss_ms,
    price_ttl_s,
    sign_rounds,
    step_ms,
)
from shop_prices import Price, PriceReader, TtlCache, write_prices
from shop_tracing import Place, RequestError, inner_span


class Pace:
    """Takes the time that a step of work takes here and now, by sleeping."""

    def __init__(self, place: Place, started_unix_s: float) -> None:
        """Take the time the shop opened, from which the drift that all share is counted."""
        self._steps = {step.name: step for step in STEPS if step.service == place.service}
        self._random = Random(f"{place.seed}/{place.name}")
        self._place = place
        self._started_unix_s = started_unix_s
        self._host_factor = host_factor(place.seed, host_of(place.instance))

    def work(self, step_name: str) -> None:
        """Sleep for one draw of the step's time: sleeping, unlike burning, costs no core."""
        step, z = self._steps[step_name], self._random.normalvariate(0, 1)
        if self._place.known.miss_ms and (step.service, step.name) == ("pricing", "query"):
            time.sleep(miss_ms(step, z, self._place.known.miss_ms) / 1000)
            return
        drawn_ms = step_ms(step, z, self._place.faults)
        drift = drift_factor(self._place.seed, time.time() - self._started_unix_s)
        time.sleep(drawn_ms * self._host_factor * drift / 1000)

    def happens(self, share: float) -> bool:
        """Say yes to `share` of the questions."""
        return self._random.random() < share


@dataclass(frozen=True)
class Tools:
    """What a service works with in its process."""

    place: Place
    tracer: Tracer
    client: Client
    pace: Pace
    books: Books
    # What is to be ended with the process, before its spans are sent.
    closing: ExitStack = field(default_factory=ExitStack)

    @property
    def faults(self) -> Faults:
        """The faults switched on in this process."""
        return self.place.faults

    def open_store(self, wait: Callable[[], None] | None = None) -> store.Store:
        """Open the database that all instances of this version share; statements take a while."""
        path = Path(self.place.databases) / f"{self.place.version}.sqlite"
        takes = wait or (lambda: self.pace.work("query"))
        return store.Store(path, self.place.service, self.tracer, takes)


def gateway(tools: Tools) -> tuple[Route, ...]:
    """Pass customers' requests on to the services behind."""

    def product(request: Request) -> Response:
        tools.pace.work("route")
        return tools.client.call("pricing", "GET", "/price/{sku}", sku=request.parameters["id"])

    def cart(request: Request) -> Response:
        tools.pace.work("route")
        cart_id = request.headers.get("cookie", "").removeprefix("cart=")
        return tools.client.call("orders", "GET", "/orders/{id}", id=cart_id)

    def checkout(request: Request) -> Response:
        tools.pace.work("route")
        return tools.client.call("checkout", "POST", "/checkout", request.body)

    return (
        Route("GET", "/products/{id}", product),
        Route("GET", "/cart", cart),
        Route("POST", "/checkout", checkout),
    )


def checkout(tools: Tools) -> tuple[Route, ...]:
    """Price a basket, charge the card and place the order."""

    def price_basket(lines: list[dict[str, Any]]) -> int:
        total_cents = 0
        with inner_span(tools.tracer, "check basket"):
            tools.pace.work("check basket")
            for line in lines:
                answer = tools.client.call("pricing", "GET", "/price/{sku}", sku=line["sku"])
                if answer.status != 200:
                    raise RequestError(502, "PriceUnknown", "no price for a line of the basket")
                total_cents += answer.body["amount_cents"] * line["quantity"]
        return total_cents

    def charge_card() -> None:
        with inner_span(tools.tracer, "charge card"):
            tools.pace.work("charge card")
            if tools.pace.happens(checkout_error_share(tools.faults)):
                raise RequestError(500, "PaymentGatewayError", "the payment provider gave up")

    def answer(request: Request) -> Response:
        total_cents = price_basket(request.body["lines"])
        rounds = tools.place.compute
        if rounds:
            compute_order(total_cents, rounds, sign_rounds(rounds, tools.faults))
        charge_card()
        placed = tools.client.call("orders", "POST", "/orders", request.body)
        return Response(placed.status, {"order": placed.body, "total_cents": total_cents})

    return (Route("POST", "/checkout", answer),)


def pricing(tools: Tools) -> tuple[Route, ...]:
    """Answer what a product costs, from a cache in front of the database."""
    known, place = tools.place.known, tools.place
    cache = TtlCache[Price](price_ttl_s(tools.faults, known))
    prices = PriceReader(cache, tools.open_store(), tools.tracer, tools.books, known.tells_prices)
    if known.price_writes_per_s and place.instance == 1:
        seed = f"{place.seed}/writes/{place.version}"
        database = tools.open_store(wait=lambda: None)
        rate_per_s = known.price_writes_per_s
        tools.closing.callback(write_prices(seed, rate_per_s, tools.tracer, database, tools.books))

    def answer(request: Request) -> Response:
        tools.pace.work("look up")
        return Response(200, json.loads(prices.read(request.parameters["sku"])))

    return (Route("GET", "/price/{sku}", answer),)


def orders(tools: Tools) -> tuple[Route, ...]:
    """Keep orders and carts in a database."""
    database = tools.open_store()
    queries_per_item = int(tools.faults.get("n-plus-one", 0))

    def read_items(order_id: int) -> list[tuple[Any, ...]]:
        if not queries_per_item:
            return database.read(store.READ_ITEMS, order_id)
        items = []
        for (item_id,) in database.read(store.READ_ITEM_IDS, order_id):
            for _ in range(queries_per_item):
                rows = database.read(store.READ_ITEM, item_id)
            items += rows
        return items

    def read(request: Request) -> Response:
        tools.pace.work("validate")
        orders_found = database.read(store.READ_ORDER, int(request.parameters["id"]))
        if not orders_found:
            raise RequestError(404, "OrderUnknown", "no such order")
        order_id, customer = orders_found[0]
        items = [{"sku": name, "quantity": quantity} for name, quantity in read_items(order_id)]
        return Response(200, {"id": order_id, "customer": customer, "items": items})

    def place(request: Request) -> Response:
        tools.pace.work("validate")
        order_id = database.add(store.ADD_ORDER, request.body["customer"])
        lines = request.body["lines"]
        database.add_all(
            store.ADD_ITEM, [(order_id, line["sku"], line["quantity"]) for line in lines]
        )
        return Response(201, {"id": order_id})

    return (Route("GET", "/orders/{id}", read), Route("POST", "/orders", place))


MAKERS: Mapping[str, Callable[[Tools], tuple[Route, ...]]] = {
    "gateway": gateway,
    "checkout": checkout,
    "pricing": pricing,
    "orders": orders,
}
