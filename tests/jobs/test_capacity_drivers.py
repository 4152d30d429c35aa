"""What CPU follows besides requests: counted as can be done by hand, and told in every form."""

import io
import json
from typing import Any

import numpy as np
import pytest

from pipeline.jobs.capacity import run
from pipeline.jobs.capacity_answer import CapacityResult
from pipeline.jobs.capacity_request import CapacityRequest
from pipeline.jobs.capacity_rows import ServiceRows, read_capacity_rows
from pipeline.lake import Lake, append, open_lake
from pipeline.report.capacity import WRITERS
from pipeline.schema import METRICS, SPANS
from tests.jobs.capacity_lake import CPU_COUNTER, NOON, SECOND, span, spans_table
from tests.metrics.conftest import rows_of

BUCKETS = 42


def at(seconds: float) -> int:
    """Give a time after noon."""
    return NOON + round(seconds * SECOND)


def trace(number: int) -> str:
    return f"{number:032x}"


def counted(lake: Lake) -> dict[str, list[float]]:
    """Give what was counted in each bucket of ten seconds, by driver."""
    (found,) = read_capacity_rows(lake, CapacityRequest(bucket_s=10))
    return by_name(found)


def by_name(found: ServiceRows) -> dict[str, list[float]]:
    columns = (10 * found.drivers.per_second).T.round(9).tolist()
    return dict(zip(found.drivers.names, columns, strict=True))


def test_calls_messages_rows_and_bytes_count_where_their_request_ends(lake: Lake) -> None:
    told = [("http.request.body.size", "100"), ("http.response.body.size", "2000")]
    rows, read = [("db.response.returned_rows", "7")], [("http.response.body.size", "500")]
    batch = [("messaging.batch.message_count", "3")]
    given = [
        # From the first bucket to the second, where all that is below it counts as well.
        span(trace(1), 1, None, "cart", 2, at(0), at(12), attributes=told),
        span(trace(1), 2, 1, "q", 3, at(1), at(2), db_system="postgresql", attributes=rows),
        span(trace(1), 3, 1, "orm", 1, at(2), at(3), db_system="sqlite"),
        span(trace(1), 4, 1, "GET", 3, at(2), at(3), db_system="redis"),
        span(trace(1), 5, 1, "get", 3, at(3), at(4), http_request_method="GET", attributes=read),
        span(trace(1), 6, 1, "rpc", 3, at(4), at(5), rpc_system="grpc"),
        span(trace(1), 7, 1, "s", 4, at(5), at(6), messaging_system="kafka", attributes=batch),
        # Work beside all requests counts where it ends.
        span(trace(2), 8, None, "q", 3, at(3), at(4), db_system="postgresql"),
        # What is no call of something is no driver.
        span(trace(1), 9, 1, "work", 1, at(1), at(2)),
    ]
    append(lake, SPANS, spans_table(given))
    assert counted(lake) == {
        "cache calls": [0, 1],
        "db calls": [1, 2],
        "db rows": [0, 7],
        "http calls": [0, 1],
        "messages sent": [0, 3],
        "request bytes": [0, 100],
        "response bytes": [0, 2000],
        "response bytes of calls": [0, 500],
        "rpc calls": [0, 1],
    }


def test_a_call_counts_by_its_weight_and_once_where_it_was_sent_twice(lake: Lake) -> None:
    whole = {"sampling_weight": 10.0}
    call = span(trace(1), 2, 1, "q", 3, at(1), at(2), db_system="mysql", **whole)
    given = [span(trace(1), 1, None, "cart", 2, at(0), at(3), **whole), call, call]
    append(lake, SPANS, spans_table(given))
    assert counted(lake) == {"db calls": [10.0]}


def test_a_call_after_its_request_counts_where_it_ends_and_one_of_another_version_not(
    lake: Lake,
) -> None:
    given = [
        span(trace(1), 1, None, "cart", 2, at(0), at(5)),
        span(trace(1), 2, 1, "late", 3, at(11), at(12), db_system="mysql"),
        span(trace(2), 3, None, "cart", 2, at(10), at(14)),
        span(trace(3), 4, None, "q", 3, at(1), at(2), db_system="mysql", service_version="2"),
    ]
    append(lake, SPANS, spans_table(given))
    assert counted(lake) == {"db calls": [0, 1]}


