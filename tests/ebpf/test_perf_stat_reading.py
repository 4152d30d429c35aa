"""Output of perf stat: its table, CSV and JSON, with intervals, processors and repeats."""

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.collector import Head
from collectors.perf_stat import PERF_STAT
from pipeline.errors import BadFile
from tests.ebpf.perf_stat_reading import NOON, read_text

SECOND = 1_000_000_000
VALUES = ("metric", "unit", "value_int", "value_double", "running_ratio", "status")

JSON = (
    '{"counter-value" : "48.500000", "unit" : "msec", "event" : "task-clock", '
    '"event-runtime" : 48486823, "pcnt-running" : 100.00, "metric-value" : 0.7, '
    '"metric-unit" : "CPUs utilized"}\n'
    '{"counter-value" : "61.000000", "unit" : "", "event" : "page-faults", '
    '"event-runtime" : 48486823, "pcnt-running" : 62.50}\n'
    '{"counter-value" : "<not supported>", "unit" : "", "event" : "cycles", '
    '"event-runtime" : 0, "pcnt-running" : 100.00}\n'
)
CSV = (
    "48.50,msec,task-clock,48486823,100.00,0.7,CPUs utilized\n"
    "61,,page-faults,48486823,62.50,1.2,K/sec\n"
    "<not supported>,,cycles,0,100.00,,\n"
)
TABLE = """
 Performance counter stats for './shop':

             48.50 msec task-clock                       #    0.700 CPUs utilized
                61      page-faults                      #    1.258 K/sec         (62.50%)
   <not supported>      cycles

       0.065341234 seconds time elapsed

       0.048000000 seconds user
       0.002000000 seconds sys

"""
THREE = [
    ("task-clock", "msec", None, 48.5, 1.0, "ok"),
    ("page-faults", None, 61, None, 0.625, "ok"),
    ("cycles", None, None, None, None, "not_supported"),
]


@pytest.mark.parametrize("text", [JSON, CSV, CSV.replace(",", ";"), CSV.replace(",", "\t")])
def test_what_is_for_programs_gives_the_same_rows_in_each_form(tmp_path: Path, text: str) -> None:
    stat = read_text(tmp_path, text)
    assert stat.columns(*VALUES) == THREE
    assert {row["tool"] for row in stat.rows} == {"perf-stat"}
    assert (stat.messages, stat.rejects) == (3, [])
    assert not any(row["is_cumulative"] for row in stat.rows)


def test_the_table_for_people_is_read_with_its_times(tmp_path: Path) -> None:
    stat = read_text(tmp_path, TABLE)
    assert stat.rejects == []
    clock, faults, cycles, *times = stat.columns(*VALUES)
    assert [clock, faults, cycles] == [("task-clock", "msec", None, 48.5, None, "ok"), *THREE[1:]]
    assert times == [
        ("duration_time", "ns", 65_341_234, None, None, "ok"),
        ("user_time", "ns", 48_000_000, None, None, "ok"),
        ("system_time", "ns", 2_000_000, None, None, "ok"),
    ]


def test_thousands_are_separated_in_the_table(tmp_path: Path) -> None:
    text = TABLE.replace("   61      page", "1,234,567      page")
    assert read_text(tmp_path, text).rows[1]["value_int"] == 1_234_567


def test_what_the_command_printed_before_the_table_is_left_out(tmp_path: Path) -> None:
    stat = read_text(tmp_path, "hello 7\n  9 worlds\n" + TABLE)
    assert (len(stat.rows), stat.warnings["line_before_the_counters"]) == (6, 2)


