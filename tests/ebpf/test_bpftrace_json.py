"""bpftrace's JSON becomes rows, object by object."""

import json
from pathlib import Path

import pytest

from collectors.bpftrace import BPFTRACE_JSON
from pipeline.errors import BadFile
from tests.ebpf.bpftrace_files import NOON, head, lines, tell


def printed(kind: str, data: object) -> dict[str, object]:
    """Give an object as bpftrace writes it."""
    return {"type": kind, "data": data}


def bucket(low: int | None, high: int | None, count: int) -> dict[str, int]:
    """Give a bucket; an open end has no name in it."""
    given = {"min": low, "max": high, "count": count}
    return {name: number for name, number in given.items() if number is not None}


def test_a_map_is_a_count_a_key_told_apart_from_the_right(tmp_path: Path) -> None:
    content = lines(printed("map", {"@calls": {"cat,1": 5, "a,b,2": 7}}))
    told = tell(tmp_path, content)
    assert told.rows("ebpf_counts", "metric", "key_list", "keys", "value_int", "tool") == [
        ("@calls", ["cat", "1"], [("key0", "cat"), ("key1", "1")], 5, "bpftrace"),
        ("@calls", ["a,b", "2"], [("key0", "a,b"), ("key1", "2")], 7, "bpftrace"),
    ]
    assert (told.messages, told.rejects) == (1, [])


def test_a_map_without_keys_has_none(tmp_path: Path) -> None:
    told = tell(tmp_path, lines(printed("map", {"@n": -3})))
    assert told.rows("ebpf_counts", "metric", "keys", "key_list", "value_int") == [
        ("@n", [], [], -3)
    ]


def test_bounds_of_histograms_are_inclusive_and_open_ends_are_null(tmp_path: Path) -> None:
    buckets = [bucket(None, -1, 1), bucket(0, 4, 0), bucket(5, None, 2)]
    told = tell(tmp_path, lines(printed("hist", {"@read_us": {"cat": buckets}})))
    columns = ("bucket_low", "bucket_high", "count", "high_inclusive", "unit", "keys")
    keys = [("key0", "cat")]
    assert told.rows("ebpf_histograms", *columns) == [
        (None, -1, 1, True, "us", keys),
        (0, 4, 0, True, "us", keys),
        (5, None, 2, True, "us", keys),
    ]


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("block_bytes", [1, 50, 1 << 20])
def test_objects_over_many_lines_give_the_same_rows(
    tmp_path: Path, indent: int | None, block_bytes: int
) -> None:
    objects = [
        printed("hist", {"@h": [bucket(2, 3, 1)], "@e": []}),
        printed("map", {"@": {"a": 1, "b": 2}}),
        printed("printf", 'said "so"\n'),
    ]
    content = "\n\n".join(json.dumps(each, indent=indent) for each in objects).encode()
    told = tell(tmp_path, content, block_bytes=block_bytes)
    assert told.rows("ebpf_histograms", "metric", "bucket_low", "count") == [("@h", 2, 1)]
    assert told.rows("ebpf_counts", "key_list", "value_int") == [(["a"], 1), (["b"], 2)]
    assert told.rows("ebpf_events", "line") == ['said "so"']
    assert (told.messages, told.rejects) == (3, [])


def test_names_that_look_like_buckets_stay_names(tmp_path: Path) -> None:
    names = ["x}, {y", "[{", "}]", '{"min": 1}', '[{"min": 1}, {"count": 2}]']
    for name in names:
        told = tell(tmp_path, lines(printed("hist", {"@h": {name: [bucket(1, 1, 3)] * 2}})))
        shown = [",".join(key for _, key in keys) for keys in told.rows("ebpf_histograms", "keys")]
        assert shown == [name, name]
        assert told.rows("ebpf_histograms", "count") == [3, 3]


def test_stats_are_three_metrics_and_old_averages_one(tmp_path: Path) -> None:
    figures = {"count": 2, "average": 6, "total": 12}
    content = lines(
        printed("stats", {"@us": figures}),
        printed("stats", {"@k_us": {"cat": figures}}),
        printed("stats", {"@avg": {"cat": 10}}),
        printed("stats", {"@one": 4}),
    )
    told = tell(tmp_path, content)
    assert told.rows("ebpf_counts", "metric", "unit", "key_list", "value_int") == [
        ("@us.count", None, [], 2),
        ("@us.average", "us", [], 6),
        ("@us.total", "us", [], 12),
        ("@k_us.count", None, ["cat"], 2),
        ("@k_us.average", "us", ["cat"], 6),
        ("@k_us.total", "us", ["cat"], 12),
        ("@avg", None, ["cat"], 10),
        ("@one", None, [], 4),
    ]


