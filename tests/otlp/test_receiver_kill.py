"""kill -9 at random moments: what was acknowledged is there once, and retries do not double."""

import itertools
import os
import random
import signal
import threading
import time
from collections import Counter

import grpc
import psutil
import pytest

from tests.otlp import messages
from tests.otlp.conftest import StartReceiver
from tests.otlp.receivers import Answer, Receiver, Sender, span_ids, wait_until

pytestmark = pytest.mark.slow

MOMENTS = 50
SENDERS = 3
SPANS = 5
OK = Answer(grpc.StatusCode.OK)


class Load:
    """Senders that send each request again, byte for byte, until it is acknowledged."""

    def __init__(self) -> None:
        self.port = 0
        self.delivered: list[str] = []
        self.retries = 0
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(number * 10_000_000 + 1,))
            for number in range(SENDERS)
        ]

    def start(self, port: int) -> None:
        self.port = port
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End when each sender has its last request acknowledged."""
        self._stop.set()
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive()

    def _send(self, first: int) -> None:
        port, sender = 0, Sender(1)
        for number in itertools.count(first, SPANS):
            payload = messages.numbered(number, SPANS)
            while True:
                if port != self.port:
                    sender.channel.close()
                    port = self.port
                    sender = Sender(port)
                if sender.send(payload) == OK:
                    break
                self.retries += 1
                time.sleep(0.005)
            self.delivered += messages.ids(number, SPANS)
            if self._stop.is_set():
                sender.channel.close()
                return
            # The point is kills, not throughput.
            time.sleep(0.002)


def kill_landing(receiver: Receiver) -> None:
    for child in psutil.Process(receiver.process.pid).children():
        os.kill(child.pid, signal.SIGKILL)


def test_killed_at_fifty_moments_every_acknowledged_span_is_there_once(
    start_receiver: StartReceiver,
) -> None:
    rng = random.Random(20261125)
    load = Load()
    receiver = start_receiver()
    load.start(receiver.port)
    try:
        for _ in range(MOMENTS):
            time.sleep(rng.uniform(0.01, 0.4))
            match rng.choice(("receiver", "landing", "both")):
                case "landing":
                    kill_landing(receiver)
                    continue
                case "both":
                    kill_landing(receiver)
            receiver.kill()
            receiver = start_receiver()
            load.port = receiver.port
    finally:
        load.stop()
    assert load.retries > 0, "nothing was under way at any kill"
    delivered = Counter(load.delivered)
    assert set(delivered.values()) == {1}
    # All is sealed and landed by the stop, or by the landing that the last kill left behind.
    assert receiver.stop() == 0
    wait_until(lambda: not list(receiver.journal.glob("*.sealed")), "the rest to land")
    assert span_ids(receiver.lake) == delivered
    assert not (receiver.journal / "quarantine").exists() or all(
        file.name.startswith("segment-") for file in (receiver.journal / "quarantine").iterdir()
    )