def test_repeats_give_the_mean_and_how_far_it_varied(tmp_path: Path) -> None:
    table = (
        " Performance counter stats for './shop' (5 runs):\n\n"
        "    1,000      cycles:u     #  0.1 GHz     ( +-  1.50% )  (83.21%)\n\n"
        "    0.0500 +- 0.0010 seconds time elapsed  ( +-  2.00% )\n"
    )
    expected = [
        ("cycles:u", None, 1000, None, 0.8321, "ok"),
        ("cycles:u.stddev", "%", None, 1.5, None, "ok"),
        ("duration_time", "ns", 50_000_000, None, None, "ok"),
        ("duration_time.stddev", "%", None, 2.0, None, "ok"),
    ]
    assert read_text(tmp_path, table).columns(*VALUES) == expected
    csv = read_text(tmp_path, "1000,,cycles:u,1.50%,77,83.21,,\n")
    assert csv.columns(*VALUES) == expected[:2]
    json = (
        '{"counter-value" : "1000.0", "event" : "cycles:u", "variance" : 1.5, '
        '"pcnt-running" : 83.21}'
    )
    assert read_text(tmp_path, json).columns(*VALUES) == expected[:2]


INTERVALS = (
    "     1.000100000,7,,context-switches,99,100.00,,\n"
    "     1.000100000,8,,page-faults,99,100.00,,\n"
    "     2.500100000,9,,context-switches,99,100.00,,\n"
)


def test_an_interval_ends_when_it_was_printed(tmp_path: Path) -> None:
    stat = read_text(tmp_path, INTERVALS, time_unix_nano=NOON)
    assert stat.columns("time_unix_nano", "interval_nano", "value_int") == [
        (NOON + 1_000_100_000, 1_000_100_000, 7),
        (NOON + 1_000_100_000, 1_000_100_000, 8),
        (NOON + 2_500_100_000, 1_500_000_000, 9),
    ]


def test_without_a_time_the_last_interval_ends_when_the_file_was_written(tmp_path: Path) -> None:
    stat = read_text(tmp_path, INTERVALS)
    assert [row["time_unix_nano"] - NOON for row in stat.rows] == [-1_500_000_000] * 2 + [0]


def test_perf_says_when_it_started(tmp_path: Path) -> None:
    stat = read_text(tmp_path, "# started on Wed Nov 25 11:00:00 2026\n\n" + INTERVALS)
    assert stat.rows[0]["time_unix_nano"] == NOON - 3600 * SECOND + 1_000_100_000


def test_intervals_stand_in_tables_and_json_too(tmp_path: Path) -> None:
    table = (
        "#           time             counts unit events\n"
        "     1.000100000                  7      context-switches   #  1.0 /sec\n"
        "     2.000100000              48.50 msec task-clock\n"
    )
    json = '{"interval" : 1.0001, "counter-value" : "7.0", "event" : "context-switches"}\n'
    for text in (table, json):
        first = read_text(tmp_path, text, time_unix_nano=NOON).rows[0]
        assert (first["metric"], first["value_int"]) == ("context-switches", 7)
        assert (first["time_unix_nano"], first["interval_nano"]) == (
            NOON + 1_000_100_000,
            1_000_100_000,
        )


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("CPU3,7,,cycles,99,100.00,,\n", {"cpu": "3"}),
        ("S0-D0-C1,2,7,,cycles,99,100.00,,\n", {"core": "S0-D0-C1"}),
        ("shop worker-31,7,,cycles,99,100.00,,\n", {"thread": "shop worker-31"}),
        ("     1.000100000,CPU3,7,,cycles,99,100.00,,\n", {"cpu": "3"}),
        ("7,,cycles,/sys/web,99,100.00,,\n", {"cgroup": "/sys/web"}),
        ('{"cpu" : "3", "counter-value" : "7.0", "event" : "cycles"}\n', {"cpu": "3"}),
        (" Performance counter stats for 'a':\nCPU3     7      cycles\n", {"cpu": "3"}),
        (" Performance counter stats for 'a':\nS0-D0  2   7  cycles\n", {"core": "S0-D0"}),
    ],
)
def test_what_a_counter_is_of_is_its_key(tmp_path: Path, line: str, keys: dict[str, str]) -> None:
    (row,) = read_text(tmp_path, line).rows
    assert (row["keys"], row["metric"], row["value_int"]) == (keys, "cycles", 7)
    assert row["key_list"] == list(keys.values())


