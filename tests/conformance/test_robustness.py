"""What a receiver must survive, point by point, against ``tailgate serve``."""

import contextlib
import gzip
import json
import math
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

from collectors.otlp.signals import (
    LOG_RECORDS,
    METRIC_POINTS,
    SIGNALS,
    TRACES,
    Signal,
)
from tests.conformance import http2
from tests.conformance.conftest import SHARED_LIMIT_BYTES, Serve
from tests.conformance.running import COMMAND, Running, plain_environment, running
from tests.conformance.senders import OK, export, path_of, post
from tests.conformance.telemetry_requests import (
    TABLE,
    add_gauge,
    add_span,
    fresh,
    message,
    request,
    with_attributes,
)
from tests.otlp.receivers import PATIENCE_SECONDS, wait_until
from tests.otlp.wire_bytes import field
from tests.otlp_http.services import JSON, PROTOBUF, head, read_reply, zstd

pytestmark = pytest.mark.slow

INVALID = grpc.StatusCode.INVALID_ARGUMENT
DAY_NANO = 86_400_000_000_000

BOMB = bytes(64 << 20)
PACKED = {"gzip": gzip.compress(BOMB), "zstd": zstd.compress(BOMB)}


def peak_bytes(pid: int) -> int:
    """Give the most memory that a process ever held."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("this system does not tell how much memory a process held")
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def test_41_a_decompression_bomb_is_bounded_in_memory(shared: Running, signal: Signal) -> None:
    export(shared, signal, b"")
    before = peak_bytes(shared.process.pid)
    for name, packed in PACKED.items():
        assert len(packed) < SHARED_LIMIT_BYTES // 10
        for kind in (PROTOBUF, JSON):
            assert post(shared, signal, packed, kind, Content_Encoding=name).status == 413
    sent = export(shared, signal, BOMB, compression=grpc.Compression.Gzip)
    assert sent.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert peak_bytes(shared.process.pid) - before < 4 * SHARED_LIMIT_BYTES


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Give a receiver that waits for nobody."""
    limits = {
        "http_header_seconds": 0.3,
        "http_body_seconds": 0.3,
        "http_idle_seconds": 0.3,
        "grpc_handshake_seconds": 0.3,
        "grpc_idle_seconds": 0.5,
        "grpc_connection_seconds": 1.0,
        "grpc_request_seconds": 0.3,
    }
    with running(tmp_path_factory.mktemp("impatient"), {"receiver": limits}) as started:
        yield started


def test_42_slow_http_clients_time_out(impatient: Running) -> None:
    with contextlib.ExitStack() as stack:
        silent, begun = (stack.enter_context(impatient.raw()) for _ in range(2))
        begun.sendall(b"POST /v1/")
        slow = [stack.enter_context(impatient.raw()) for _ in SIGNALS]
        for taken, signal in zip(slow, SIGNALS, strict=True):
            taken.sendall(head(path_of(signal), "Content-Length: 1000") + b"x")
        for taken in (begun, *slow):
            assert read_reply(taken).status == 408
        for taken in (silent, begun, *slow):
            assert taken.recv(1) == b""


def test_42_an_idle_http_connection_is_closed(impatient: Running) -> None:
    with impatient.raw() as idle:
        idle.sendall(head(path_of(TRACES), "Content-Length: 0"))
        reply = read_reply(idle)
        assert (reply.status, idle.recv(1)) == (200, b"")


def test_42_slow_grpc_clients_time_out(impatient: Running) -> None:
    # Well below the defaults, which are 10 s and more; grpc varies an age by a tenth.
    most = 5.0
    assert http2.seconds_until_closed(impatient, b"") < most
    assert http2.seconds_until_closed(impatient, http2.PREFACE) < most
    assert 0.4 < http2.seconds_until_closed(impatient, http2.CONNECTED) < most


