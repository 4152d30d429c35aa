"""Which process a signal of the runtime is of, where none of them has a service.instance.id."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import Table

from pipeline.gate.runtime import SignalRequest, read_signals
from pipeline.gate.runtime_levels import SignalLevel
from pipeline.jobs.job import asking
from pipeline.jobs.judge_request import JudgeRequest
from pipeline.jobs.metric_cells import read_groups
from pipeline.jobs.metric_rows import MetricRequest
from pipeline.jobs.named_metrics import named_metric
from pipeline.jobs.senders import define_by_sender
from pipeline.jobs.why_beside import look_beside
from pipeline.lake import Lake, append
from pipeline.schema import METRICS, PROFILE_SAMPLES, SPANS
from pipeline.schema.table import Table as DataTable
from pipeline.stats.series_shift import Series
from tests.gate.runtime_points import COUNTER, LEVEL, MINUTE, NOON, SECOND, V1, V2, Point, land

NO_ID: Point = {"service_name": "shop", "service_version": "v1", "service_instance_id": None}


def levels(lake: Lake, *names: str) -> dict[str, SignalLevel]:
    """Read the one level of each of some signals."""
    found = read_signals(lake, SignalRequest(names=names))
    return {each.metric.name: each.levels[0] for each in found}


def resource(**told: str) -> list[tuple[str, str]]:
    """Give attributes of a resource without a service.instance.id."""
    named = [(key.replace("_", "."), value) for key, value in told.items()]
    return [("service.name", "shop"), *named]


def sent(minute: int, name: str, value: float, **given: Any) -> Point:
    """Give a point some minutes after noon."""
    return NO_ID | {
        "name": name,
        "time_unix_nano": NOON + minute * MINUTE - SECOND,
        "value_double": value,
        **given,
    }


def running(**told: str) -> list[Point]:
    """Give what a process sends in 12 minutes: a tenth of the time in pauses, and 50 threads."""
    told_of = {"resource_attributes": resource(**told)}
    pauses = COUNTER | told_of | {"unit": "s", "start_time_unix_nano": NOON - SECOND}
    rows = []
    for minute in range(1, 13):
        rows.append(sent(minute, "dotnet.gc.pause.time", 6.0 * minute, **pauses))
        rows.append(sent(minute, "process.thread.count", 50.0, **told_of, **LEVEL))
    return rows


# Of each pair of processes, what their resources tell.
SENDERS = (
    ({"host_name": "h1"}, {"host_name": "h2"}),
    ({"k8s_pod_uid": "p1", "host_name": "h"}, {"k8s_pod_uid": "p2", "host_name": "h"}),
    ({"k8s_pod_name": "p1", "host_name": "h"}, {"k8s_pod_name": "p2", "host_name": "h"}),
    ({"container_id": "c1", "host_name": "h"}, {"container_id": "c2", "host_name": "h"}),
    ({"host_name": "h", "process_pid": "7"}, {"host_name": "h", "process_pid": "8"}),
    ({"server_address": "db-1"}, {"server_address": "db-2"}),
)


@pytest.mark.parametrize("senders", SENDERS, ids=lambda senders: "-".join(senders[0]))
def test_processes_without_an_id_of_their_own_are_told_apart(
    lake: Lake, senders: tuple[dict[str, str], dict[str, str]]
) -> None:
    land(lake, *(running(**told) for told in senders))
    found = levels(lake, "gc_pause_share", "threads")
    assert found["gc_pause_share"].value.estimate == pytest.approx(0.1)
    assert found["threads"].value.estimate == pytest.approx(50)
    assert [each.instances for each in found.values()] == [2, 2]


def test_pools_of_two_hosts_are_two_pools(lake: Lake) -> None:
    # One is full, and of the other a tenth is in use.
    rows = []
    for host, used in (("h1", 10.0), ("h2", 1.0)):
        told = {"resource_attributes": resource(host_name=host), **LEVEL}
        for minute in range(1, 13):
            state = {"attributes": [("db.client.connection.state", "used")]}
            rows.append(sent(minute, "db.client.connection.count", used, **state, **told))
            rows.append(sent(minute, "db.client.connection.max", 10.0, **told))
    land(lake, rows)
    found = levels(lake, "pool_used_share")["pool_used_share"]
    assert found.over_time[2] == 1.0
    assert found.value.estimate == pytest.approx((1 + 0.1) / 2)
    assert found.instances == 2


def test_pauses_of_two_hosts_do_not_add_up(lake: Lake, span_rows: Callable[..., Table]) -> None:
    # On both, a collection of 100 ms every second for 10 minutes.
    rows = [
        NO_ID
        | {"name": "cpython.gc", "kind": 1, "duration_nano": 100_000_000}
        | {"resource_attributes": resource(host_name=host)}
        | {"start_time_unix_nano": NOON + second * SECOND}
        for host in ("h1", "h2")
        for second in range(601)
    ]
    append(lake, SPANS, span_rows(*rows))
    found = levels(lake, "gc_pause_share")["gc_pause_share"]
    assert found.value.estimate == pytest.approx(0.1, rel=2e-3)
    assert found.instances == 2


def test_what_a_request_costs_is_of_all_hosts_whose_requests_are_counted(
    lake: Lake, span_rows: Callable[..., Table]
) -> None:
    # Two hosts that answer 30 requests a minute each, at 0.1 s of CPU time.
    rows, spans = [], []
    for host in ("h1", "h2"):
        told = {"resource_attributes": resource(host_name=host)}
        for minute in range(1, 13):
            used = {"unit": "s", "start_time_unix_nano": NOON - SECOND, **COUNTER, **told}
            rows.append(sent(minute, "process.cpu.time", 3.0 * minute, **used))
            spans += [
                NO_ID | told | {"start_time_unix_nano": NOON + (minute - 1) * MINUTE + n * SECOND}
                for n in range(0, 60, 2)
            ]
    land(lake, rows)
    append(lake, SPANS, span_rows(*spans))
    metric = named_metric("cpu_seconds_per_request")
    assert metric is not None
    (group,), _ = read_groups(lake, MetricRequest(metric))
    (side,) = group.sides
    assert isinstance(side, Series)
    assert side.ratio == pytest.approx(0.1)


def test_a_share_of_more_than_all_of_the_time_is_no_answer(lake: Lake) -> None:
    # Two processes under one identity: each point of one looks like a restart of the other.
    rows = []
    for minute in range(1, 13):
        for second, since_start in ((5, 1000.0), (35, 20.0)):
            told = {"unit": "s", **COUNTER}
            point = sent(minute, "dotnet.gc.pause.time", since_start + 0.6 * minute, **told)
            rows.append(point | {"time_unix_nano": point["time_unix_nano"] + second * SECOND})
    land(lake, rows)
    found = levels(lake, "gc_pause_share")["gc_pause_share"]
    assert found.value.estimate != found.value.estimate
    assert found.reason.startswith("several_senders: ")
    assert "set service.instance.id" in found.reason


@pytest.mark.parametrize(("others", "is_told"), [([0.0], True), ([0.0, 500.0], False)])
def test_pauses_of_more_than_all_of_the_time_explain_nothing(
    lake: Lake, others: list[float], is_told: bool
) -> None:
    # The old version stops for a hundredth of the time, the new one for a tenth.
    rows = []
    for minute in range(1, 13):
        told = {"unit": "s", **COUNTER}
        rows.append(sent(minute, "dotnet.gc.pause.time", 0.6 * minute, **told))
        for number, since_start in enumerate(others):
            point = sent(minute, "dotnet.gc.pause.time", since_start + 6.0 * minute, **told)
            later = point["time_unix_nano"] - number * 20 * SECOND
            new = {"service_version": "v2", "resource_attributes": resource(service_version="v2")}
            rows.append(point | new | {"time_unix_nano": later})
    land(lake, rows)
    window = (NOON, NOON + 15 * MINUTE)
    found = look_beside(lake, JudgeRequest(V1, V2), (window, window), ["shop"])
    assert [each.kind for each in found.causes["shop"]] == ["gc"] * is_told


@pytest.mark.parametrize("table", [METRICS, SPANS, PROFILE_SAMPLES], ids=lambda table: table.name)
def test_points_spans_and_samples_tell_who_sent_them_by_the_same_words(
    tmp_path: Path, table: DataTable
) -> None:
    told: tuple[tuple[str | None, dict[str, str]], ...] = (
        (None, {"k8s_pod_uid": "u", "k8s_pod_name": "p", "container_id": "c", "host_name": "h"}),
        (None, {"k8s_pod_name": "p", "container_id": "c", "host_name": "h"}),
        (None, {"container_id": "c", "host_name": "h", "server_address": "s"}),
        (None, {"host_name": "h", "server_address": "s", "process_pid": "7"}),
        ("", {"server_address": "s"}),
        (None, {"process_pid": "7"}),
        ("own", {"host_name": "h", "process_pid": "7"}),
        (None, {}),
    )
    schema = pa.schema([field.with_nullable(True) for field in table.file_schema])
    file = tmp_path / "date=2026-11-25" / "rows.parquet"
    file.parent.mkdir()
    rows = [
        {"service_instance_id": own, "resource_attributes": resource(**named)}
        for own, named in told
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema), file)
    with asking() as connection:
        define_by_sender(connection, table, [file])
        found = connection.table(table.name).project("service_instance_id").fetchall()
    assert [name for (name,) in found] == ["u", "p", "c", "h/7", "s", "7", "own", None]
