"""Each policy evicts what its authors say, step by step, and none does better than knowing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stats.cache_policies import (
    POLICIES,
    REFERENCES_MOST,
    belady,
    clock,
    compare_policies,
    fifo,
    lfu,
    lru,
)
from pipeline.stats.cache_queues import arc, s3_fifo, sieve
from pipeline.stats.miss_ratio import miss_ratio_curve
from pipeline.stats.shards import LEAST_KEYS

traces = st.lists(st.integers(0, 9), min_size=1, max_size=60)
PLAYED = sorted(POLICIES)


def hits(play, keys: str, capacity: float) -> int:
    """Play a trace of letters."""
    return int(play([ord(each) for each in keys], [1.0] * len(keys), capacity))


@pytest.mark.parametrize(
    ("play", "trace", "expected"),
    [
        # A is used again before C comes, so that B goes; FIFO lets A go all the same.
        (lru, "ABACA", 2),
        (fifo, "ABACA", 1),
        (clock, "ABACA", 2),
        (lfu, "ABACA", 2),
        (belady, "ABACA", 2),
        # LFU keeps A, used thrice, whatever comes; LRU does not.
        (lfu, "AAABCBCA", 3),
        (lru, "AAABCBCA", 4),
        # Ties of LFU go by age: A goes before B.
        (lfu, "ABCB", 1),
        (lfu, "ABCA", 0),
    ],
)
def test_with_room_for_two_a_policy_hits_as_often_as_by_hand(play, trace, expected) -> None:
    assert hits(play, trace, 2) == expected


def test_sieve_keeps_its_hand_where_it_evicted() -> None:
    # Room for 3. A visited: D evicts B, the hand stays at C; E evicts C, not A; A hits again.
    assert hits(sieve, "ABCADEA", 3) == 2
    # FIFO with a second chance would have put A to the head, and evicted C and D all the same.
    assert hits(sieve, "ABCADEC", 3) == 1


def test_s3_fifo_lets_new_entries_prove_themselves() -> None:
    # Room for 10: one in the small queue. A scan of new keys never touches what proved itself.
    once = list(range(100, 160))
    loved = [1, 1, 1, 2, 2, 2, 3, 3, 3]
    trace = [*loved, *once, 1, 2, 3]
    assert s3_fifo(trace, [1.0] * len(trace), 10) == 6 + 3
    assert lru(trace, [1.0] * len(trace), 10) == 6


def popular(count: int, keys: int) -> np.ndarray:
    """Draw references of which few keys have most."""
    weight = np.cumsum(1 / np.arange(1, keys + 1) ** 0.9)
    drawn = np.random.default_rng(3).random(count)
    return np.searchsorted(weight / weight[-1], drawn).astype(np.int64)


def by_lists(keys: list[int], capacity: int) -> int:
    """Play S3-FIFO as its authors write it down, over plain lists; give the hits."""
    small: list[int] = []
    main: list[int] = []
    ghosts: list[int] = []
    uses: dict[int, int] = {}
    hits = 0

    def evict() -> None:
        if small and (10 * len(small) >= capacity or not main):
            key = small.pop(0)
            if uses[key] > 1:
                main.append(key)
                uses[key] = 0
                return
            ghosts.append(key)
            while 10 * len(ghosts) > 9 * capacity:
                ghosts.pop(0)
        else:
            key = main.pop(0)
            while uses[key] > 0:
                uses[key] -= 1
                main.append(key)
                key = main.pop(0)

    for key in keys:
        if key in small or key in main:
            hits += 1
            uses[key] = min(uses[key] + 1, 3)
            continue
        while len(small) + len(main) >= capacity:
            evict()
        if key in ghosts:
            ghosts.remove(key)
            main.append(key)
        else:
            small.append(key)
        uses[key] = 0
    return hits


@pytest.mark.parametrize("capacity", [1, 2, 10, 15, 20, 30, 70])
def test_s3_fifo_is_what_its_authors_write_down(capacity: int) -> None:
    for keys in (popular(4_000, 20 * capacity), popular(4_000, 100)):
        listed = keys.tolist()
        assert s3_fifo(listed, [1.0] * len(listed), capacity) == by_lists(listed, capacity)


def test_s3_fifo_evicts_from_a_small_queue_that_is_full() -> None:
    # Room for 10: 0 to 8 come three times and fill the main queue as the scan begins. One entry is
    # the whole share of the small one, so what is new takes the place of what was new before.
    trace = [*range(9), *range(9), *range(9), *range(100, 140), *range(9)]
    assert s3_fifo(trace, [1.0] * len(trace), 10) == 9 + 9 + 9


def test_arc_brings_back_what_was_used_once_and_then_missed() -> None:
    # Room for 2, A and B often; C and D once pass by; A and B are still there.
    assert hits(arc, "ABABCDAB", 2) >= hits(lru, "ABABCDAB", 2)
    # A scan does not wash out what is used more than once.
    scan = "AABB" + "CDEFGHIJ" + "AB"
    assert hits(arc, scan, 4) == 4
    assert hits(lru, scan, 4) == 2


@given(traces, st.integers(1, 8))
def test_nothing_beats_knowing_the_future(keys: list[int], capacity: int) -> None:
    sizes = [1.0] * len(keys)
    best = belady(keys, sizes, capacity)
    for name, play in POLICIES.items():
        assert 0 <= play(keys, sizes, capacity) <= best, name


@given(traces)
def test_where_all_fits_only_the_first_reference_of_a_key_misses(keys: list[int]) -> None:
    room = 10 * len(set(keys))
    for name, play in POLICIES.items():
        assert play(keys, [1.0] * len(keys), room) == len(keys) - len(set(keys)), name


@given(traces)
def test_a_larger_lru_cache_hits_no_less(keys: list[int]) -> None:
    found = [lru(keys, [1.0] * len(keys), size) for size in range(1, 10)]
    assert found == sorted(found)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 6)), min_size=1, max_size=60))
def test_what_is_larger_than_the_cache_passes_it_by(references: list[tuple[int, int]]) -> None:
    sizes = dict(references)
    keys = [key for key, _ in references]
    weights = [float(sizes[key]) for key in keys]
    small = [key for key in keys if sizes[key] <= 4]
    for name, play in POLICIES.items():
        without = play(small, [float(sizes[key]) for key in small], 4)
        assert play(keys, weights, 4) == without, name


def test_all_are_compared_on_one_trace() -> None:
    keys = np.tile(np.arange(20), 10)
    found = compare_policies(keys, 10)
    assert found.rate == 1
    assert sorted(found.ratios) == PLAYED
    assert found.ratios["LRU"] == 1.0
    # Of 20 in turn, 10 can be kept: half the references but the first of each.
    assert found.ratios["Belady"] == pytest.approx(1 - 0.9 * 9 / 19, abs=0.05)


def test_a_long_trace_is_played_by_enough_of_its_keys_to_tell_what_all_would() -> None:
    keys = popular(250_000, 30_000)
    distinct = len(np.unique(keys))
    told = compare_policies(keys, 3_000, played_most=20_000)
    assert told.rate == pytest.approx(LEAST_KEYS / distinct)
    exact = float(miss_ratio_curve(keys, at=np.array([3_000.0])).ratios[0])
    # Whether chance takes in the most popular keys, which hit in any cache, changes nothing.
    assert told.ratios["LRU"] == pytest.approx(exact, abs=0.01)
    assert told.ratios["Belady"] <= min(told.ratios.values())


def test_a_long_trace_of_few_keys_or_a_small_cache_is_played_whole() -> None:
    keys = popular(50_000, 500)
    assert compare_policies(keys, 50, played_most=1_000).rate == 1
    assert compare_policies(popular(50_000, 20_000), 40, played_most=1_000).rate == 1


def test_each_cache_has_room_and_references_of_its_own_and_progress_is_told() -> None:
    # Three keys in turn hit in a cache of three, five in turn do not: 27 of 80 hit.
    keys = np.concatenate([np.tile(np.arange(3), 10), np.tile(np.arange(10, 15), 10)])
    seen: list[tuple[int, int]] = []
    told = compare_policies(
        keys, 3, whose=np.repeat([7, 2], [30, 50]), on_progress=lambda *done: seen.append(done)
    )
    assert told.ratios["LRU"] == pytest.approx(1 - 27 / 80)
    assert seen == [(n, len(PLAYED)) for n in range(1, len(PLAYED) + 1)]


def test_of_very_many_references_to_few_keys_no_sample_is_played() -> None:
    keys = np.random.default_rng(1).integers(0, 12, REFERENCES_MOST + 1)
    found = compare_policies(keys, 1.0)
    assert found.ratios == {}
    assert found.rate < 1
