"""The receiver over real sockets: what senders are told, what lands, how it stops."""

import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from tests.otlp import messages
from tests.otlp.conftest import StartReceiver
from tests.otlp.receivers import Answer, Receiver, Sender, answer, rows, span_ids, wait_until
from tests.otlp.test_landing import fill

pytestmark = pytest.mark.slow

OK = Answer(grpc.StatusCode.OK)
TRACE_SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


def test_a_span_can_be_asked_for_within_five_seconds_of_its_acknowledgement(
    start_receiver: StartReceiver,
) -> None:
    # With the settings that people have.
    receiver = start_receiver(journal={"segment_seconds": 1.0})
    waited = []
    for number in (1, 2, 3):
        receiver.accept(messages.numbered(number, 1))
        began = time.monotonic()
        receiver.landed(messages.ids(number, 1))
        waited.append(time.monotonic() - began)
    # The best of three: other tests may hold the machine.
    assert min(waited) < 5


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_requests_are_taken_plain_and_compressed(
    start_receiver: StartReceiver, compression: grpc.Compression
) -> None:
    receiver = start_receiver()
    assert receiver.send(messages.numbered(1, 100), compression) == OK
    assert receiver.landed(messages.ids(1, 100)) == Counter(messages.ids(1, 100))


def test_health_and_reflection_answer(start_receiver: StartReceiver) -> None:
    channel = start_receiver().sender.channel
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", TRACE_SERVICE):
        told = health.Check(health_pb2.HealthCheckRequest(service=service))
        assert told.status == health_pb2.HealthCheckResponse.SERVING
    services = ProtoReflectionDescriptorDatabase(channel).get_services()
    assert {TRACE_SERVICE, "grpc.health.v1.Health"} <= set(services)


def test_an_unknown_service_is_unimplemented(start_receiver: StartReceiver) -> None:
    call = start_receiver().sender.channel.unary_unary("/no.such.Service/Export")
    with pytest.raises(grpc.RpcError) as told:
        call(b"")
    assert told.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_the_same_bytes_are_stored_once_whenever_they_come(start_receiver: StartReceiver) -> None:
    again, last = messages.numbered(1, 5), messages.numbered(6, 1)
    receiver = start_receiver()
    calls = [receiver.sender.begin(again) for _ in range(10)]
    assert [answer(call) for call in calls] == [OK] * 10
    receiver.landed(messages.ids(1, 5))
    receiver.accept(again)
    assert receiver.stop() == 0
    receiver = start_receiver()
    receiver.accept(again)
    receiver.kill()
    receiver = start_receiver()
    receiver.accept(again, last)
    assert receiver.landed(messages.ids(6, 1)) == Counter(messages.ids(1, 6))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_all_that_was_acknowledged_is_in_the_lake(
    start_receiver: StartReceiver, number: signal.Signals
) -> None:
    # Nothing is sealed by age: only the stop hands it over.
    receiver = start_receiver(journal={"segment_seconds": 3600})
    acknowledged: list[str] = []

    def send(first: int) -> None:
        sender = Sender(receiver.port)
        for each in range(first, first + 100_000):
            if sender.send(messages.numbered(each, 1)) != OK:
                break
            acknowledged.extend(messages.ids(each, 1))
        sender.channel.close()

    threads = [threading.Thread(target=send, args=(n * 1_000_000 + 1,)) for n in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) > 100, "acknowledgements")
    assert span_ids(receiver.lake) == Counter()
    began = time.monotonic()
    assert receiver.stop(number) == 0
    assert time.monotonic() - began < 35, "the stop has its limit"
    for thread in threads:
        thread.join()
    landed = span_ids(receiver.lake)
    assert set(acknowledged) <= landed.keys()
    assert set(landed.values()) == {1}
    assert list(receiver.journal.glob("*.sealed")) + list(receiver.journal.glob("*.open")) == []


def test_over_the_backlog_senders_wait_and_are_welcome_later(
    start_receiver: StartReceiver,
) -> None:
    receiver = start_receiver(journal={"backlog_bytes": 20_000})
    os.kill(receiver.landing_pid, signal.SIGSTOP)
    taken = 0
    while (told := receiver.send(messages.numbered(100 * taken + 1, 50))) == OK:
        taken += 1
        assert taken < 100, "the backlog has no limit"
    assert told.code == grpc.StatusCode.UNAVAILABLE
    assert "bytes that have not landed; send again later" in told.message
    assert told.retry_seconds is not None
    os.kill(receiver.landing_pid, signal.SIGCONT)
    assert receiver.sender.deliver(messages.numbered(100 * taken + 1, 50)) == OK
    wanted = [each for n in range(taken + 1) for each in messages.ids(100 * n + 1, 50)]
    assert receiver.landed(wanted) == Counter(wanted)