def test_an_event_may_hold_the_separator(tmp_path: Path) -> None:
    (row,) = read_text(tmp_path, "7,,cpu/event=0x3c,umask=0x1/u,99,50.00,,\n").rows
    assert (row["metric"], row["running_ratio"]) == ("cpu/event=0x3c,umask=0x1/u", 0.5)


def test_values_beyond_64_bits_lose_digits_and_nothing_else(tmp_path: Path) -> None:
    (row,) = read_text(tmp_path, f"{2**64},,cycles,99,100.00,,\n").rows
    assert (row["value_int"], row["value_double"]) == (None, float(2**64))


def test_strange_lines_are_rejected_one_by_one(tmp_path: Path) -> None:
    stat = read_text(tmp_path, CSV * 2 + "what,is,this\nnan,,cycles,1,100.00,,\n")
    assert [place for place, _ in stat.rejects] == ["line 7", "line 8"]
    assert stat.messages == 6


def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    stat = read_text(tmp_path, JSON[:-20])
    assert (stat.messages, [place for place, _ in stat.rejects]) == (2, ["line 3"])


@pytest.mark.parametrize("text", ["", "\n", "a,b\n", "{}\n", "main;pay 7\n", "[]\n"])
def test_what_is_no_perf_stat_is_refused(tmp_path: Path, text: str) -> None:
    assert not PERF_STAT.sniff(Head(text.encode(), True))
    with pytest.raises(BadFile, match=re.escape("perf stat -j")):
        read_text(tmp_path, text)


@pytest.mark.parametrize("text", [JSON, CSV, TABLE, INTERVALS, "# started on x\n\n" + CSV])
def test_perf_stat_is_recognised(text: str) -> None:
    assert PERF_STAT.sniff(Head(text.encode(), True))
    assert PERF_STAT.sniff(Head((text * 2).encode(), False))


@pytest.mark.parametrize(
    "text",
    [
        "name,unit,value\nshop,ms,7\n",
        "1,2,3,4,5\n",
        '{"event": "pay", "value": 7}\n',
        "shop 7 1.000001: 250000 cpu-clock:u: \n\t 401b97 main (/srv/shop)\n",
        "# Overhead  Command\n    74.84%  shop  shop  [.] pay\n",
    ],
)
def test_other_texts_are_left_alone(text: str) -> None:
    assert not PERF_STAT.sniff(Head(text.encode(), True))


@given(st.binary(max_size=200), st.booleans())
def test_sniffing_never_fails(content: bytes, whole: bool) -> None:
    assert PERF_STAT.sniff(Head(content, whole)) in (True, False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.sampled_from([JSON, CSV, TABLE, INTERVALS]),
    flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6),
    length=st.integers(0, 10**6),
)
def test_damage_never_ends_in_a_trace(
    tmp_path: Path, text: str, flips: list[tuple[int, int]], length: int
) -> None:
    data = bytearray(text.encode())
    for place, byte in flips:
        data[place % len(data)] = byte
    del data[length % len(data) + 1 :]
    with contextlib.suppress(BadFile):
        read_text(tmp_path, bytes(data))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    lines=st.lists(st.sampled_from([*CSV.splitlines(), "odd", ""]), max_size=20),
    block_bytes=st.integers(80, 300),
)
def test_the_size_of_the_blocks_changes_nothing(
    tmp_path: Path, lines: list[str], block_bytes: int
) -> None:
    text = CSV + "".join(line + "\n" for line in lines)
    # The layout is told by the first lines, which the first block must hold.
    text = CSV * 6 + text
    whole, parts = read_text(tmp_path, text), read_text(tmp_path, text, block_bytes=block_bytes)
    assert (whole.rows, whole.rejects) == (parts.rows, parts.rejects)
