"""DuckDB, Polars and a few lines of Python add up any spans to the same rows, however split."""

import itertools
import math
from collections import defaultdict
from fractions import Fraction

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.rollup import ROUTES
from pipeline.schema import LATENCY_HOURS, LATENCY_MINUTES, SPANS

SECOND = 1_000_000_000
DAY = 86400 * SECOND
NOON = 1_795_608_000 * SECOND
INTEGERS = ("spans", "duration_min_nano", "duration_max_nano")

spans = st.fixed_dictionaries(
    {
        "service_name": st.sampled_from(["shop", "stock"]),
        "service_version": st.sampled_from([None, "v1", "v2"]),
        "service_instance_id": st.sampled_from([None, "a", "é"]),
        "name": st.sampled_from(["x", ""]),
        "kind": st.integers(0, 5),
        "start_time_unix_nano": st.one_of(
            st.integers(NOON - 90 * SECOND, NOON + 90 * SECOND),
            st.sampled_from([-1, 0, 1, NOON, NOON - 1, NOON + DAY, NOON + DAY + 1]),
        ),
        "ingest_time_unix_nano": st.just(NOON),
        "duration_nano": st.one_of(
            st.integers(-10, 10**10),
            st.integers(0, 40).map(lambda k: 2**k),
            st.sampled_from([0, -1, 1]),
        ),
        "status_code": st.integers(0, 2),
        "http_request_method": st.sampled_from([None, "GET"]),
        "http_route": st.sampled_from([None, "/a", ""]),
        "http_response_status_code": st.sampled_from([None, 200, 399, 400, 499, 500, 599]),
        "rpc_method": st.sampled_from([None, "s/m"]),
        "rpc_status_code": st.sampled_from([None, "0", "OK", "5", ""]),
        # Powers of two add up exactly in any order.
        "sampling_weight": st.sampled_from([1.0, 2.0, 0.5, 1024.0]),
    }
)


def oracle(rows):
    """Say what a minute rollup is, in the plainest words."""
    groups = defaultdict(list)
    for row in rows:
        start, nanos, http = (
            row["start_time_unix_nano"],
            row["duration_nano"],
            row["http_response_status_code"],
        )
        if not 0 < start <= row["ingest_time_unix_nano"] + DAY:
            continue
        method, route = row["http_request_method"], row["http_route"]
        has_route = method is not None and route is not None
        rpc = row["rpc_method"] if row["rpc_method"] is not None else row["name"]
        failed = row["status_code"] == 2 or row["rpc_status_code"] not in (None, "0", "OK")
        key = (
            start // (60 * SECOND),
            row["service_instance_id"],
            row["service_name"],
            row["service_version"],
            None,
            f"{method} {route}" if has_route else rpc,
            row["kind"],
            "http_5xx"
            if http and http >= 500
            else "error"
            if failed
            else "http_4xx"
            if http and http >= 400
            else "ok",
            None if nanos < 0 else bucket(nanos),
        )
        groups[key].append(row)
    return {key: sums(group, key[-1] is not None) for key, group in groups.items()}


def sums(rows, timed):
    weights = [row["sampling_weight"] for row in rows]
    nanos = [row["duration_nano"] for row in rows]
    return (
        sum(weights),
        sum(weight * weight for weight in weights),
        len(rows),
        sum(w * n for w, n in zip(weights, nanos, strict=True)) if timed else None,
        min(nanos) if timed else None,
        max(nanos) if timed else None,
    )


def bucket(nanos):
    """Find the bucket i with 2^(i/64) < nanos <= 2^((i + 1)/64), in exact arithmetic."""
    if nanos == 0:
        return -(2**31)
    index = math.ceil(64 * math.log2(nanos)) - 1
    power = Fraction(nanos) ** 64
    while power > Fraction(2) ** (index + 1):
        index += 1
    while power <= Fraction(2) ** index:
        index -= 1
    return index


def added_up(rows, table):
    """Read rollup rows as a map from keys to sums, equal keys added."""
    names = [name for name in table.arrow_schema.names if name != "date"]
    keys = len(table.merge_by)
    found: dict[tuple[object, ...], tuple[object, ...]] = {}
    for row in rows.to_pylist():
        key, sums = [tuple(row[n] for n in part) for part in (names[:keys], names[keys:])]
        found[key] = sums if key not in found else tuple(map(plus, names[keys:], found[key], sums))
    return found


def plus(name, left, right):
    if left is None:
        return None
    choose = {"duration_min_nano": min, "duration_max_nano": max}
    return choose.get(name, lambda a, b: a + b)(left, right)


@pytest.fixture(scope="module")
def files_of(tmp_path_factory):
    folder, number = tmp_path_factory.mktemp("files"), itertools.count()

    def write(rows):
        files = []
        for day in pc.unique(rows["date"]).to_pylist():
            file = folder / f"date={day}" / f"{next(number)}.parquet"
            file.parent.mkdir(exist_ok=True)
            pq.write_table(rows.filter(pc.equal(rows["date"], day)).drop_columns("date"), file)
            files.append(file)
        return files

    return write


@pytest.fixture(scope="module")
def roll_up(files_of, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("scratch")

    def run(route, source, target, *parts):
        files = [file for part in parts for file in files_of(part)]
        return ROUTES[route](source, target, files, 1, scratch)

    return run


@settings(
    deadline=None,
    max_examples=10,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(spans, min_size=1, max_size=12))
def test_both_routes_and_the_oracle_agree(spans_of, roll_up, rows):
    expected = oracle(rows)
    for route in ROUTES:
        minutes = roll_up(route, SPANS, LATENCY_MINUTES, spans_of(*rows))
        assert minutes.schema == LATENCY_MINUTES.arrow_schema
        assert added_up(minutes, LATENCY_MINUTES) == expected, route
        assert minutes.num_rows == len(expected)


@settings(
    deadline=None,
    max_examples=10,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(spans, min_size=2, max_size=12), st.data())
def test_any_split_of_the_files_adds_up_to_the_whole(spans_of, roll_up, rows, data):
    cut = data.draw(st.integers(1, len(rows) - 1))
    first, second = spans_of(*rows[:cut]), spans_of(*rows[cut:])
    for route in ROUTES:
        whole = roll_up(route, SPANS, LATENCY_MINUTES, first, second)
        parts = [roll_up(route, SPANS, LATENCY_MINUTES, part) for part in (first, second)]
        joined = pa.concat_tables(parts)
        assert added_up(joined, LATENCY_MINUTES) == added_up(whole, LATENCY_MINUTES)
        hours = roll_up(route, LATENCY_MINUTES, LATENCY_HOURS, *parts)
        assert added_up(hours, LATENCY_HOURS) == added_up(
            roll_up("duckdb", LATENCY_MINUTES, LATENCY_HOURS, whole), LATENCY_HOURS
        )


@pytest.mark.parametrize("route", ROUTES)
def test_every_power_of_two_is_in_the_bucket_below_it(spans_of, roll_up, route):
    rows = [{"duration_nano": 2**power} for power in range(62)]
    minutes = roll_up(route, SPANS, LATENCY_MINUTES, spans_of(*rows))
    assert sorted(minutes["bucket"].to_pylist()) == [64 * power - 1 for power in range(62)]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("pair", [(SPANS, LATENCY_MINUTES), (LATENCY_MINUTES, LATENCY_HOURS)])
def test_no_files_give_no_rows_of_the_right_types(roll_up, route, pair):
    assert roll_up(route, *pair) == pair[1].arrow_schema.empty_table()
