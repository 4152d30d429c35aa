"""The shop's SQLite databases, with a CLIENT span around every statement."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any

from opentelemetry.trace import SpanKind, Tracer

from shop_model import CART_COUNT, CART_LINES_LEAST, CART_LINES_MOST, SKU_COUNT, sku


@dataclass(frozen=True)
class Statement:
    """A statement and what the database conventions want to know about it."""

    operation: str
    collection: str
    text: str


READ_PRICE = Statement("SELECT", "prices", "SELECT document FROM prices WHERE sku = ?")
READ_PRICE_VERSION = Statement(
    "SELECT", "prices", "SELECT document, version FROM prices WHERE sku = ?"
)
WRITE_PRICE = Statement(
    "UPDATE", "prices", "UPDATE prices SET version = version + 1 WHERE sku = ? RETURNING version"
)
READ_ORDER = Statement("SELECT", "orders", "SELECT id, customer FROM orders WHERE id = ?")
READ_ITEMS = Statement(
    "SELECT", "order_items", "SELECT sku, quantity FROM order_items WHERE order_id = ?"
)
READ_ITEM_IDS = Statement("SELECT", "order_items", "SELECT id FROM order_items WHERE order_id = ?")
READ_ITEM = Statement("SELECT", "order_items", "SELECT sku, quantity FROM order_items WHERE id = ?")
ADD_ORDER = Statement("INSERT", "orders", "INSERT INTO orders (customer) VALUES (?)")
ADD_ITEM = Statement(
    "INSERT", "order_items", "INSERT INTO order_items (order_id, sku, quantity) VALUES (?, ?, ?)"
)

SCHEMA = """
CREATE TABLE prices (
    sku TEXT PRIMARY KEY, document TEXT NOT NULL, version INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL);
CREATE TABLE order_items (
    id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, sku TEXT NOT NULL, quantity INTEGER NOT NULL
);
CREATE INDEX order_items_by_order ON order_items (order_id);
"""


def create(path: Path, seed: int) -> None:
    """Create a database with every price and the carts that customers already have."""
    random = Random(f"{seed}/store")
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(SCHEMA)
        for number in range(1, SKU_COUNT + 1):
            document = json.dumps(_price(random, number))
            connection.execute("INSERT INTO prices VALUES (?, ?, 1)", (sku(number), document))
        for cart in range(1, CART_COUNT + 1):
            connection.execute("INSERT INTO orders VALUES (?, ?)", (cart, f"customer-{cart}"))
            line_count = random.randint(CART_LINES_LEAST, CART_LINES_MOST)
            for number in random.sample(range(1, SKU_COUNT + 1), line_count):
                connection.execute(ADD_ITEM.text, (cart, sku(number), random.randint(1, 3)))
        connection.commit()
    finally:
        connection.close()


def _price(random: Random, number: int) -> dict[str, Any]:
    # Descriptions differ widely in length, so that what a cache holds is not counted in items.
    words = int(random.lognormvariate(3.0, 0.8)) + 1
    return {
        "sku": sku(number),
        "amount_cents": random.randint(199, 19_999),
        "description": "a very good thing " * words,
    }


class Store:
    """One process's connection to a database; threads take turns on it.

    They wait outside the turn, so it is a limit only where statements themselves fill a core:
    tens of microseconds each, thousands a second.
    """

    def __init__(
        self, path: Path, namespace: str, tracer: Tracer, wait: Callable[[], None]
    ) -> None:
        """Open the database; `wait` is the time a statement takes besides its own work."""
        self._connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=5.0
        )
        # The database lives as long as the shop is open: nobody needs it after a power cut.
        self._connection.execute("PRAGMA synchronous = OFF")
        self._lock = Lock()
        self._namespace = namespace
        self._tracer = tracer
        self._wait = wait

    def read(self, statement: Statement, *values: Any) -> list[tuple[Any, ...]]:
        """Run a SELECT and return its rows."""
        rows: list[tuple[Any, ...]] = self._run(
            statement, lambda connection: connection.execute(statement.text, values).fetchall()
        )
        return rows

    def peek(self, statement: Statement, *values: Any) -> list[tuple[Any, ...]]:
        """Run a SELECT for the shop's own books: nobody waits for it and no span tells of it."""
        with self._lock:
            rows: list[tuple[Any, ...]] = self._connection.execute(
                statement.text, values
            ).fetchall()
        return rows

    def add(self, statement: Statement, *values: Any) -> int:
        """Run an INSERT of one row and return the row's id."""
        cursor = self._run(statement, lambda connection: connection.execute(statement.text, values))
        return int(cursor.lastrowid)

    def add_all(self, statement: Statement, rows: list[tuple[Any, ...]]) -> None:
        """Run an INSERT of many rows as one call."""
        self._run(statement, lambda connection: connection.executemany(statement.text, rows))

    def _run(self, statement: Statement, work: Callable[[sqlite3.Connection], Any]) -> Any:
        with self._tracer.start_as_current_span(
            f"{statement.operation} {statement.collection}",
            kind=SpanKind.CLIENT,
            attributes={
                "db.system.name": "sqlite",
                "db.namespace": self._namespace,
                "db.operation.name": statement.operation,
                "db.collection.name": statement.collection,
                "db.query.text": statement.text,
            },
            record_exception=False,
            set_status_on_exception=False,
        ):
            self._wait()
            with self._lock:
                return work(self._connection)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
