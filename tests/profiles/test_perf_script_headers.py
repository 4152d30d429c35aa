"""Headers of perf script's samples: any selection of fields, and names that look like fields."""

from pathlib import Path
from typing import Any

import pytest

from tests.profiles.perf_script_reading import NOON, read_text

FRAME = "\t          401b97 main+0x1f (/srv/shop)\n\n"
COLUMNS = ("comm", "pid", "thread_id", "event", "value", "sample_unit")
CLOCK = "cpu-clock:u"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("shop 7 1.000001: 250000 cpu-clock:u: ", ("shop", None, 7, CLOCK, 250000, "nanoseconds")),
        ("shop 7/8 1.000001: 250000 cpu-clock:u:", ("shop", 7, 8, CLOCK, 250000, "nanoseconds")),
        ("shop 7 [003] 1.000001: cycles: ", ("shop", None, 7, "cycles", 1, "count")),
        ("shop 7 [003] d.h.. 1.000001: 9 cycles:P: ", ("shop", None, 7, "cycles:P", 9, "cycles")),
        ("shop 7 cpu-clock: ", ("shop", None, 7, "cpu-clock", 1, "count")),
        ("shop 7 31 page-faults: ", ("shop", None, 7, "page-faults", 31, "count")),
        ("shop 7 ", ("shop", None, 7, "", 1, "count")),
        ("shop 7/8 [001]", ("shop", 7, 8, "", 1, "count")),
        ("shop 1.000001: 9 cycles: ", ("shop", None, None, "cycles", 9, "cycles")),
        ("shop [003] 1.000001: 9 cycles: ", ("shop", None, None, "cycles", 9, "cycles")),
        ("shop ", ("shop", None, None, "", 1, "count")),
        ("shop cycles: ", ("shop", None, None, "cycles", 1, "count")),
        ("V8 Worker: 2 7 1.000001: 9 cycles: ", ("V8 Worker: 2", None, 7, "cycles", 9, "cycles")),
        (":1234 1234 1.000001: 9 cycles: ", (":1234", None, 1234, "cycles", 9, "cycles")),
        ("kworker/0:1 7/7 1.0001: 9 cycles: ", ("kworker/0:1", 7, 7, "cycles", 9, "cycles")),
        ("swapper 0/-1 1.000001: 9 cycles: ", ("swapper", 0, -1, "cycles", 9, "cycles")),
    ],
)
def test_a_header_tells_what_it_has(tmp_path: Path, header: str, expected: tuple[Any, ...]) -> None:
    perf = read_text(tmp_path, f"{header}\n{FRAME}")
    (sample,) = perf.samples
    assert tuple(sample[name] for name in COLUMNS) == expected
    assert (sample["samples"], sample["functions"], perf.rejects) == (1, ["main"], [])


def test_the_processor_is_a_label(tmp_path: Path) -> None:
    perf = read_text(tmp_path, f"shop 7 [003] 1.000001: cycles: \n{FRAME}")
    assert perf.samples[0]["labels"] == {"cpu": "3"}


def test_fields_of_a_tracepoint_are_labels(tmp_path: Path) -> None:
    text = (
        "sh 7 [001] 1.000001: sched:sched_switch: prev_comm=my sh prev_pid=7 prev_state=R+ ==>"
        " next_comm=swapper/1 next_pid=0\n"
        "\tffffffff821f8b58 __schedule+0x618 ([kernel.kallsyms])\n\n"
        "sh 7 [001] 1.000002: syscalls:sys_enter_write: fd: 0x00000005, count: 0x10\n"
        "\t          10a7fb write+0x4b (/usr/lib/libc.so.6)\n\n"
        "sh 7 [001] 1.000003: probe:run: (55d0) a=1 a=2\n\n"
    )
    switch, write, probe = read_text(tmp_path, text).samples
    assert switch["labels"] == {
        "cpu": "1",
        "prev_comm": "my sh",
        "prev_pid": "7",
        "prev_state": "R+",
        "next_comm": "swapper/1",
        "next_pid": "0",
    }
    assert write["labels"] == {"cpu": "1", "fd": "0x00000005", "count": "0x10"}
    assert probe["labels"] == {"cpu": "1", "payload": "(55d0)", "a": "2"}
    assert {each["profile_type"] for each in (switch, write, probe)} == {"events"}


