"""Load for benches: distinct trace requests, and a client that sends as fast as it may."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc
import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Requests:
    """Requests of n spans with 8 attributes each; ids are new in every one."""

    def __init__(self, spans: int, seed: int = 0) -> None:
        rnd = random.Random(seed)
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        for key, value in (
            ("service.name", "bench"),
            ("service.version", "1.4.1"),
            ("service.instance.id", f"bench-{seed}"),
            ("deployment.environment.name", "bench"),
        ):
            resource.resource.attributes.add(key=key).value.string_value = value
        scope = resource.scope_spans.add()
        scope.scope.name = "bench"
        now = time.time_ns()
        ids = []
        for number in range(spans):
            start = now - rnd.randrange(60_000_000_000)
            span = scope.spans.add(
                trace_id=rnd.randbytes(16),
                span_id=rnd.randbytes(8),
                parent_span_id=rnd.randbytes(8),
                name=f"GET /items/{number % 20}",
                kind=2,
                start_time_unix_nano=start,
                end_time_unix_nano=start + int(rnd.lognormvariate(16.5, 0.5)),
            )
            for key, text in (
                ("http.request.method", "GET"),
                ("http.route", f"/items/{number % 20}"),
                ("url.path", f"/items/{number}"),
                ("server.address", "bench.internal"),
                ("user_agent.original", "bench/1.0"),
                ("user.id", f"u{rnd.randrange(5000)}"),
            ):
                span.attributes.add(key=key).value.string_value = text
            span.attributes.add(key="http.response.status_code").value.int_value = 200
            span.attributes.add(key="server.port").value.int_value = 8080
            ids += [span.trace_id, span.span_id, span.parent_span_id]
        self.spans = spans
        template = request.SerializeToString()
        self._template = np.frombuffer(template, dtype=np.uint8).copy()
        places: list[int] = []
        for one in ids:
            offset = template.index(one)
            places += range(offset, offset + len(one))
        self._places = np.array(places)
        self._random = np.random.default_rng(seed)

    def next(self) -> bytes:
        """Make the next request."""
        self._template[self._places] = np.frombuffer(
            self._random.bytes(len(self._places)), dtype=np.uint8
        )
        return self._template.tobytes()


@dataclass(frozen=True)
class Sent:
    """What a client sent.

    Attributes:
        spans: acknowledged.
        seconds: from first to last.
        refused: answers that asked to send again.
    """

    spans: int
    seconds: float
    refused: int

    @property
    def rate(self) -> float:
        """Give acknowledged spans a second."""
        return self.spans / self.seconds


def drive(
    port: int,
    make: Callable[[], bytes],
    spans: int,
    seconds: float,
    in_flight: int = 16,
    method: str = EXPORT,
) -> Sent:
    """Send for some seconds, a fixed number in flight, again what is refused."""

    async def run() -> Sent:
        done = refused = 0
        options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            export = channel.unary_unary(method)
            started = time.monotonic()

            async def sender() -> None:
                nonlocal done, refused
                while time.monotonic() - started < seconds:
                    request = make()
                    while True:
                        try:
                            await export(request)
                        except grpc.RpcError as error:
                            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                                raise
                            refused += 1
                            await asyncio.sleep(0.2)
                        else:
                            done += spans
                            break

            await asyncio.gather(*(sender() for _ in range(in_flight)))
            return Sent(done, time.monotonic() - started, refused)

    return asyncio.run(run())