def test_many_senders_beyond_every_limit_lose_nothing(start_receiver: StartReceiver) -> None:
    limits = {"max_concurrent_requests": 2, "max_waiting_bytes": 4096}
    receiver = start_receiver(receiver=limits | {"drain_seconds": 30.0})
    payloads = [messages.numbered(10 * number, 5) for number in range(1, 301)]
    # 75 at once on each connection: above 100 HTTP/2 itself may refuse.
    senders = [Sender(receiver.port) for _ in range(4)]
    calls = [senders[n % 4].begin(payload) for n, payload in enumerate(payloads)]
    told = [answer(call) for call in calls]
    for sender in senders:
        sender.channel.close()
    for each in told:
        assert each == OK or (
            each.code == grpc.StatusCode.UNAVAILABLE and each.retry_seconds is not None
        )
    for payload, each in zip(payloads, told, strict=True):
        if each != OK:
            assert receiver.sender.deliver(payload) == OK
    wanted = [each for number in range(1, 301) for each in messages.ids(10 * number, 5)]
    assert receiver.landed(wanted) == Counter(wanted)


def test_a_landing_that_is_killed_is_started_again(start_receiver: StartReceiver) -> None:
    receiver = start_receiver()
    for number in (1, 2, 3):
        receiver.accept(messages.numbered(number, 1))
        for child in psutil.Process(receiver.process.pid).children():
            child.kill()
        receiver.landed(messages.ids(number, 1))
    assert span_ids(receiver.lake) == Counter(messages.ids(1, 3))
    assert receiver.said("landing ended with status -9; starting it again")


def test_a_stop_lands_all_though_landing_was_just_killed(start_receiver: StartReceiver) -> None:
    receiver = start_receiver(journal={"segment_seconds": 3600})
    receiver.accept(messages.numbered(1, 3))
    os.kill(receiver.landing_pid, signal.SIGKILL)
    assert receiver.stop() == 0
    assert span_ids(receiver.lake) == Counter(messages.ids(1, 3))


def test_a_killed_receiver_takes_its_landing_with_it(start_receiver: StartReceiver) -> None:
    receiver = start_receiver()
    receiver.accept(messages.numbered(1, 3))
    landing = psutil.Process(receiver.landing_pid)
    receiver.kill()
    landing.wait(60)


def test_a_full_disk_refuses_and_works_again_when_there_is_space(
    start_receiver: StartReceiver, small_disk: Path
) -> None:
    receiver = start_receiver(lake=small_disk / "lake")
    receiver.accept(messages.numbered(1, 1))
    receiver.landed(messages.ids(1, 1))
    fill(small_disk / "filler", 0)
    refused = receiver.send(messages.numbered(1000, 2000))
    assert refused.code == grpc.StatusCode.UNAVAILABLE
    assert "No space left on device; not stored, send again" in refused.message
    assert refused.retry_seconds is not None
    (small_disk / "filler").unlink()
    receiver.accept(messages.numbered(1000, 2000), messages.numbered(2, 1))
    wanted = messages.ids(1, 2) + messages.ids(1000, 2000)
    assert receiver.landed(wanted) == Counter(wanted)
    assert not (receiver.journal / "quarantine").exists()


def test_a_second_receiver_on_a_journal_is_told_who_has_it(start_receiver: StartReceiver) -> None:
    first = start_receiver()
    second = start_receiver(ready=False)
    assert second.process.wait(60) == 2
    assert second.said(f"process {first.process.pid} holds its receiver.lock")
    assert first.send(messages.numbered(1, 1)) == OK


def test_two_receivers_with_a_journal_each_land_in_one_lake(start_receiver: StartReceiver) -> None:
    pair = [start_receiver(name=name) for name in ("a", "b")]
    for number in range(1, 21):
        pair[number % 2].accept(messages.numbered(10 * number, 3))
    wanted = [each for number in range(1, 21) for each in messages.ids(10 * number, 3)]
    assert pair[0].landed(wanted) == Counter(wanted)
    assert [receiver.stop() for receiver in pair] == [0, 0]


def test_a_taken_port_is_named_and_nothing_stays_running(start_receiver: StartReceiver) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        receiver = start_receiver(ready=False, receiver={"grpc_port": port})
        assert receiver.process.wait(60) == 2
    assert receiver.said(f"CannotListen: 127.0.0.1:{port}: cannot listen there")
    assert json.loads((receiver.journal / "journal.json").read_text())["format"] == 1


def test_rows_are_what_was_sent(start_receiver: StartReceiver) -> None:
    receiver: Receiver = start_receiver()
    sent = messages.span(7, name="GET /cart", given={"http.route": "/cart", "n": 1, "ok": True})
    receiver.accept(messages.request([sent], service="cart"))
    receiver.landed(messages.ids(7, 1))
    (row,) = rows(receiver.lake)
    assert row["service_name"] == "cart"
    assert row["name"] == "GET /cart"
    assert row["http_route"] == "/cart"
    assert row["duration_nano"] == 5_000_000
    assert row["attributes"] == [("http.route", "/cart"), ("n", "1"), ("ok", "true")]
