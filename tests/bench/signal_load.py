"""Load for benches of each signal: requests that differ in every item, and an HTTP client."""

import http.client
import random
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import (
    ExportProfilesServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from load import Sent

_SECOND_NANO = 1_000_000_000


class Template:
    """A request and the places in it that are new each time.

    Attributes:
        items: how many it holds.
    """

    def __init__(self, content: bytes, marks: Sequence[bytes], items: int) -> None:
        """Find the marks, which stand in the content in this order."""
        self.items = items
        self._content = np.frombuffer(content, dtype=np.uint8).copy()
        places: list[int] = []
        offset = 0
        for mark in marks:
            offset = content.index(mark, offset)
            places += range(offset, offset + len(mark))
            offset += len(mark)
        self._places = np.array(places)
        self._random = np.random.default_rng(0)
        self.first = content

    def next(self) -> bytes:
        """Make the next request."""
        self._content[self._places] = np.frombuffer(
            self._random.bytes(len(self._places)), dtype=np.uint8
        )
        return self._content.tobytes()


def _fill(attributes: object, **given: str) -> None:
    """Add attributes; names with _ for a dot."""
    for key, text in given.items():
        attributes.add(key=key.replace("_", ".")).value.string_value = text  # type: ignore[attr-defined]


def _resource(resource: object) -> None:
    _fill(
        resource.attributes,  # type: ignore[attr-defined]
        service_name="bench",
        service_version="1.4.1",
        service_instance_id="bench-1",
        deployment_environment_name="bench",
    )


def numbers(points: int) -> Template:
    """Make sums and gauges in metrics of 50 points with 4 attributes each."""
    rnd, now = random.Random(1), time.time_ns()
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    _resource(resource.resource)
    scope = resource.scope_metrics.add()
    marks = []
    for number in range(points):
        if number % 50 == 0:
            metric = scope.metrics.add(name=f"bench.requests.{number // 50}", unit="1")
            data = metric.gauge if number % 100 else metric.sum
            if data is metric.sum:
                metric.sum.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
                metric.sum.is_monotonic = True
        point = data.data_points.add(
            start_time_unix_nano=now - 60 * _SECOND_NANO,
            time_unix_nano=now,
            as_double=rnd.uniform(1.0, 2.0),
        )
        _point(point.attributes, number)
        # The low bytes of the mantissa: the number stays between 1 and 2.
        marks.append(np.float64(point.as_double).tobytes()[:6])
    return Template(request.SerializeToString(), marks, points)


def histograms(points: int) -> Template:
    """Make histograms of 14 bounds, as the SDKs' defaults have them, with 4 attributes each."""
    rnd, now = random.Random(2), time.time_ns()
    bounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    _resource(resource.resource)
    scope = resource.scope_metrics.add()
    marks = []
    for number in range(points):
        if number % 50 == 0:
            metric = scope.metrics.add(name="http.server.request.duration", unit="s")
            metric.histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
        counts = [rnd.randrange(100) for _ in range(15)]
        point = metric.histogram.data_points.add(
            start_time_unix_nano=now - 60 * _SECOND_NANO,
            time_unix_nano=now,
            count=sum(counts),
            sum=rnd.uniform(1.0, 2.0),
            bucket_counts=counts,
            explicit_bounds=bounds,
        )
        _point(point.attributes, number)
        marks.append(np.float64(point.sum).tobytes()[:6])
    return Template(request.SerializeToString(), marks, points)


def _point(attributes: object, number: int) -> None:
    _fill(
        attributes,
        http_request_method="GET",
        http_route=f"/items/{number % 20}",
        http_response_status_code=str(200 + number % 3),
        server_address=f"shop-{number % 50}.internal",
    )


def logs(records: int) -> Template:
    """Make log records with a body of some 80 characters, 5 attributes and ids of a trace."""
    rnd, now = random.Random(3), time.time_ns()
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    _resource(resource.resource)
    scope = resource.scope_logs.add()
    marks = []
    for number in range(records):
        record = scope.log_records.add(
            time_unix_nano=now - number,
            observed_time_unix_nano=now,
            severity_number=9,
            severity_text="INFO",
            trace_id=rnd.randbytes(16),
            span_id=rnd.randbytes(8),
        )
        record.body.string_value = (
            f"request {number} for /items/{number % 20} took {rnd.randrange(900)} ms and was "
            f"answered with 200"
        )
        _point(record.attributes, number)
        _fill(record.attributes, user_id=f"u{rnd.randrange(5000)}")
        marks += [record.trace_id, record.span_id]
    return Template(request.SerializeToString(), marks, records)


def profiles(samples: int) -> Template:
    """Make one profile: 1,000 functions, 1,000 stacks of 20 frames, samples of 64 threads."""
    rnd, now = random.Random(4), time.time_ns()
    request = ExportProfilesServiceRequest()
    known = request.dictionary
    known.string_table.extend(["", "samples", "count", "thread.id"])
    known.string_table.extend(f"package.module.function_{number}" for number in range(1000))
    for table in ("mapping", "function", "location", "stack", "link", "attribute"):
        getattr(known, f"{table}_table").add()
    for number in range(1000):
        known.function_table.add(name_strindex=4 + number)
        known.location_table.add().lines.add(function_index=1 + number, line=number)
        places = [rnd.randrange(1, 1001) for _ in range(20)]
        known.stack_table.add(location_indices=places)
    for number in range(64):
        known.attribute_table.add(key_strindex=3).value.int_value = number
    resource = request.resource_profiles.add()
    _resource(resource.resource)
    profile = resource.scope_profiles.add().profiles.add(
        time_unix_nano=now, duration_nano=10 * _SECOND_NANO, profile_id=rnd.randbytes(16)
    )
    profile.sample_type.type_strindex, profile.sample_type.unit_strindex = 1, 2
    for number in range(samples):
        # A stack and a thread each of its own, so that no two samples are added up.
        stack, thread = number % 1000, number // 1000 % 64
        profile.samples.add(stack_index=1 + stack, attribute_indices=[1 + thread], values=[3])
    return Template(request.SerializeToString(), [profile.profile_id], samples)


def drive_http(
    port: int, path: str, kind: str, make: Callable[[], bytes], items: int, seconds: float
) -> Sent:
    """Send over HTTP for some seconds, on four connections; again what is refused."""
    done, refused = [0], [0]
    lock = threading.Lock()
    started = time.monotonic()

    def sender() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.monotonic() - started < seconds:
            with lock:
                body = make()
            while True:
                connection.request("POST", path, body, {"Content-Type": kind})
                response = connection.getresponse()
                response.read()
                if response.status == 200:
                    break
                assert response.status == 503, response.status
                refused[0] += 1
                time.sleep(0.2)
            with lock:
                done[0] += items
        connection.close()

    threads = [threading.Thread(target=sender) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Sent(done[0], time.monotonic() - started, refused[0])