def test_sizes_that_are_no_sizes_are_left_out(lake: Lake) -> None:
    given = [
        span(trace(n), n, None, "cart", 2, at(n), at(n + 1), attributes=[(name, size)])
        for n, (name, size) in enumerate(
            [
                ("http.request.body.size", "-1"),
                ("http.request.body.size", "nan"),
                ("http.request.body.size", "big"),
                ("http.request_content_length", "5"),
            ],
            start=1,
        )
    ]
    append(lake, SPANS, spans_table(given))
    assert counted(lake) == {"request bytes": [5]}


def land(lake: Lake, *, flat: bool = False, system: str | None = "postgresql") -> None:
    """Land requests with one to five calls each, a bucket alike; a call costs 40 ms of CPU."""
    rng = np.random.default_rng(4)
    spans: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    busy = 0.0
    for bucket in range(BUCKETS):
        requests = 12 if flat else 6 + 3 * (bucket % 5)
        calls = 1 + (bucket * 5) % 7 % 5
        for each in range(requests):
            start = 10 * bucket + 10 * (each + 0.5) / (requests + 1)
            own = trace(len(spans) + 1)
            spans.append(span(own, 1, None, "cart", 2, at(start), at(start + 0.2)))
            spans += [
                span(own, 2 + n, 1, "q", 3, at(start), at(start + 0.01), db_system=system)
                for n in range(calls)
            ]
        busy += 0.5 + 0.04 * requests * calls + 0.02 * float(rng.standard_normal())
        point = {"service_name": "shop", "service_version": "1.4.1"}
        point |= {"service_instance_id": "shop-1.4.1"}
        points.append(
            CPU_COUNTER | point | {"time_unix_nano": at(10 * bucket + 10), "value_double": busy}
        )
    append(lake, SPANS, spans_table(spans))
    append(lake, METRICS, rows_of(points))


def written(result: CapacityResult, form: str) -> str:
    """Write an answer in a form."""
    out = io.BytesIO()
    WRITERS[form](result, out)
    return out.getvalue().decode()


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> CapacityResult:
    """Give the answer for a service whose CPU time follows its calls."""
    lake = open_lake(tmp_path_factory.mktemp("drivers") / "lake", create=True)
    land(lake)
    return run(lake, CapacityRequest())


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_what_cpu_follows_stands_in_every_form_on_one_line(
    called: CapacityResult, form: str
) -> None:
    text = written(called, form)
    lines = [each for each in text.splitlines() if "CPU follows db calls better" in each]
    assert "CPU follows db calls better than requests: held-out R² 1.00 against 0." in text
    assert "40 buckets in 8 blocks" in text
    assert "db calls a request" in text
    # Once as the line, once as the note.
    assert len(lines) == (1 if form == "html" else 2)
    assert "hold for today's db calls a request alone" in text.replace("&#x27;", "'")


def test_programs_are_told_the_same(called: CapacityResult) -> None:
    cpu = json.loads(written(called, "json"))["services"][0]["cpu"]
    found = cpu["drivers"]
    assert (found["follows"], found["beaten"]) == ("db calls", "requests")
    (driver,) = found["tried"]
    assert driver["r_squared"] > 0.99
    assert driver["r_squared"] - found["beaten_r_squared"] == pytest.approx(
        driver["r_squared_gain"]["estimate"]
    )
    assert driver["r_squared_gain"]["low"] > 0
    assert driver["is_better"]


def test_under_a_flat_load_it_is_not_identified(lake: Lake) -> None:
    land(lake, flat=True)
    result = run(lake, CapacityRequest())
    assert "what CPU follows: not identified: requests vary by 0 %" in written(result, "text")
    found = json.loads(written(result, "json"))["services"][0]["cpu"]["drivers"]
    assert "ramp the load" in found["not_identified"]
    assert found["tried"] == []
    assert found["follows"] is None


def test_nothing_is_said_of_what_is_not_sent(lake: Lake) -> None:
    land(lake, system=None)
    result = run(lake, CapacityRequest())
    assert "CPU follows" not in written(result, "text")
    found = json.loads(written(result, "json"))["services"][0]["cpu"]["drivers"]
    assert "send client spans with db.system.name" in found["not_identified"]