def test_a_time_series_is_a_row_a_slot(tmp_path: Path) -> None:
    slots = [
        {"interval_start": "2026-11-25 12:00:00.500000000", "value": 9},
        {"interval_start": "1970-01-01 00:00:01.000000000", "value": 8},
    ]
    told = tell(tmp_path, lines(printed("tseries", {"@a": {"cat": slots}})))
    assert told.rows("ebpf_counts", "time_unix_nano", "value_int", "keys") == [
        (NOON + 500_000_000, 9, [("key0", "cat"), ("interval_start", slots[0]["interval_start"])]),
        # Nothing was traced in 1970: the slot is in time since boot.
        (NOON, 8, [("key0", "cat"), ("interval_start", slots[1]["interval_start"])]),
    ]


def test_what_a_program_prints_is_an_event(tmp_path: Path) -> None:
    content = lines(
        printed("attached_probes", {"probes": 2}),
        printed("printf", "no newline"),
        printed("printf", "a line\n"),
        printed("printf", "back\\slash \u00e9\n"),
        printed("value", [1, "t", [2, 3]]),
        printed("join", "ls -l"),
        printed("map", {"@name": {"7": "bash"}}),
    )
    told = tell(tmp_path, content)
    assert told.rows("ebpf_events", "event", "line", "fields") == [
        ("attached_probes", '{"probes": 2}', [("probes", "2")]),
        ("printf", "no newline", []),
        ("printf", "a line", []),
        ("printf", "back\\slash \u00e9", []),
        ("value", '[1, "t", [2, 3]]', []),
        ("join", "ls -l", []),
        ("map", "@name[7]: bash", [("map", "@name"), ("key", "7"), ("value", "bash")]),
    ]
    assert told.messages == 7


def test_lost_events_are_counted_and_complaints_are_warnings(tmp_path: Path) -> None:
    content = lines(
        printed("lost_events", {"events": 3}),
        printed("lost_events", {"events": 4}),
        {"type": "helper_error", "msg": "failed to probe", "helper": "probe_read", "retcode": -14},
        printed("benchmark_result", {}),
        printed("novelty", 1),
    )
    told = tell(tmp_path, content)
    assert told.rows("ebpf_counts", "metric", "unit", "value_int", "is_cumulative") == [
        ("lost", "events", 3, False),
        ("lost", "events", 4, False),
    ]
    assert told.warnings == {"helper_error": 1, "skipped_benchmark_result": 1, "unknown_type": 1}


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (2**53 + 1, (2**53 + 1, None)),
        (str(2**62 + 1), (2**62 + 1, None)),
        (2**64 - 1, (None, float(2**64))),
        (1.5, (None, 1.5)),
    ],
)
def test_large_and_broken_numbers_keep_their_value(
    tmp_path: Path, given: object, stored: tuple[object, object]
) -> None:
    told = tell(tmp_path, lines(printed("map", {"@n": given})))
    assert told.rows("ebpf_counts", "value_int", "value_double") == [stored]


def test_what_is_no_number_at_all_is_dropped_and_told(tmp_path: Path) -> None:
    content = b'{"type": "map", "data": {"@a": {"x": NaN, "y": 1, "z": 1e999}}}\n'
    told = tell(tmp_path, content)
    assert told.rows("ebpf_counts", "key_list", "value_int") == [(["y"], 1)]
    assert told.warnings == {"value_not_finite": 2}


def test_maps_that_are_never_cleared_are_totals(tmp_path: Path) -> None:
    content = lines(
        printed("map", {"@total": {"a": 1}, "@fresh": {"a": 5}, "@gone": {"a": 1}}),
        printed("hist", {"@h": [bucket(1, 1, 1)], "@f": [bucket(1, 1, 4)]}),
        printed("map", {"@total": {"a": 1, "b": 9}, "@fresh": {"a": 2}, "@gone": {"b": 1}}),
        printed("hist", {"@h": [bucket(1, 1, 3), bucket(2, 3, 1)], "@f": [bucket(2, 3, 9)]}),
        printed("map", {"@once": 1}),
    )
    told = tell(tmp_path, content)
    counts = set(told.rows("ebpf_counts", "metric", "is_cumulative"))
    assert counts == {("@total", True), ("@fresh", False), ("@gone", False), ("@once", False)}
    hists = set(told.rows("ebpf_histograms", "metric", "is_cumulative"))
    assert hists == {("@h", True), ("@f", False)}


