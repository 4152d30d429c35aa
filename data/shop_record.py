"""Recording the shop: an OTLP receiver that keeps what arrives, and the sample it becomes."""

import gzip
import hashlib
import json
import os
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from shop_fleet import Plan, open_shop
from shop_load import Tally, arrivals, run_load
from shop_model import VERSIONS
from shop_readme import readme
from shop_truth import attributes_of, count_messages, frame, read_messages

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
MESSAGE_BYTES_MOST = 64 * 1024 * 1024


@contextmanager
def receiving(keep: Callable[[bytes], object]) -> Iterator[str]:
    """Receive OTLP over gRPC on a loopback port, give the endpoint, keep each request as it came.

    `keep` is called by one thread at a time; when it returns, the request is acknowledged.
    """

    def export(message: bytes, _: grpc.ServicerContext) -> bytes:
        keep(message)
        return b""  # an empty response says that all of it was accepted

    # One thread, so that requests are kept one at a time.
    server = grpc.server(
        ThreadPoolExecutor(1), options=[("grpc.max_receive_message_length", MESSAGE_BYTES_MOST)]
    )
    methods = {"Export": grpc.unary_unary_rpc_method_handler(export)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(grace=5).wait()


def version_of(message: bytes) -> str:
    """Return the service.version of an export request; a request of the SDK has one resource."""
    resource = ExportTraceServiceRequest.FromString(message).resource_spans[0].resource
    return str(attributes_of(resource.attributes)["service.version"])


def file_name(version: str) -> str:
    """Return the name of a version's file."""
    return f"shop-{version}.otlp.gz"


def record(out: Path, plan: Plan, rate_per_s: float, seconds: float, command: list[str]) -> Tally:
    """Run the shop into a receiver of our own and write the sample; return what the load saw.

    The two recordings go to `out`, README.md and expected.json to the folder above it. Nothing
    there changes before the run has ended well.
    """
    out.mkdir(parents=True, exist_ok=True)
    unfinished = {version: out / f".{file_name(version)}.part" for version in VERSIONS}
    # What the environment says about OpenTelemetry would end up in the sample.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    try:
        with ExitStack() as stack:
            files = {
                version: stack.enter_context(_gzip_writer(path))
                for version, path in unfinished.items()
            }
            endpoint = stack.enter_context(
                receiving(lambda message: files[version_of(message)].write(frame(message)))
            )
            with open_shop(replace(plan, endpoint=endpoint), environment) as gateways:
                tally = run_load(arrivals(plan.seed, rate_per_s, seconds), gateways)
        for version, path in unfinished.items():
            path.replace(out / file_name(version))
    finally:
        for path in unfinished.values():
            path.unlink(missing_ok=True)
    describe(out, plan, rate_per_s, seconds, tally, command)
    return tally


@contextmanager
def _gzip_writer(path: Path) -> Iterator[IO[bytes]]:
    # No name and no time in the header: the same spans make the same bytes.
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=raw, mtime=0) as file,
    ):
        yield file  # type: ignore[misc]


def describe(
    out: Path, plan: Plan, rate_per_s: float, seconds: float, tally: Tally, command: list[str]
) -> None:
    """Count what the recordings in `out` hold, and write expected.json and README.md above it."""
    paths = [out / file_name(version) for version in VERSIONS]
    truth = count_messages(message for path in paths for message in read_messages(path))
    expected: dict[str, Any] = {
        "command": shlex.join(command),
        "seed": plan.seed,
        "rate_per_s": rate_per_s,
        "seconds": seconds,
        "fault_version": plan.fault_version,
        "faults": dict(plan.faults),
        "load": str(tally),
        "files": {f"{out.name}/{path.name}": _file_facts(path) for path in paths},
        **truth.as_json(),
    }
    (out.parent / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    (out.parent / "README.md").write_text(readme(expected))


def _file_facts(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "bytes_unpacked": len(gzip.decompress(content)),
    }
