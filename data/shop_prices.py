"""Prices: a cache that keeps each for a fixed time, and writes that make what it keeps stale."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from threading import Lock
from typing import Generic, TypeVar

from opentelemetry.trace import Span, Tracer

import shop_store as store
from shop_books import Books
from shop_model import SKU_COUNT, sku
from shop_tracing import RequestError, inner_span

Item = TypeVar("Item")

VERSION_ATTRIBUTE = "cache.item_version"


class TtlCache(Generic[Item]):
    """Keeps each item for a fixed time; as large as the catalogue, which is finite."""

    def __init__(self, ttl_s: float) -> None:
        """Take how long an item is kept, in seconds."""
        self.ttl_s = ttl_s
        self._items: dict[str, tuple[float, Item]] = {}
        self._lock = Lock()

    def get(self, key: str, now_s: float) -> Item | None:
        """Return the item, or None where there is none or it is too old."""
        with self._lock:
            stored_s, item = self._items.get(key, (0.0, None))
        return item if item is not None and now_s - stored_s < self.ttl_s else None

    def put(self, key: str, item: Item, now_s: float) -> None:
        """Keep an item from now on."""
        with self._lock:
            self._items[key] = (now_s, item)


@dataclass(frozen=True)
class Price:
    """A price as the database holds it, and which version of it that is."""

    document: bytes
    version: int


def key_of(name: str) -> str:
    """Return the key under which a product's price is cached."""
    return f"price:{name}"


class PriceReader:
    """Reads prices through a cache; where it is told to, spans say version and time to live."""

    def __init__(
        self,
        cache: TtlCache[Price],
        database: store.Store,
        tracer: Tracer,
        books: Books,
        tell: bool,
    ) -> None:
        """Take the parts; `tell` is whether spans say more than key, hit and size."""
        self._cache, self._database = cache, database
        self._tracer, self._books, self._tell = tracer, books, tell

    def read(self, name: str) -> bytes:
        """Return a product's price; raise `RequestError` with status 404 for an unknown product."""
        key = key_of(name)
        loaded_s = 0.0
        with inner_span(self._tracer, "price cache get") as span:
            found = item = self._cache.get(key, time.monotonic())
            span.set_attributes({"cache.key": key, "cache.hit": found is not None})
            if item is None:
                began = time.perf_counter()
                item = self._load(name)
                self._cache.put(key, item, time.monotonic())
                loaded_s = time.perf_counter() - began
            self._describe(span, item)
        # After the span has ended, so that the books cost the cache nothing.
        stale = None if found is None else self._tell and self._is_stale(name, found)
        self._books.looked_up(stale, loaded_s)
        return item.document

    def _load(self, name: str) -> Price:
        statement = store.READ_PRICE_VERSION if self._tell else store.READ_PRICE
        rows = self._database.read(statement, name)
        if not rows:
            raise RequestError(404, "ProductUnknown", "no such product")
        return Price(str(rows[0][0]).encode(), int(rows[0][1]) if self._tell else 0)

    def _describe(self, span: Span, item: Price) -> None:
        span.set_attribute("cache.item_size", len(item.document))
        if self._tell:
            span.set_attribute("cache.ttl", self._cache.ttl_s)
            span.set_attribute(VERSION_ATTRIBUTE, item.version)

    def _is_stale(self, name: str, item: Price) -> bool:
        return bool(self._database.peek(store.READ_PRICE_VERSION, name)[0][1] != item.version)


def write_prices(
    seed: str, rate_per_s: float, tracer: Tracer, database: store.Store, books: Books
) -> Callable[[], None]:
    """Write a price now and then, each product as often as any other; return what ends it.

    Writes are a Poisson process with a random stream of its own. Nobody tells the caches.
    """
    random = Random(seed)
    ended = threading.Event()

    def run() -> None:
        due_s = time.monotonic() + random.expovariate(rate_per_s)
        while not ended.wait(max(0.0, due_s - time.monotonic())):
            name = sku(random.randint(1, SKU_COUNT))
            told = {"cache.key": key_of(name), "cache.operation": "write"}
            with tracer.start_as_current_span("price write", attributes=told) as span:
                span.set_attribute(VERSION_ATTRIBUTE, database.read(store.WRITE_PRICE, name)[0][0])
            books.wrote()
            due_s += random.expovariate(rate_per_s)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def end() -> None:
        ended.set()
        thread.join()

    return end
