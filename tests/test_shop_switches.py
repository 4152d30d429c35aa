"""What is set of the shop is what happens in it: work, slots, prices, and the load on a ramp."""

import doctest
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.test_shop import DRAWS, load, model, shop


def module(name: str) -> ModuleType:
    """Give a module of the shop; one that others have imported already, so that classes agree."""
    return sys.modules.get(name) or load(name)


switches, customers, tallies = map(module, ("shop_switches", "shop_load", "shop_tally"))
books, prices, store = map(module, ("shop_books", "shop_prices", "shop_store"))
work, services, http = map(module, ("shop_work", "shop_services", "shop_http"))
tracing = module("shop_tracing")

OPERATION = "GET /price/{sku}"


class Traced:
    """A tracer, and the spans that ended."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("shop")

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def told(self, name: str) -> list[dict[str, Any]]:
        """Give the attributes of the spans of a name."""
        return [dict(span.attributes or {}) for span in self.spans if span.name == name]


@pytest.fixture
def traced() -> Traced:
    return Traced()


@pytest.fixture
def database(tmp_path: Path, traced: Traced) -> Iterator[Any]:
    """Give a database of prices whose statements take no time of their own."""
    store.create(tmp_path / "1.4.1.sqlite", 7)
    opened = store.Store(tmp_path / "1.4.1.sqlite", "pricing", traced.tracer, lambda: None)
    yield opened
    opened.close()


def place_of(service: str, databases: Path, known: Any) -> Any:
    return tracing.Place(
        service, "1.4.1", 1, 7, "http://127.0.0.1:9", False, 5.0, {}, str(databases), known=known
    )


def test_a_request_burns_the_cpu_time_it_is_told_whatever_else_runs() -> None:
    stop = Event()
    busy = Thread(target=lambda: [None for _ in iter(stop.is_set, True)])
    busy.start()
    try:
        before = time.thread_time()
        told = work.burn(0.02)
        used = time.thread_time() - before
    finally:
        stop.set()
        busy.join()
    assert 0.02 <= told <= used < 0.03


@pytest.mark.parametrize(
    ("read", "text", "says"),
    [
        ("cpu_from", "GET /nothing=3", "no such operation; known operations: gateway GET /pro"),
        ("cpu_from", "bakery POST /checkout=3", "no such operation"),
        ("cpu_from", "POST /checkout", "write OPERATION=MS"),
        ("cpu_from", "POST /checkout=nan", "a number above zero"),
        ("count_from", "bakery=2", "known services: gateway, checkout, pricing, orders"),
        ("count_from", "checkout=0", "no whole number above zero"),
        ("count_from", "checkout", "write SERVICE=N"),
        ("ramp_from", "5:40", "write FROM:TO:STEPS"),
        ("ramp_from", "5:40:1", "2 steps or more"),
        ("ramp_from", "0:40:4", "a number above zero"),
        ("writable", "nowhere/ramp.json", "make nowhere first"),
        ("visit_from", OPERATION, "they ask for POST /checkout, GET /products/{id}, GET /cart"),
    ],
)
def test_a_switch_that_names_nothing_there_is_refused_with_what_there_is(
    read: str, text: str, says: str
) -> None:
    with pytest.raises(ValueError, match=".*") as refused:
        getattr(switches, read)(text)
    assert says in str(refused.value)
    assert text.split("=")[0].split(":")[0] in str(refused.value)


def test_every_operation_that_can_be_named_is_answered(tmp_path: Path, traced: Traced) -> None:
    store.create(tmp_path / "1.4.1.sqlite", 7)
    for service, operations in model.OPERATIONS.items():
        place = place_of(service, tmp_path, model.Known())
        pace = services.Pace(place, 0.0)
        tools = services.Tools(place, traced.tracer, None, pace, books.Books())
        assert tuple(route.name for route in services.MAKERS[service](tools)) == operations


def test_a_route_burns_what_is_set_for_it_and_the_books_say_so(
    tmp_path: Path, traced: Traced
) -> None:
    place = place_of("pricing", tmp_path, model.Known(cpu_ms={f"pricing {OPERATION}": 3.0}))
    kept = books.Books()
    route = http.Route("GET", "/price/{sku}", lambda _: http.Response(200))
    answer = work.bounded(route, place, work.Workers(), traced.tracer, kept).answer
    before = time.thread_time()
    answer(http.Request("GET", "/price/sku-001"))
    assert time.thread_time() - before >= 0.003
    told = kept.told()
    assert told["requests"] == {OPERATION: 1}
    assert 0.003 <= told["burned_cpu_s"][OPERATION] <= told["process_cpu_s"] + 0.001


def test_an_instance_works_on_as_many_as_it_has_slots_and_refuses_what_its_queue_cannot_hold(
    traced: Traced,
) -> None:
    workers, go = work.Workers(slots=1, queue_most=1), Event()

    def request() -> None:
        with workers.slot("GET", traced.tracer):
            go.wait(10)

    threads = [Thread(target=request) for _ in range(2)]
    for number, thread in enumerate(threads):
        thread.start()
        while workers.busy + workers.waiting <= number:
            time.sleep(0.001)
    assert (workers.busy, workers.waiting, workers.active) == (1, 1, {"GET": 2})
    with (
        pytest.raises(tracing.RequestError, match="too many requests wait") as refused,
        workers.slot("POST", traced.tracer),
    ):
        pass
    assert refused.value.status == 503
    go.set()
    for thread in threads:
        thread.join()
    assert (workers.busy, workers.waiting, workers.active) == (0, 0, {"GET": 0, "POST": 0})
    # Who did not wait has no span of it.
    assert [span.name for span in traced.spans] == ["wait for a worker"]


def test_who_waits_longest_is_worked_on_next(traced: Traced) -> None:
    workers, go = work.Workers(slots=1), Event()
    order: list[int] = []

    def request(number: int) -> None:
        with workers.slot("GET", traced.tracer):
            go.wait(10)
            order.append(number)

    threads = [Thread(target=request, args=(number,)) for number in range(4)]
    for number, thread in enumerate(threads):
        thread.start()
        while workers.busy + workers.waiting <= number:
            time.sleep(0.001)
    go.set()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3]


def test_a_hit_is_stale_once_its_price_was_written_and_until_its_time_is_up(
    traced: Traced, database: Any
) -> None:
    kept, cache = books.Books(), prices.TtlCache(ttl_s=0.4)
    reader = prices.PriceReader(cache, database, traced.tracer, kept, tell=True)
    for _ in range(3):
        reader.read("sku-001")
    database.read(store.WRITE_PRICE, "sku-001")
    reader.read("sku-001")
    time.sleep(0.4)
    reader.read("sku-001")
    told = traced.told("price cache get")
    seen = [(each["cache.hit"], each["cache.item_version"], each["cache.ttl"]) for each in told]
    assert seen == [(False, 1, 0.4), *3 * [(True, 1, 0.4)], (False, 2, 0.4)]
    known = kept.told()["cache"]
    assert (known["lookups"], known["misses"], known["stale_hits"]) == (5, 2, 1)


def test_a_price_says_nothing_new_where_nothing_is_set(traced: Traced, database: Any) -> None:
    reader = prices.PriceReader(
        prices.TtlCache(60.0), database, traced.tracer, books.Books(), model.Known().tells_prices
    )
    reader.read("sku-001")
    (cached,), (read,) = traced.told("price cache get"), traced.told("SELECT prices")
    assert set(cached) == {"cache.key", "cache.hit", "cache.item_size"}
    assert read["db.query.text"] == "SELECT document FROM prices WHERE sku = ?"


def test_prices_are_written_at_their_rate_in_an_order_of_their_own(
    traced: Traced, database: Any
) -> None:
    kept = books.Books()
    end = prices.write_prices("7/writes", 500.0, traced.tracer, database, kept)
    while kept.told()["cache"].get("writes", 0) < 20:
        time.sleep(0.005)
    end()
    writes = traced.told("price write")
    assert len(writes) == kept.told()["cache"]["writes"]
    assert {each["cache.operation"] for each in writes} == {"write"}
    latest = {each["cache.key"]: each["cache.item_version"] for each in writes}
    for key, version in latest.items():
        name = key.removeprefix("price:")
        assert database.peek(store.READ_PRICE_VERSION, name)[0][1] == version


def test_a_miss_takes_what_is_set_on_average() -> None:
    query = next(step for step in model.STEPS if (step.service, step.name) == ("pricing", "query"))
    drawn = [model.miss_ms(query, z, 25.0) for z in DRAWS]
    assert sum(drawn) / len(drawn) == pytest.approx(25.0, rel=0.005)


def test_the_steps_of_a_ramp_follow_one_another_and_one_step_is_a_plain_run() -> None:
    plain = list(customers.stepped(7, [switches.LoadStep(20.0, 50.0)]))
    assert plain == list(customers.arrivals(7, 20.0, 50.0))
    steps = switches.ramp(10.0, 30.0, 3, 300.0)
    found = list(customers.stepped(7, steps, ["1.4.2"], ["GET /cart"]))
    assert found == sorted(found, key=lambda arrival: arrival.due_s)
    assert all(arrival.step == arrival.due_s // 100 for arrival in found)
    assert {(arrival.version, arrival.operation) for arrival in found} == {("1.4.2", "GET /cart")}
    for number, expected in enumerate((1000, 2000, 3000)):
        assert sum(a.step == number for a in found) == pytest.approx(expected, rel=0.1)


def test_latency_counts_from_when_an_arrival_was_due_not_from_when_it_left() -> None:
    class Quick(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    def behind() -> Iterator[Any]:
        time.sleep(0.1)  # the generator itself is held up: its customers were due before
        yield customers.Arrival(0.0, "1.4.1", 0, "GET", "/cart", {}, operation="GET /cart")

    with ThreadingHTTPServer(("127.0.0.1", 0), Quick) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        (found,) = customers.run_load(behind(), {"1.4.1": [server.server_address[1]]}).outcomes
        server.shutdown()
    assert 100 <= found.late_ms <= found.latency_ms


def test_a_step_whose_answers_fail_or_never_come_has_no_p95() -> None:
    waits = [10.0] * 18
    outcomes = [
        customers.Outcome(0, place, "GET /cart", 1.0, each, 200) for place, each in enumerate(waits)
    ]
    outcomes += [customers.Outcome(0, 18.0, "GET /cart", 3.0, 5.0, 500)]
    outcomes += [customers.Outcome(0, 19.0, "GET /cart", 2.0, float("inf"), None)]
    tally = customers.Tally(outcomes=outcomes)
    (step,) = tallies.account([switches.LoadStep(2.0, 10.0)], tally)
    assert (step["arrivals"], step["arrivals_per_s"]) == (20, 2.0)
    assert step["generator_late_ms"] == {"mean": 1.15, "max": 3.0}
    cart = step["operations"]["GET /cart"]
    assert (cart["answered_well"], cart["unanswered"]) == (18, 1)
    assert cart["latency_ms"]["p50"]["estimate"] == 10.0
    assert cart["latency_ms"]["p95"]["estimate"] is None


def test_only_a_run_sends_metrics_and_help_shows_what_can_be_set(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        shop.parser().parse_args(["record", "--out", "x", "--metrics", "5"])
    with pytest.raises(SystemExit):
        shop.parser().parse_args(["run", "--help"])
    printed = capsys.readouterr().out
    assert all(f"{service} {name}" in printed for service in model.OPERATIONS for name in
               model.OPERATIONS[service])  # fmt: skip
    assert all(switch in printed for switch in ("--ramp 5:40:8", "--price-writes 6", "--tally"))


@pytest.mark.parametrize("named", [switches, tallies, customers])
def test_the_examples_of_the_switches_hold(named: ModuleType) -> None:
    assert doctest.testmod(named).failed == 0


def test_waits_that_come_together_make_a_quantile_less_certain() -> None:
    apart = [float(place % 20) for place in range(400)]
    even, burst = (tallies.quantile(waits, 0.85) for waits in (apart, sorted(apart)))
    assert (even["low"], even["estimate"], even["high"]) == (16.0, 16.0, 17.0)
    assert burst["estimate"] == 16.0
    assert (burst["low"] < 14.0, burst["high"]) == (True, None)
