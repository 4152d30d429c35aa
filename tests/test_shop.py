"""The sample shop: faults do what they say, nothing stays running, the recording is true."""

import doctest
import hashlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import NormalDist, quantiles
from tempfile import TemporaryDirectory
from threading import Barrier, BrokenBarrierError, Thread
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

DATA = Path(__file__).parents[1] / "data"
CLOSING_TIMEOUT_S = 40
SERVER = Span.SPAN_KIND_SERVER


def load(name: str) -> ModuleType:
    """Import a module of the shop by its path: `data` is a folder of scripts, not a package."""
    spec = importlib.util.spec_from_file_location(name, DATA / f"{name}.py")
    assert spec
    assert spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(DATA))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(DATA))
    return module


model, shop, truth = load("shop_model"), load("shop"), load("shop_truth")
customers, services, recorder = load("shop_load"), load("shop_services"), load("shop_record")

EVERYBODY = {(version, s.name) for version in ("1.4.1", "1.4.2") for s in model.SERVICES}
CHARGE = next(step for step in model.STEPS if step.name == "charge card")
# One draw at the middle of each of 1,000 equal shares of the normal distribution.
DRAWS = [NormalDist().inv_cdf((rank + 0.5) / 1000) for rank in range(1000)]


class Seen(NamedTuple):
    """A span that arrived."""

    service: str
    version: str
    span: Span
    attributes: dict[str, Any]


def seen_in(messages: Iterable[bytes]) -> list[Seen]:
    """Unpack export requests."""
    seen = []
    for message in messages:
        for group in ExportTraceServiceRequest.FromString(message).resource_spans:
            resource = truth.attributes_of(group.resource.attributes)
            by = resource["service.name"], resource["service.version"]
            spans = [span for scope in group.scope_spans for span in scope.spans]
            seen += [Seen(*by, span, truth.attributes_of(span.attributes)) for span in spans]
    return seen


def served(seen: list[Seen], version: str, service: str, name: str) -> list[Seen]:
    """Pick the SERVER spans of an operation."""
    wanted = (version, service, name, SERVER)
    return [s for s in seen if (s.version, s.service, s.span.name, s.span.kind) == wanted]


