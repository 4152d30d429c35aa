"""Explanations of regressions: the parts add up, and the span that changed is named first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.jobs.judge_request import JudgeRequest, parse_selector
from pipeline.jobs.why import run
from pipeline.jobs.why_tree import Nodes, visit

NOON = 1_795_608_000_000_000_000
MILLI = 1_000_000
REQUEST = JudgeRequest(parse_selector("service.version=v1"), parse_selector("service.version=v2"))


def trace(version, number, total, *children):
    """Give a request of so many ms with children: name, start, ms."""
    shared = {"service_version": version, "trace_id": f"{version[1]}{number:031x}"}
    first = {"kind": 2, "start_time_unix_nano": NOON, "duration_nano": total * MILLI}
    yield shared | first | {"span_id": "f" * 16}
    for place, (name, start, ms) in enumerate(children):
        times = {"start_time_unix_nano": NOON + start * MILLI, "duration_nano": ms * MILLI}
        named = {"name": name, "kind": 3, "span_id": f"{place + 1:016x}"}
        yield shared | times | named | {"parent_span_id": "f" * 16}


def explained(lake, metric="p50"):
    (why,) = run(lake, REQUEST, [("shop", "GET /cart", metric)])
    return why


def test_a_slower_child_is_named_with_all_of_the_growth(lake, land):
    land(*trace("v1", 1, 10, ("db", 1, 4)), *trace("v2", 1, 16, ("db", 1, 10)))
    cause = explained(lake).causes[0]
    assert (cause.kind, cause.subject) == ("call_time", "shop db (call)")
    assert (cause.growth_ms, cause.share) == pytest.approx((6, 1))


def test_more_calls_are_told_apart_from_slower_ones(lake, land):
    land(
        *trace("v1", 1, 10, ("db", 1, 2)),
        *trace("v2", 1, 14, ("db", 1, 2), ("db", 4, 2), ("db", 7, 2)),
    )
    cause = explained(lake).causes[0]
    assert (cause.kind, cause.baseline, cause.canary, cause.growth_ms) == ("calls", 1, 3, 4)


def test_calls_at_once_count_once(lake, land):
    land(
        *trace("v1", 1, 10, ("a", 0, 5), ("b", 0, 5)),
        *trace("v2", 1, 20, ("a", 0, 15), ("b", 0, 15)),
    )
    causes = explained(lake).causes
    assert {each.kind: each.growth_ms for each in causes} == {"call_time": 10, "parallel": -10}
    assert sum(each.growth_ms for each in causes) == pytest.approx(10)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 100), st.integers(0, 100))))
def test_self_times_less_overlaps_are_the_duration(spans):
    parent = np.array([-1, *(up % (n + 1) for n, (up, _, _) in enumerate(spans))])
    start = np.array([0, *(each[1] for each in spans)])
    long = np.array([100, *(each[2] for each in spans)])
    nodes = Nodes(parent, start, long, np.full(len(parent), 1), np.zeros(len(parent), dtype=int))
    visits = visit(nodes, np.array([0]))
    assert len(visits.node) == len(parent)
    assert (visits.self_time >= 0).all()
    assert visits.self_time.sum() - visits.overlap.sum() == 100


def test_a_cache_that_misses_more_is_named(lake, land):
    for version, hits in (("v1", "110"), ("v2", "100")):
        for number, hit in enumerate(hits):
            request, read = trace(version, number, 10, ("get", 1, 1))
            land(request, read | {"cache_hit": hit == "1"})
    (cause,) = [each for each in explained(lake).causes if each.kind == "cache"]
    assert (cause.baseline, cause.canary) == pytest.approx((2 / 3, 1 / 3))