def test_42_a_grpc_request_that_does_not_end_is_cut_off(impatient: Running) -> None:
    begun = [http2.CONNECTED + http2.begun_call(f"/{each.service}/Export") for each in SIGNALS]
    with ThreadPoolExecutor(len(begun)) as pool:
        seconds = pool.map(partial(http2.seconds_until_closed, impatient), begun)
        assert all(0.9 < each < 5.0 for each in seconds)
    assert export(impatient, TRACES, request(TRACES, fresh())).code is OK


def test_42_connections_are_capped(serve: Serve) -> None:
    capped = serve(receiver={"http_max_connections": 2, "grpc_max_connections": 2})
    for port, hello in ((capped.http_port, b""), (capped.grpc_port, http2.CONNECTED)):
        held = [capped.raw(port) for _ in range(2)]
        for taken in held:
            taken.sendall(hello or head("/v1/traces", "Content-Length: 0"))
            assert taken.recv(1)
        with capped.raw(port) as taken:
            taken.settimeout(PATIENCE_SECONDS)
            arrived = taken.recv(4096)
            assert arrived == b"" or b" 503 " in arrived
        for taken in held:
            taken.close()
    # There is room again.
    payload = request(TRACES, fresh())
    wait_until(lambda: export(capped, TRACES, payload).code is OK, "room for a connection")


def nested(signal: Signal, depth: int) -> bytes:
    """Give a request whose resource has an attribute of lists in lists."""
    value = b""
    for _ in range(depth):
        value = field(5, field(1, value))
    pair = field(1, b"deep") + field(2, value)
    return field(1, field(1, field(1, pair)))


def nested_json(signal: Signal, depth: int) -> bytes:
    value = '{"arrayValue":{"values":[' * depth + "{}" + "]}}" * depth
    pair = f'{{"key":"deep","value":{value}}}'
    name = signal.request.DESCRIPTOR.fields[0].json_name
    return f'{{"{name}":[{{"resource":{{"attributes":[{pair}]}}}}]}}'.encode()


def test_43_values_10_000_deep_are_refused_for_good(shared: Running, signal: Signal) -> None:
    deep = nested(signal, 10_000)
    sent = export(shared, signal, deep)
    assert (sent.code, sent.retries) == (INVALID, False)
    assert "deep" in sent.message
    for body, kind in ((deep, PROTOBUF), (nested_json(signal, 10_000), JSON)):
        reply = post(shared, signal, body, kind)
        assert (reply.status, reply.kind, reply.refusal()[0].code) == (400, kind, 3)
    # Ten are fine, so that it is not the form that is refused.
    assert export(shared, signal, nested(signal, 10)).code is OK
    assert post(shared, signal, nested_json(signal, 10), JSON).status == 200


def counted(shared: Running, before: dict[str, int], reason: str, least: int) -> bool:
    """Wait until that many more repairs have been counted."""
    return bool(
        wait_until(
            lambda: shared.repaired().get(reason, 0) - before.get(reason, 0) >= least, reason
        )
    )


def test_44_an_attribute_of_1_mb_is_cut_and_counted(shared: Running, signal: Signal) -> None:
    before, service = shared.repaired(), fresh("p44")
    sent = export(shared, signal, with_attributes(signal, service, 1, "x" * 1_000_000))
    assert sent.code is OK
    (row,) = shared.landed(TABLE[signal.name], service)
    assert row["attributes"] == [("key.0", "x" * 65_536)]
    assert counted(shared, before, "texts_cut", 1)


def test_44_of_10_000_attributes_the_first_are_kept_and_the_rest_counted(
    shared: Running, signal: Signal
) -> None:
    before, service = shared.repaired(), fresh("p44")
    assert export(shared, signal, with_attributes(signal, service, 10_000, "v")).code is OK
    (row,) = shared.landed(TABLE[signal.name], service)
    assert row["attributes"] == [(f"key.{number}", "v") for number in range(1024)]
    assert counted(shared, before, "attributes_over_limit", 10_000 - 1024)
    if signal in (TRACES, LOG_RECORDS):
        assert row["dropped_attributes_count"] == 10_000 - 1024


