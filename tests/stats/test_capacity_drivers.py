"""Drivers of CPU time: one is named only where it foretells CPU better than requests do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.stats.bootstrap import Floats, Ints
from pipeline.stats.capacity_buckets import CapacityBuckets
from pipeline.stats.capacity_drivers import (
    BY_OPERATION,
    REQUESTS,
    Drivers,
    DriverScan,
    ratio_of_sums,
    scan_drivers,
)

COUNT = 60
# Each level of the one meets each of the other equally often.
LOAD = np.tile([10.0, 20.0], COUNT // 2)
CALLS = np.tile([30.0, 30.0, 90.0, 90.0], COUNT // 4)


def seen(cores: Floats, load: Floats = LOAD, instance: Ints | None = None) -> CapacityBuckets:
    """Give buckets of ten seconds, whose instances go side by side."""
    load = load.reshape(len(cores), -1)
    instance = np.zeros(len(cores), dtype=np.int64) if instance is None else instance
    nothing = np.zeros(len(cores))
    first = np.concatenate([np.flatnonzero(np.diff(instance, prepend=-1)), [len(cores)]])
    start = np.concatenate([np.arange(each) for each in np.diff(first)]) * 10.0
    names = tuple(f"operation {each}" for each in range(load.shape[1]))
    return CapacityBuckets(
        *(start, 10.0, names, load, nothing, nothing, cores, 10 * load, nothing, instance)
    )


def scan(buckets: CapacityBuckets, **amounts: Floats) -> DriverScan:
    """Hold amounts against requests."""
    columns = np.column_stack(list(amounts.values())) if amounts else np.zeros((COUNT, 0))
    return scan_drivers(buckets, Drivers(tuple(amounts), columns))


def test_what_cpu_is_made_of_is_named_with_how_much_more_it_tells() -> None:
    # Ten calls a second more are 0.05 cores more, and requests have no part in it.
    found = scan(seen(0.1 + 0.005 * CALLS), calls=CALLS, bytes=1000 * LOAD)
    assert found.named is not None
    assert (found.named.name, found.beaten) == ("calls", REQUESTS)
    assert found.named.r_squared == pytest.approx(1.0)
    assert found.r_squared == pytest.approx(0.0, abs=0.1)
    gain = found.named.gain
    assert gain.estimate == pytest.approx(1.0 - found.r_squared)
    assert 0.8 < gain.low <= gain.estimate <= gain.high < 1.2
    # 60 calls for 15 requests.
    assert found.named.per_request == pytest.approx(4.0)
    assert (found.buckets, found.blocks) == (60, 12)


def test_what_goes_with_requests_gains_exactly_nothing() -> None:
    rng = np.random.default_rng(1)
    found = scan(seen(0.1 + 0.01 * LOAD + 0.01 * rng.standard_normal(COUNT)), calls=3 * LOAD)
    (driver,) = found.drivers
    assert driver.gain.estimate == pytest.approx(0.0, abs=1e-9)
    assert driver.gain.high == pytest.approx(0.0, abs=1e-9)
    assert found.named is None


def test_a_driver_that_tells_operations_apart_does_not_beat_requests_by_operation() -> None:
    rng = np.random.default_rng(2)
    cheap, dear = rng.uniform(5, 20, (2, COUNT))
    cores = 0.001 * cheap + 0.03 * dear
    # Only the dear one calls: its calls say no more than it does.
    found = scan(seen(cores, np.column_stack([cheap, dear])), calls=2 * dear)
    assert found.beaten == BY_OPERATION
    assert found.r_squared == pytest.approx(1.0)
    assert found.named is None
    assert found.drivers[0].r_squared < 1


def test_cpu_that_falls_as_a_driver_rises_does_not_follow_it() -> None:
    found = scan(seen(1.0 - 0.005 * CALLS), calls=CALLS)
    assert found.drivers[0].r_squared == pytest.approx(0.0, abs=0.1)
    assert found.named is None


def test_the_held_out_r_squared_is_that_of_a_plain_loop() -> None:
    rng = np.random.default_rng(3)
    instance = np.repeat([0, 1], 40)
    load, calls = rng.uniform(5, 20, (2, 80))
    cores = 0.1 + 0.3 * instance + 0.01 * calls + 0.03 * rng.standard_normal(80)
    left = varied = 0.0
    # 40 moments are 8 blocks of five; the sixth is held out with the first.
    block = np.tile(np.arange(40) // 5, 2)
    for fold in range(5):
        out = block % 5 == fold
        mean = {
            which: [float(each[~out & (instance == which)].mean()) for each in (calls, cores)]
            for which in (0, 1)
        }
        x, y = (
            each - np.array([mean[which][place] for which in instance.tolist()])
            for place, each in enumerate((calls, cores))
        )
        slope = (x[~out] * y[~out]).sum() / (x[~out] ** 2).sum()
        left += float(((y[out] - slope * x[out]) ** 2).sum())
        varied += float((y[out] ** 2).sum())
    (found,) = scan(seen(cores, load, instance), calls=calls).drivers
    assert found.r_squared == pytest.approx(1 - left / varied)


@settings(max_examples=20, deadline=None)
@given(level=st.floats(-2, 2), unit=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_levels_of_instances_and_units_of_drivers_change_nothing(
    level: float, unit: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    instance = np.repeat([0, 1], 30)
    load, calls = rng.uniform(5, 20, (2, 60))
    cores = 3 + 0.01 * calls + 0.02 * rng.standard_normal(60)
    one = scan(seen(cores, load, instance), calls=calls)
    other = scan(seen(cores + level * instance, load, instance), calls=unit * calls)
    assert other.r_squared == pytest.approx(one.r_squared, abs=1e-6)
    assert other.drivers[0].r_squared == pytest.approx(one.drivers[0].r_squared, abs=1e-6)


def test_of_drivers_as_good_as_requests_hardly_any_is_named() -> None:
    named = 0
    for seed in range(100):
        rng = np.random.default_rng([7, seed])
        work = rng.uniform(5, 30, COUNT)
        # Requests and three more, each the work and as much noise of its own.
        load, *others = work + 4 * rng.standard_normal((4, COUNT))
        found = scan(
            seen(0.01 * work, load), **{f"driver {n}": each for n, each in enumerate(others)}
        )
        named += found.named is not None
    # One in twenty is what the interval allows.
    assert named <= 9


def test_under_a_flat_load_it_is_not_identified_and_says_to_ramp() -> None:
    rng = np.random.default_rng(5)
    found = scan(seen(rng.uniform(0.2, 0.3, COUNT), np.full(COUNT, 10.0)), calls=CALLS)
    assert "ramp the load" in found.reason
    assert found.drivers == ()
    assert found.named is None


@pytest.mark.parametrize(
    ("cores", "reason"),
    [
        (np.r_[0.01 * CALLS[:29], np.full(31, np.nan)], "29 buckets with requests and CPU time"),
        (np.full(COUNT, np.nan), "0 buckets with requests and CPU time"),
        (np.full(COUNT, 0.5), "CPU time is the same in all buckets"),
    ],
)
def test_without_enough_cpu_time_the_reason_is_given(cores: Floats, reason: str) -> None:
    assert reason in scan(seen(cores), calls=CALLS).reason


def test_buckets_of_few_moments_are_too_few_however_many_instances() -> None:
    instance = np.repeat(np.arange(20), 3)
    found = scan(seen(0.01 * CALLS, LOAD, instance.astype(np.int64)), calls=CALLS)
    assert "30 at 6 or more moments are needed" in found.reason


def test_where_nothing_is_sent_the_reason_says_what_to_send() -> None:
    found = scan(seen(0.01 * LOAD))
    assert "send client spans with db.system.name" in found.reason


def test_a_ratio_of_sums_has_the_interval_of_its_blocks() -> None:
    # 1 of 2, 3 of 2 and 2 of 2: a ratio of 1, from which blocks lie -1, 1 and 0 apart. The error
    # is sqrt(3/2 * 2) / 6, and t of two degrees is 2.920 at 95 %.
    found = ratio_of_sums(np.array([1.0, 3.0, 2.0]), np.full(3, 2.0))
    assert found.estimate == 1.0
    assert found.high - 1.0 == pytest.approx(2.920 * 3**0.5 / 6, rel=1e-3)
    assert 1.0 - found.low == pytest.approx(found.high - 1.0)
