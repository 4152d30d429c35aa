"""Tables of bcc and libbpf-tools: events a line, or counters a column."""

from pathlib import Path

import pytest

from collectors.bcc_columns import heading
from collectors.bcc_table import read
from collectors.origin import Origin
from pipeline.errors import BadFile
from tests.ebpf.bcc_reading import NOON, SECOND, read_text

OPENED = """\
PID    COMM              FD ERR PATH
41     shop               3   0 /etc/shop.conf
1234567 a-long-command-1 -1   2 /tmp/with two blanks
42     Web Content       12   0 /usr/lib/x.so
43     pool 7             5   0 /dev/null
"""


def test_a_line_of_a_tracer_is_an_event_with_every_column(tmp_path: Path) -> None:
    found = read_text(read, tmp_path, OPENED, "opensnoop.txt")
    columns = ("tool", "event", "pid", "comm", "fields", "line", "time_unix_nano")
    assert found.columns("ebpf_events", *columns)[0] == (
        "opensnoop",
        "opensnoop",
        41,
        "shop",
        {"PID": "41", "COMM": "shop", "FD": "3", "ERR": "0", "PATH": "/etc/shop.conf"},
        "41     shop               3   0 /etc/shop.conf",
        NOON,
    )
    assert (found.messages, found.rejects, found.tables["ebpf_counts"]) == (4, [], [])


def test_values_overflow_their_columns_and_names_have_blanks(tmp_path: Path) -> None:
    found = read_text(read, tmp_path, OPENED)
    told = [
        (pid, comm, fields["FD"], fields["PATH"])
        for pid, comm, fields in found.columns("ebpf_events", "pid", "comm", "fields")
    ]
    assert told == [
        (41, "shop", "3", "/etc/shop.conf"),
        (1234567, "a-long-command-1", "-1", "/tmp/with two blanks"),
        (42, "Web Content", "12", "/usr/lib/x.so"),
        (43, "pool 7", "5", "/dev/null"),
    ]


@pytest.mark.parametrize(
    ("head", "row", "nanoseconds"),
    [
        ("COMM  PID  LAT(ms) PAGES", "sh 7 0.19 3", 190_000),
        ("TIME(s) PID MS QUERY", "0.5 7 2.5 SELECT 1", 2_500_000),
        ("COMM  TID  LAT(us) RET FUNC", "sh 7 12 0 SSL_read", 12_000),
        ("PID COMM DELTA_US RET", "7 sh 3 0", 3_000),
        ("TIME PID COMM LATms HOST", "12:00:00 7 sh 9 example.org", 9_000_000),
        ("TIME     PID  COMM  AGE(s) FILE", "12:00:00 7 sh 1.5 a.o", 1_500_000_000),
        ("TIME(s) COMM PID DISK T SECTOR BYTES QUE(ms) LAT(ms)", "0 sh 7 sda R 1 2 9 3", 3_000_000),
        ("START    TIME (us) DESCRIPTION", "0.5 10 major GC", 10_000),
        ("PID COMM FD ERR PATH", "7 sh 1 0 /", None),
    ],
)
def test_how_long_it_took_is_told_by_the_heading(
    tmp_path: Path, head: str, row: str, nanoseconds: int | None
) -> None:
    found = read_text(read, tmp_path, f"{head}\n{row}\n")
    assert found.columns("ebpf_events", "duration_nano") == [(nanoseconds,)]


