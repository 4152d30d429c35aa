"""CPython's pauses from what can tell them: profiles with native frames, uprobes of bpftrace."""

import pytest

from pipeline.gate.runtime import SignalRequest, read_signals
from pipeline.gate.runtime_levels import SignalLevel
from pipeline.lake import Lake
from pipeline.schema import EBPF_COUNTS, EBPF_HISTOGRAMS
from tests.ebpf.test_ebpf_views import NOON, SECOND, add
from tests.jobs.profile_sides import land_side

MAIN = "_start;run;"


def signal(lake: Lake, name: str) -> tuple[tuple[SignalLevel, ...], str]:
    """Give a signal's levels, and what is missing."""
    (found,) = read_signals(lake, SignalRequest(names=(name,)))
    return found.levels, found.missing


def test_a_profile_with_native_frames_tells_the_share_of_the_collector(lake: Lake) -> None:
    stacks = [
        f"{MAIN}handle",
        f"{MAIN}handle;gc_collect_main.constprop.0;visit_decref",
        f"{MAIN}handle;gc_collect_main.constprop.0",
    ]
    # Of 100 samples a minute 7 are in the collector, and in every other minute 9.
    for instance in ("a", "b", "c"):
        land_side(lake, stacks, [[93 - 2 * (n % 2), 4, 3 + 2 * (n % 2)] for n in range(10)],
                  instance=instance)  # fmt: skip
    (level,), _ = signal(lake, "gc_sample_share")
    assert level.value.estimate == pytest.approx(0.08)
    assert 0.05 < level.value.low < 0.08 < level.value.high < 0.12
    assert (level.names, level.n, level.instances) == (("cpu profiles",), 3000, 3)


def test_a_profile_that_cannot_show_the_collector_tells_no_share_of_it(lake: Lake) -> None:
    land_side(lake, [f"{MAIN}handle", f"{MAIN}gc_collect_mainly"], [[50, 50]] * 8)
    levels, missing = signal(lake, "gc_sample_share")
    assert levels == ()
    assert "gc_collect_main is seen: py-spy record --native" in missing


def test_an_instance_that_cannot_show_the_collector_is_named_and_lowers_no_share(
    lake: Lake,
) -> None:
    stacks = [f"{MAIN}handle", f"{MAIN}handle;gc_collect_main"]
    for instance in ("a", "b", "c"):
        land_side(lake, stacks, [[92, 8]] * 8, instance=instance)
    for instance in ("p", "q", "r", "s"):
        land_side(lake, [f"{MAIN}handle"], [[100]] * 8, instance=instance)
    (level,), _ = signal(lake, "gc_sample_share")
    assert level.value.estimate == pytest.approx(0.08)
    assert (level.n, level.instances) == (2400, 3)
    assert level.reason == "left out, their profiles never show it: p, q, r and 1 more"


def test_hosts_that_set_no_instance_are_told_apart_by_their_names(lake: Lake) -> None:
    for host, stack in (("h1", f"{MAIN}gc_collect_main"), ("h2", f"{MAIN}wait")):
        own = {"resource_attributes": [("service.name", "shop"), ("host.name", host)]}
        land_side(lake, [f"{MAIN}handle", stack], [[92, 8]] * 8, own=own)
    (level,), _ = signal(lake, "gc_sample_share")
    assert level.value.estimate == pytest.approx(0.08)
    assert level.reason.endswith("left out, their profiles never show it: h2")


def test_a_profile_of_all_time_counts_where_there_is_none_of_the_cpu(lake: Lake) -> None:
    stacks = [f"{MAIN}handle", f"{MAIN}<GC>"]
    land_side(lake, stacks, [[90, 10]] * 8, kind="wall")
    (level,), _ = signal(lake, "gc_sample_share")
    assert (level.names, level.value.estimate) == (("wall profiles",), 0.1)
    assert level.reason.startswith("one instance")