def test_times_of_day_date_what_follows_when_the_day_is_known(tmp_path: Path) -> None:
    content = lines(
        printed("printf", "before"),
        printed("time", "23:59:59\n"),
        printed("map", {"@n": 1}),
        printed("time", "00:00:01\n"),
        printed("printf", "after"),
    )
    hours = 12 * 3600 * 10**9
    told = tell(tmp_path, content, time_unix_nano=NOON)
    assert [when - NOON for when in told.rows("ebpf_events", "time_unix_nano")] == [
        0,
        hours - 10**9,
        hours + 10**9,
        hours + 10**9,
    ]
    assert told.rows("ebpf_counts", "time_unix_nano") == [NOON + hours - 10**9]
    undated = tell(tmp_path, content)
    assert set(undated.rows("ebpf_events", "time_unix_nano")) == {NOON}


def test_the_only_print_of_a_map_is_over_the_whole_recording(tmp_path: Path) -> None:
    content = lines(printed("map", {"@n": 1, "@m": 1}), printed("map", {"@m": 2}))
    told = tell(tmp_path, content, duration_nano=10)
    assert told.rows("ebpf_counts", "metric", "interval_nano") == [
        ("@n", 10),
        ("@m", None),
        ("@m", None),
    ]


def test_an_old_version_s_values_without_quotes_are_read(tmp_path: Path) -> None:
    content = b'{"type": "map", "data": {"@s": {"1": vfs_read+7}, "@n": 2}}\n'
    told = tell(tmp_path, content)
    assert told.rows("ebpf_events", "line") == ["@s[1]: vfs_read+7"]
    assert told.rows("ebpf_counts", "metric", "value_int") == [("@n", 2)]
    assert told.warnings == {"values_without_quotes": 1}


def test_a_bad_line_is_one_reject_and_the_rest_is_kept(tmp_path: Path) -> None:
    good = lines(printed("map", {"@n": 1}))
    bad = b'{"type": "map", "data": {"@n": \n{"type": "map", "data": [3]}\n'
    told = tell(tmp_path, good + bad + b"stray\n" + good + good)
    assert told.rows("ebpf_counts", "value_int") == [1, 1, 1]
    assert [place for place, _ in told.rejects] == ["line 2", "line 3", "line 4"]


@pytest.mark.parametrize("content", [b"nothing\n", b"[1, 2]\n", b"\xff\x00\n", b"[" * 5000, b"\n"])
def test_a_file_without_an_object_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadFile, match="bpftrace-json: .*; import what bpftrace wrote"):
        tell(tmp_path, content)


def test_pieces_never_go_back_and_hold_every_map(tmp_path: Path) -> None:
    content = lines(*(printed("map", {"@n": number}) for number in range(50)))
    told = tell(tmp_path, content, block_bytes=64, piece_bytes=200)
    assert told.pieces == sorted(told.pieces)
    assert len(set(told.pieces)) > 3
    assert sorted(told.rows("ebpf_counts", "value_int")) == list(range(50))


@pytest.mark.parametrize(
    ("content", "is_one"),
    [
        (b'{"type": "attached_probes", "data": {"probes": 1}}\n', True),
        (b'\xef\xbb\xbf\n {\n  "type": "hist",\n  "data": {\n    "@x": [', True),
        (b'{"type":"map","data":{}}', True),
        (b'{"type": "errorf", "msg": "x"}', True),
        (b'{"type": "map", "data": {"x": 1}}', False),
        (b'{"type": "FeatureCollection", "data": []}', False),
        (b'{"type": "map", "name": "x"}', False),
        (b'{"resourceSpans": []}', False),
        (b'{"event": "cycles", "type": "map", "data": {"@": 1}}', False),
        (b'[{"type": "map", "data": {"@": 1}}]', False),
        (b"", False),
        (b"\x00\xff{", False),
    ],
)
def test_only_bpftrace_s_first_object_is_known(content: bytes, is_one: bool) -> None:
    assert BPFTRACE_JSON.sniff(head(content)) is is_one