def test_45_invalid_utf_8_is_refused_for_that_request_alone(
    shared: Running, signal: Signal
) -> None:
    service = fresh("p45")
    broken = request(signal, "broken").replace(b"broken", b"br\xffken")
    sent = export(shared, signal, broken)
    assert (sent.code, sent.retries) == (INVALID, False)
    assert post(shared, signal, broken).status == 400
    assert post(shared, signal, b'{"x": "\xff"}', JSON).status == 400
    assert export(shared, signal, request(signal, service)).code is OK
    assert len(shared.landed(TABLE[signal.name], service)) == 1


def tailgate(*arguments: object) -> bytes:
    """Run a command."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, env=plain_environment(), check=True
    ).stdout


def test_47_times_that_cannot_be_are_kept_flagged_and_out_of_baselines(serve: Serve) -> None:
    served, service, now = serve(), fresh("p47"), time.time_ns()
    made, spans = message(TRACES, service)
    times = {
        "ok": (now - 5_000_000, now),
        "absent": (0, 0),
        "future": (now + 2 * DAY_NANO, now + 2 * DAY_NANO + 900_000_000),
        "reversed": (now, now - 900_000_000),
    }
    for name, (start, end) in times.items():
        add_span(spans, name=name, start_time_unix_nano=start, end_time_unix_nano=end)
    assert export(served, TRACES, made.SerializeToString()).code is OK
    served.landed(TABLE["traces"], service, 4)
    facts = served.ask("SELECT name, clock FROM span_facts WHERE service_name = ?", service)
    assert {row["name"]: row["clock"] for row in facts} == {name: name for name in times}
    tailgate("rollup", "--lake", served.lake)
    told = json.loads(tailgate("run", "baseline", "--lake", served.lake, "--format", "json"))
    groups = {group["dimensions"]["operation"]: group for group in told["groups"]}
    # One whose clock ran backwards was a request all the same; its duration is left out.
    assert groups.keys() == {"ok", "reversed"}
    assert (groups["ok"]["clock_errors"], groups["ok"]["duration_nano_max"]) == (0, 5_000_000)
    assert (groups["reversed"]["clock_errors"], groups["reversed"]["duration_nano_max"]) == (
        1,
        None,
    )


def test_48_nan_and_infinities_are_kept_as_such(shared: Running) -> None:
    service = fresh("p48")
    made, metrics = message(METRIC_POINTS, service)
    for value in (math.nan, math.inf, -math.inf, -0.0):
        add_gauge(metrics, value)
    assert export(shared, METRIC_POINTS, made.SerializeToString()).code is OK
    rows = shared.landed(TABLE["metrics"], service, 4)
    assert [str(row["value_double"]) for row in rows] == ["nan", "inf", "-inf", "-0.0"]


@pytest.mark.parametrize(
    ("temporality", "values", "added"),
    [
        # 7 begins anew after a restart: the counter fell.
        (2, [10, 25, 7, 9], [10, 15, 7, 2]),
        (1, [10, 25, 7, 9], [10, 25, 7, 9]),
    ],
)
def test_48_resets_cumulative_and_delta_sums_add_up(
    shared: Running, temporality: int, values: list[int], added: list[int]
) -> None:
    service, now = fresh("p48"), time.time_ns()
    made, metrics = message(METRIC_POINTS, service)
    total: Any = metrics.add(name="requests").sum
    total.is_monotonic, total.aggregation_temporality = True, temporality
    start = now
    for number, value in enumerate(values):
        since = start if temporality == 2 else now + number * 1_000_000_000
        total.data_points.add(
            as_int=value,
            start_time_unix_nano=since,
            time_unix_nano=now + (number + 1) * 1_000_000_000,
        )
    assert export(shared, METRIC_POINTS, made.SerializeToString()).code is OK
    shared.landed(TABLE["metrics"], service, 4)
    sql = """
        SELECT delta, is_reset FROM metric_rates WHERE service_name = ? ORDER BY time_unix_nano
    """
    rows = shared.ask(sql, service)
    assert [row["delta"] for row in rows] == added
    assert [bool(row["is_reset"]) for row in rows] == [
        temporality == 2 and n == 2 for n in range(4)
    ]