def test_each_event_is_a_profile(tmp_path: Path) -> None:
    text = (
        f"shop 7 1.000001: 100 cycles:u: \n{FRAME}"
        f"shop 7 1.500001: 4 instructions: \n{FRAME}"
        f"shop 7 3.000001: 100 cycles:u: \n{FRAME}"
    )
    cycles, instructions = read_text(tmp_path, text).profiles
    assert dict(cycles["attributes"]) == {"event": "cycles:u", "modifiers": "u"}
    assert cycles["sample_types"] == [{"type": "cycles", "unit": "cycles", "total": 200}]
    assert (cycles["duration_nano"], cycles["period"]) == (2_000_000_000, 100)
    assert instructions["sample_types"] == [{"type": "instructions", "unit": "count", "total": 4}]


def test_samples_keep_their_distance_in_time(tmp_path: Path) -> None:
    text = f"a 7 51.000001: 1 cycles: \n{FRAME}a 7 51.000004: 1 cycles: \n{FRAME}"
    perf = read_text(tmp_path, text, time_unix_nano=NOON - 5)
    assert [sample["time_unix_nano"] for sample in perf.samples] == [NOON - 5, NOON + 2995]


def test_a_clock_of_the_calendar_is_taken_as_such(tmp_path: Path) -> None:
    perf = read_text(tmp_path, f"a 7 1795608000.25: 1 cycles: \n{FRAME}")
    assert perf.samples[0]["time_unix_nano"] == NOON + 250_000_000


def test_the_header_comments_tell_when_and_where(tmp_path: Path) -> None:
    text = (
        "# ========\n# captured on    : Wed Nov 25 12:00:00 2026\n# hostname : web-1\n"
        "# cmdline : /usr/bin/perf record -g ./shop\n"
        "# event : name = cpu-clock:u, , id = { 1 }\n"
        "# time of first sample : 10.000000\n# time of last sample : 12.500000\n# ========\n#\n"
        f"shop 7 \n{FRAME}"
    )
    perf = read_text(tmp_path, text)
    (profile,) = perf.profiles
    assert profile["time_unix_nano"] == NOON - 2_500_000_000
    assert (profile["host_name"], profile["comments"]) == (
        "web-1",
        ["/usr/bin/perf record -g ./shop"],
    )
    assert perf.samples[0]["profile_type"] == "cpu"


def test_a_rate_values_samples_without_a_period(tmp_path: Path) -> None:
    perf = read_text(tmp_path, f"shop 7 1.000001: cpu-clock: \n{FRAME}", rate_hertz=100)
    (sample,) = perf.samples
    assert (sample["value"], sample["sample_unit"]) == (10_000_000, "nanoseconds")


def test_numbers_beyond_64_bits_are_rejected_and_sums_are_capped(tmp_path: Path) -> None:
    most = 999_999_999_999_999_999
    text = f"a 7 1.000001: {most}9 cycles: \n{FRAME}" + "".join(
        f"a 7 1.{second:06d}: {most} cycles: \n{FRAME}" for second in range(10)
    )
    perf = read_text(tmp_path, text)
    assert perf.rejects == [("line 1", "no header of a sample")]
    assert len(perf.samples) == 10
    assert perf.profiles[0]["sample_types"][0]["total"] == 2**63 - 1
    assert "total_beyond_int64: 1" in perf.profiles[0]["warnings"]


def test_other_records_are_no_samples_and_losses_are_counted(tmp_path: Path) -> None:
    text = (
        "shop 7 1.000000: PERF_RECORD_COMM: shop:7/7\n"
        f"shop 7 1.000001: 9 cycles: \n{FRAME}"
        "shop 7 1.000002: PERF_RECORD_LOST lost 12\n"
        "Warning: Processed 9 events and lost 3 chunks!\n"
    )
    perf = read_text(tmp_path, text)
    assert (perf.messages, perf.profiles[0]["lost"], perf.rejects) == (1, 15, [])


def test_a_command_called_lost_is_a_command(tmp_path: Path) -> None:
    perf = read_text(tmp_path, f"lost 12 1.000001: 9 cycles: \n{FRAME}")
    assert (perf.samples[0]["comm"], perf.profiles[0]["lost"]) == ("lost", None)