@pytest.mark.parametrize(
    ("head", "row", "after"),
    [
        ("TIME     PID  COMMAND", "12:00:03 7 ls -l", 3 * SECOND),
        ("TIME(s)  PID COMM T FILE", "0.250 7 sh M etc", SECOND // 4),
        ("TIME(ms) DISK COMM PID LAT(ms)", "20 sda sh 7 0", 20_000_000),
        ("PID COMM FD ERR PATH", "7 sh 3 0 /", 0),
    ],
)
def test_the_time_is_the_clocks_or_since_the_recording_began(
    tmp_path: Path, head: str, row: str, after: int
) -> None:
    origin = Origin(time_unix_nano=NOON)
    found = read_text(read, tmp_path, f"{head}\n{row}\n", origin=origin)
    assert found.columns("ebpf_events", "time_unix_nano") == [(NOON + after,)]


def test_a_bare_number_under_time_is_of_no_unit_that_we_know(tmp_path: Path) -> None:
    found = read_text(read, tmp_path, "TIME PID COMM T FILE\n427 7 sh R etc\n")
    assert found.columns("ebpf_events", "time_unix_nano") == [(NOON,)]
    assert found.warnings == {"times_without_unit": 1}


def test_system_calls_are_counted_with_their_time(tmp_path: Path) -> None:
    text = (
        "Tracing syscalls, printing top 10... Ctrl+C to quit.\n[12:00:01]\n"
        "SYSCALL                   COUNT        TIME (us)\n"
        "read                          3           17.250\n"
        "[unknown: 999]                1            2.000\n\nDetaching...\n"
    )
    found = read_text(read, tmp_path, text)
    columns = ("tool", "metric", "unit", "keys", "value_int", "value_double", "time_unix_nano")
    when = NOON + SECOND
    assert found.columns("ebpf_counts", *columns) == [
        ("syscount", "syscalls", "count", {"syscall": "read"}, 3, None, when),
        ("syscount", "syscall_time", "us", {"syscall": "read"}, None, 17.25, when),
        ("syscount", "syscalls", "count", {"syscall": "[unknown: 999]"}, 1, None, when),
        ("syscount", "syscall_time", "us", {"syscall": "[unknown: 999]"}, None, 2.0, when),
    ]
    assert (found.messages, found.rejects) == (2, [])


def test_rates_and_shares_of_each_print_are_counters(tmp_path: Path) -> None:
    text = (
        "TIME         REFS/s     HIT%\n12:00:01:      250    99.96\n12:00:02:       30   100.00\n"
    )
    found = read_text(read, tmp_path, text, "dcstat.txt")
    columns = ("metric", "unit", "value_int", "value_double", "keys", "time_unix_nano")
    assert found.columns("ebpf_counts", *columns) == [
        ("refs", "1/s", 250, None, {}, NOON + SECOND),
        ("hit", "%", None, 99.96, {}, NOON + SECOND),
        ("refs", "1/s", 30, None, {}, NOON + 2 * SECOND),
        ("hit", "%", None, 100.0, {}, NOON + 2 * SECOND),
    ]


def test_headings_repeat_and_each_print_has_its_time(tmp_path: Path) -> None:
    text = "".join(
        f"12:00:0{second} loadavg: 0.50 0.40 0.30 2/100 9\n\n"
        f"PID    COMM    READS  R_Kb  FILE\n{second}  sh  7  640  a b.c\n\n"
        for second in (1, 2)
    )
    found = read_text(read, tmp_path, text)
    columns = ("metric", "unit", "value_int", "key_list", "time_unix_nano")
    assert found.columns("ebpf_counts", *columns) == [
        ("reads", "count", 7, ["1", "sh", "a b.c"], NOON + SECOND),
        ("r_kb", "KB", 640, ["1", "sh", "a b.c"], NOON + SECOND),
        ("reads", "count", 7, ["2", "sh", "a b.c"], NOON + 2 * SECOND),
        ("r_kb", "KB", 640, ["2", "sh", "a b.c"], NOON + 2 * SECOND),
    ]


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("PID COMM LADDR RADDR RX_KB TX_KB", True),
        ("PID COMM LADDR LPORT RADDR RPORT TX_KB RX_KB MS", False),
        ("LADDR LPORT BINDS", True),
        ("SOFTIRQ TOTAL_usecs", True),
        ("TIME COMM PID T BYTES OFF_KB LAT(ms) FILENAME", False),
        ("PPC HCALL COUNT", True),
        ("SKADDR C-PID C-COMM LADDR LPORT RADDR RPORT OLDSTATE -> NEWSTATE MS", False),
    ],
)
def test_column_names_say_whether_a_table_counts(line: str, counts: bool) -> None:
    known = heading(line)
    assert known is not None
    assert known.counts is counts


def test_headings_of_two_words_are_one_column(tmp_path: Path) -> None:
    text = "TIME COMM TID LAT(us) PREV COMM        PREV TID\n12:00:00 cc1  5  7 make  6\n"
    found = read_text(read, tmp_path, text)
    ((fields, duration),) = found.columns("ebpf_events", "fields", "duration_nano")
    assert (fields["PREV COMM"], fields["PREV TID"], duration) == ("make", "6", 7_000)


def test_a_table_of_commas_has_the_same_columns(tmp_path: Path) -> None:
    text = "TIME,PID,COMM,LADDR,MS\n12:00:01,7,my shell, too,::1,0.5\n"
    found = read_text(read, tmp_path, text)
    columns = ("pid", "comm", "duration_nano", "time_unix_nano")
    assert found.columns("ebpf_events", *columns) == [(7, "my shell, too", 500_000, NOON + SECOND)]