@contextmanager
def started(arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a small shop and end what is left of it in any case.

    All its processes hold its stderr: `communicate` returns when the last of them has ended.
    """
    command = [sys.executable, str(DATA / "shop.py"), *arguments.split(), "--instances", "1"]
    with TemporaryDirectory() as scraps:  # a shop that is killed cannot clear up after itself
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "TMPDIR": scraps},
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture(scope="module")
def seen() -> list[Seen]:
    """Run the shop once with three faults in 1.4.2 and nothing wrong with 1.4.1."""
    faults = "--fault n-plus-one --fault errors=0.5 --fault short-ttl=0.02"
    messages: list[bytes] = []
    with recorder.receiving(messages.append) as endpoint:
        with started(f"run --endpoint {endpoint} --seconds 5 --rate 40 {faults}") as process:
            out, err = process.communicate(timeout=CLOSING_TIMEOUT_S)
        assert process.returncode == 0, err
        assert " 0 unanswered, 0 turned away" in out
        return seen_in(messages)


def assert_connected(seen: list[Seen]) -> None:
    """Check that every parent is there, in the same version, and outlasts its children."""
    spans = {(s.span.trace_id, s.span.span_id): s for s in seen}
    for child in seen:
        if child.span.parent_span_id:
            parent = spans[child.span.trace_id, child.span.parent_span_id]
            assert parent.version == child.version
            assert parent.span.start_time_unix_nano <= child.span.start_time_unix_nano
            assert parent.span.end_time_unix_nano >= child.span.end_time_unix_nano
        else:
            assert (child.service, child.span.kind) == ("gateway", SERVER)


@pytest.mark.slow
def test_every_trace_is_connected_and_every_service_takes_part(seen: list[Seen]) -> None:
    assert_connected(seen)
    assert {(s.version, s.service) for s in seen} == EVERYBODY
    placed = served(seen, "1.4.1", "orders", "POST /orders")[0].span.trace_id
    assert len({s.service for s in seen if s.span.trace_id == placed}) == 4


@pytest.mark.slow
def test_n_plus_one_reads_a_cart_item_by_item(seen: list[Seen]) -> None:
    queries = Counter(s.span.parent_span_id for s in seen if "db.query.text" in s.attributes)
    for version, least, most in (("1.4.1", 2, 2), ("1.4.2", 4, 10)):
        carts = served(seen, version, "orders", "GET /orders/{id}")
        assert carts
        assert all(least <= queries[cart.span.span_id] <= most for cart in carts)


@pytest.mark.slow
def test_errors_answer_500_with_a_status_and_a_type(seen: list[Seen]) -> None:
    shares = []
    for version in ("1.4.1", "1.4.2"):
        checkouts = served(seen, version, "checkout", "POST /checkout")
        failed = [s for s in checkouts if s.attributes["http.response.status_code"] == 500]
        assert all(s.span.status.code == 2 and s.attributes["error.type"] for s in failed)
        shares.append(len(failed) / len(checkouts))
    assert shares[0] < 0.2 < shares[1]


@pytest.mark.slow
def test_a_short_ttl_lowers_the_share_of_cache_hits(seen: list[Seen]) -> None:
    hit_shares = []
    for version in ("1.4.1", "1.4.2"):
        hits = [s.attributes.get("cache.hit") for s in seen if s.version == version]
        hit_shares.append(hits.count(True) / (hits.count(True) + hits.count(False)))
    assert hit_shares[1] < hit_shares[0] / 2


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_shop_that_is_stopped_or_killed_leaves_no_process(number: signal.Signals) -> None:
    with recorder.receiving(len) as endpoint, started(f"run --endpoint {endpoint}") as process:
        assert process.stdout
        assert process.stdout.readline() == "the shop is open\n"
        process.send_signal(number)
        process.communicate(timeout=CLOSING_TIMEOUT_S)
        assert process.returncode == (-9 if number == signal.SIGKILL else 130)


def test_a_slow_operation_slows_every_step_of_checkout_and_nothing_else() -> None:
    faults = {"slow-operation": 1.5}
    factors = {(s.service, model.fault_factor(s, z, faults)) for s in model.STEPS for z in DRAWS}
    assert factors == {("checkout", 1.5), ("gateway", 1.0), ("pricing", 1.0), ("orders", 1.0)}


def test_a_slow_tail_moves_what_is_above_p95_and_leaves_the_rest() -> None:
    healthy = quantiles([model.step_ms(CHARGE, z, {}) for z in DRAWS], n=100)
    faulty = quantiles([model.step_ms(CHARGE, z, {"slow-tail": 3.0}) for z in DRAWS], n=100)
    assert healthy[49] == pytest.approx(CHARGE.median_ms)
    assert faulty[:94] == healthy[:94]
    assert faulty[98] == pytest.approx(3 * healthy[98])


def test_hosts_and_minutes_differ_by_a_little() -> None:
    factors = [model.host_factor(7, model.host_of(instance)) for instance in (1, 2, 3)]
    factors += [model.drift_factor(7, 60.0 * minute) for minute in range(20)]
    assert len(set(factors)) == len(factors)
    assert all(0.85 < factor < 1.15 for factor in factors)


@pytest.mark.parametrize("text", ["slow", "errors=0", "errors=nan", "errors=2", "n-plus-one=0.5"])
def test_a_switch_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"known faults: .*|above zero|at most 1|come whole"):
        model.fault_from(text)


def test_help_shows_every_fault_with_its_default_size(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        shop.parser().parse_args(["record", "--help"])
    printed = capsys.readouterr().out
    assert all(re.search(rf"{f.name} +{f.size:g} {f.unit}", printed) for f in model.FAULTS)


def test_the_cache_forgets_an_item_when_its_time_is_up() -> None:
    cache = services.TtlCache(ttl_s=2.0)
    cache.put("price", b"7", now_s=10.0)
    assert [cache.get("price", now_s) for now_s in (10.0, 11.9, 12.0)] == [b"7", b"7", None]


def test_the_same_seed_draws_the_same_customers_split_evenly() -> None:
    first, again = (list(customers.arrivals(7, 20.0, 200.0)) for _ in range(2))
    assert first == again == sorted(first, key=lambda arrival: arrival.due_s)
    assert len(first) == pytest.approx(4000, rel=0.05)
    assert Counter(a.version for a in first)["1.4.1"] == pytest.approx(len(first) / 2, rel=0.05)


def test_the_load_does_not_wait_for_slow_answers() -> None:
    together = Barrier(8)

    class Patient(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # Answers once all eight are here: a load that waits for the first gets no answer.
            with suppress(BrokenBarrierError):
                together.wait(timeout=8)
            self.send_response(500 if together.broken else 200)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Patient) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        due = (customers.Arrival(n / 100, "1.4.1", n, "GET", "/cart", {}) for n in range(8))
        tally = customers.run_load(due, {"1.4.1": [server.server_address[1]]})
        server.shutdown()
    assert (tally.sent, tally.answered, tally.failed) == (8, 8, 0)


@pytest.mark.parametrize(
    "module", [model, truth, customers, *map(load, ("shop_readme", "shop_http"))]
)
def test_the_examples_in_the_docstrings_hold(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


def assert_sample_is_true(folder: Path) -> dict[str, Any]:
    """Check a sample against its README.md and its expected.json, which is returned."""
    expected: dict[str, Any] = json.loads((folder / "expected.json").read_text())
    seen: list[Seen] = []
    for name, facts in expected["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == facts["sha256"]
        assert facts["sha256"] in (folder / "README.md").read_text()
        seen += seen_in(truth.read_messages(folder / name))
    assert_connected(seen)
    assert {(s.version, s.service) for s in seen} == EVERYBODY
    counted = Counter((s.service, s.version, s.span.kind, s.span.name) for s in seen)
    for row in expected["operations"]:
        kind = Span.SpanKind.Value(f"SPAN_KIND_{row['kind']}")
        assert counted.pop((row["service"], row["version"], kind, row["operation"])) == row["spans"]
    assert not counted
    assert min(s.span.start_time_unix_nano for s in seen) == expected["start_unix_nano_min"]
    assert max(s.span.end_time_unix_nano for s in seen) == expected["end_unix_nano_max"]
    return expected


@pytest.mark.slow
def test_a_recording_says_truly_what_it_holds_and_leaves_no_scraps(tmp_path: Path) -> None:
    with started(f"record --out {tmp_path}/otlp --seconds 2 --fault slow-tail") as process:
        _, err = process.communicate(timeout=CLOSING_TIMEOUT_S)
        assert process.returncode == 0, err
    assert assert_sample_is_true(tmp_path)["faults"] == {"slow-tail": 3.0}
    names = {path.name for path in (tmp_path / "otlp").iterdir()}
    assert names == {"shop-1.4.1.otlp.gz", "shop-1.4.2.otlp.gz"}


def test_the_sample_is_true_and_small_and_shows_its_faults() -> None:
    expected = assert_sample_is_true(DATA / "sample")
    assert sum(facts["bytes"] for facts in expected["files"].values()) < 5_000_000
    rows = [row for row in expected["operations"] if row["operation"] == "POST /checkout"]
    assert all(row["spans"] >= 2000 for row in rows)
    before, after = (row["duration_ms_p50"] for row in rows if row["service"] == "checkout")
    assert 1.3 < after / before < 1.5
    healthy, faulty = (facts["cart_reads"] for facts in expected["versions"].values())
    assert healthy["database_spans"] == 2 * healthy["requests"]
    assert faulty["database_spans"] > 4 * faulty["requests"]


def test_the_sample_names_nothing_of_the_machine_that_made_it() -> None:
    for path in (DATA / "sample" / "otlp").iterdir():
        spans = b"".join(truth.read_messages(path))
        assert not [folder for folder in (b"/tmp", b"/home", b"/root") if folder in spans]
        # One literal at a time: alternatives take a hundred times as long over so many bytes.
        assert not re.search(rb"\.py\b", spans)
        assert re.search(rb"shop-host-\d", spans)
