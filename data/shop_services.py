"""The four services of the shop: gateway, checkout, pricing and orders."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any

from opentelemetry.trace import Tracer

import shop_store as store
from shop_compute import compute_order
from shop_http import Client, Request, Response, Route
from shop_model import (
    STEPS,
    Faults,
    checkout_error_share,
    drift_factor,
    host_factor,
    host_of,
    price_ttl_s,
    sign_rounds,
    step_ms,
)
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
        drawn_ms = step_ms(
            self._steps[step_name], self._random.normalvariate(0, 1), self._place.faults
        )
        drift = drift_factor(self._place.seed, time.time() - self._started_unix_s)
        time.sleep(drawn_ms * self._host_factor * drift / 1000)

    def happens(self, share: float) -> bool:
        """Say yes to `share` of the questions."""
        return self._random.random() < share


class TtlCache:
    """Keeps each item for a fixed time; as large as the catalogue, which is finite."""

    def __init__(self, ttl_s: float) -> None:
        """Take how long an item is kept, in seconds."""
        self._ttl_s = ttl_s
        self._items: dict[str, tuple[float, bytes]] = {}
        self._lock = Lock()

    def get(self, key: str, now_s: float) -> bytes | None:
        """Return the item, or None where there is none or it is too old."""
        with self._lock:
            stored_s, item = self._items.get(key, (0.0, None))
        return item if item is not None and now_s - stored_s < self._ttl_s else None

    def put(self, key: str, item: bytes, now_s: float) -> None:
        """Keep an item from now on."""
        with self._lock:
            self._items[key] = (now_s, item)


@dataclass(frozen=True)
class Tools:
    """What a service works with in its process."""

    place: Place
    tracer: Tracer
    client: Client
    pace: Pace

    @property
    def faults(self) -> Faults:
        """The faults switched on in this process."""
        return self.place.faults

    def open_store(self) -> store.Store:
        """Open the database that all instances of this version share."""
        path = Path(self.place.databases) / f"{self.place.version}.sqlite"
        return store.Store(path, self.place.service, self.tracer, lambda: self.pace.work("query"))


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
    database = tools.open_store()
    cache = TtlCache(price_ttl_s(tools.faults))

    def read_through(name: str) -> bytes:
        key = f"price:{name}"
        with inner_span(tools.tracer, "price cache get") as span:
            item = cache.get(key, time.monotonic())
            span.set_attributes({"cache.key": key, "cache.hit": item is not None})
            if item is None:
                rows = database.read(store.READ_PRICE, name)
                if not rows:
                    raise RequestError(404, "ProductUnknown", "no such product")
                item = str(rows[0][0]).encode()
                cache.put(key, item, time.monotonic())
            span.set_attribute("cache.item_size", len(item))
        return item

    def answer(request: Request) -> Response:
        tools.pace.work("look up")
        return Response(200, json.loads(read_through(request.parameters["sku"])))

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