def test_addresses_of_version_6_and_missing_last_columns_are_read(tmp_path: Path) -> None:
    text = (
        "ACTION TID    COMM             SOCKET                    FD    NAME\n"
        "SEND   25     Web Content      24:socket:[100]           51    /dev/shm/x\n"
        "RECV   25     Web Content      49:socket:[20000]         51\n"
    )
    found = read_text(read, tmp_path, text)
    told = found.columns("ebpf_events", "tid", "comm", "fields")
    assert [(tid, comm, fields["NAME"]) for tid, comm, fields in told] == [
        (25, "Web Content", "/dev/shm/x"),
        (25, "Web Content", ""),
    ]
    text = "PID COMM IP SADDR DADDR DPORT\n7 ssh 6 fe80::1 2001:db8:1:2:3:4:5:6 22\n"
    (fields,) = read_text(read, tmp_path, text).columns("ebpf_events", "fields")[0]
    assert fields["DADDR"] == "2001:db8:1:2:3:4:5:6"


def test_what_was_sent_and_stacks_under_rows_are_skipped_and_counted(tmp_path: Path) -> None:
    text = (
        "FUNC         TIME(s)            COMM             PID    LEN\n"
        "WRITE/SEND   0.000000000        curl             12     64\n"
        "----- DATA -----\nGET / HTTP/1.1\nREAD/RECV    0.1  curl   12  1\n"
        "----- END DATA -----\n\n"
        "READ/RECV    0.250000000        curl             12     90 \n"
        "        tcp_recvmsg+0x12 [kernel]\n        [unknown]\n"
    )
    found = read_text(read, tmp_path, text)
    assert found.messages == 2
    assert found.warnings == {"data_lines_skipped": 4, "stack_lines_skipped": 2}
    assert found.rejects == []


def test_among_rows_what_does_not_fit_is_rejected_and_behind_a_gap_it_is_text(
    tmp_path: Path,
) -> None:
    text = f"{OPENED}not a row at all\n44 sh 3 0 /x\n[...]\n\nAnd this is prose.\n"
    found = read_text(read, tmp_path, text)
    assert found.rejects == [("line 6", "does not fit the columns above it")]
    assert (found.messages, found.warnings) == (5, {"text_lines_skipped": 1})


def test_numbers_beyond_what_the_lake_holds_are_dropped_and_counted(tmp_path: Path) -> None:
    text = (
        "COMM  PID  LAT(ms) PAGES\nsh 99999999999999999999 1.5 3\n"
        "sh 7 99999999999999999999 3\nsh 7 -1.5 3\n"
    )
    found = read_text(read, tmp_path, text)
    assert found.columns("ebpf_events", "pid", "duration_nano") == [
        (None, 1_500_000),
        (7, None),
        (7, -1_500_000),
    ]
    assert found.warnings == {"numbers_out_of_range": 2}
    text = "TIME(s) PID COMM T FILE\n99999999999999999 7 sh M etc\n"
    found = read_text(read, tmp_path, text)
    assert found.columns("ebpf_events", "time_unix_nano") == [(NOON,)]
    assert found.warnings == {"times_out_of_range": 1}


def test_counts_of_one_probe_carry_its_name(tmp_path: Path) -> None:
    text = (
        "[12:00:01]\np:c:write():int:$PID\n        COUNT      EVENT\n        3          $PID = 8\n"
    )
    found = read_text(read, tmp_path, text, "argdist.txt")
    assert found.columns("ebpf_counts", "metric", "value_int", "keys") == [
        ("count", 3, {"event": "$PID = 8", "label": "p:c:write():int:$PID"})
    ]
    assert found.rejects == []


def test_what_was_lost_is_counted(tmp_path: Path) -> None:
    found = read_text(read, tmp_path, f"{OPENED}lost 12 events on CPU #3\n")
    assert found.columns("ebpf_counts", "metric", "value_int") == [("lost", 12)]


def test_a_heading_without_rows_is_an_empty_recording(tmp_path: Path) -> None:
    found = read_text(read, tmp_path, "PCOMM   PID   PPID  TID  AGE(s)  EXIT_CODE\n")
    assert (found.messages, found.rejects) == (0, [])


@pytest.mark.parametrize("text", ["hello\n", "PID TTY TIME CMD\n1 ? 0 sh\n", "\n"])
def test_a_file_without_a_heading_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadFile, match="no bcc-table: .*--format"):
        read_text(read, tmp_path, text)