def landed(lake: Lake, instance: str, minutes: int = 10) -> None:
    """Land prints of each minute: 30 pauses of 4 to 8 ms, in all 0.18 s."""
    whose = {"service_instance_id": instance, "tool": "bpftrace", "source_file": f"{instance}.json"}
    times = [NOON + minute * 60 * SECOND for minute in range(1, minutes + 1)]
    add(
        lake,
        EBPF_HISTOGRAMS,
        *(
            {"time_unix_nano": time, "bucket_low": low, "bucket_high": 2 * low, "count": count}
            for time in times
            for low, count in ((4_000_000, 30), (8_000_000, 0))
        ),
        metric="@gc_pause_ns",
        unit="ns",
        high_inclusive=False,
        **whose,
    )
    totals = ({"time_unix_nano": time, "value_int": 180} for time in times)
    add(lake, EBPF_COUNTS, *totals, metric="@gc_pause_total_ms", unit="ms", **whose)


def test_maps_of_bpftrace_tell_percentiles_a_rate_and_the_share_of_the_time(lake: Lake) -> None:
    landed(lake, "a")
    landed(lake, "b")
    (median,), _ = signal(lake, "gc_pause_p50_ms")
    assert median.value.estimate == pytest.approx(6, rel=0.02)
    assert median.names == ("bpftrace @gc_pause",)
    assert "resolution_limited" in median.reason
    # Of the first print nobody knows since when it counts.
    (rate,), _ = signal(lake, "gc_collections_per_minute")
    assert rate.value.estimate == pytest.approx(30)
    assert rate.minutes == 9
    (share,), _ = signal(lake, "gc_pause_share")
    assert share.value.estimate == pytest.approx(0.18 / 60)


def test_a_histogram_that_is_printed_without_a_reset_counts_by_difference(lake: Lake) -> None:
    prints = [
        {
            "time_unix_nano": NOON + minute * 60 * SECOND,
            "bucket_low": 4000,
            "bucket_high": 8000,
            "count": 30 * minute,
        }
        for minute in range(1, 11)
    ]
    shared = {"metric": "@gc_pause_us", "unit": "us", "high_inclusive": False, "tool": "bpftrace"}
    add(lake, EBPF_HISTOGRAMS, *prints, is_cumulative=True, **shared)
    (rate,), _ = signal(lake, "gc_collections_per_minute")
    assert rate.value.estimate == pytest.approx(30)
    (median,), _ = signal(lake, "gc_pause_p50_ms")
    assert median.n == pytest.approx(300)


def test_the_first_print_of_a_window_adds_what_came_since_the_print_before_it(lake: Lake) -> None:
    prints = [
        {
            "time_unix_nano": NOON + minute * 60 * SECOND,
            "bucket_low": 4000,
            "bucket_high": 8000,
            "count": 3000 + 30 * minute,
        }
        for minute in range(1, 21)
    ]
    shared = {"metric": "@gc_pause_us", "unit": "us", "high_inclusive": False, "tool": "bpftrace"}
    add(lake, EBPF_HISTOGRAMS, *prints, is_cumulative=True, **shared)
    totals = ({"time_unix_nano": each["time_unix_nano"], "value_int": each["count"] * 6}
              for each in prints)  # fmt: skip
    total = {"metric": "@gc_pause_total_ms", "unit": "ms", "tool": "bpftrace"}
    add(lake, EBPF_COUNTS, *totals, is_cumulative=True, **total)
    later = (NOON + 10 * 60 * SECOND, NOON + 20 * 60 * SECOND)
    for name, value in (("gc_collections_per_minute", 30), ("gc_pause_share", 0.003)):
        (found,) = read_signals(lake, SignalRequest(names=(name,), window=later))
        (level,) = found.levels
        assert level.value.estimate == pytest.approx(value)
        assert level.minutes == 10
    (found,) = read_signals(lake, SignalRequest(names=("gc_pause_p50_ms",), window=later))
    assert found.levels[0].n == pytest.approx(300)


def test_a_histogram_alone_tells_no_share_of_the_time(lake: Lake) -> None:
    bucket = {"bucket_low": 4000, "bucket_high": 8000, "count": 3, "tool": "bpftrace"}
    times = [{"time_unix_nano": NOON + minute * 60 * SECOND} for minute in range(1, 9)]
    add(lake, EBPF_HISTOGRAMS, *times, metric="@gc_pause_ns", unit="ns", **bucket)
    levels, missing = signal(lake, "gc_pause_share")
    assert levels == ()
    assert "@gc_pause_total_ns = sum" in missing
