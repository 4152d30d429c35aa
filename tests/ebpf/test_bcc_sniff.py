"""bcc's formats are told from each other and from what other programs print."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.bcc import BCC_HISTOGRAM, BCC_STACKS, BCC_TABLE
from collectors.collector import Head
from tests.ebpf.bcc_reading import head

FORMATS = (BCC_HISTOGRAM, BCC_STACKS, BCC_TABLE)

HISTOGRAM = "Tracing... Hit Ctrl-C to end.\n^C\n usecs : count distribution\n 0 -> 1 : 5 |*|\n"
STACKS = "    read\n    main\n    -                sh (7)\n        3\n\n"
TABLE = "PID    COMM   FD ERR PATH\n7      sh     3   0 /etc/passwd\n"


def names(begin: Head) -> list[str]:
    """Give the formats that a file may be."""
    return [collector.format for collector in FORMATS if collector.sniff(begin)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (HISTOGRAM, "bcc-histogram"),
        ("{'ts': '', 'val_type': 'us', 'data': [{'value': 1, 'count': 2}]}\n", "bcc-histogram"),
        (STACKS, "bcc-stacks"),
        ("Tracing 1 functions for x... Hit Ctrl-C to end.\n  f\n  g\n    12\n\n", "bcc-stacks"),
        ("  malloc\n  main\n    12\n\n", "bcc-stacks"),
        ("Attaching\n\t64 bytes in 4 allocations from stack\n\t\tf+0x1 [x]\n", "bcc-stacks"),
        (TABLE, "bcc-table"),
        ("PCOMM  PID  PPID  TID  AGE(s)  EXIT_CODE\n", "bcc-table"),
        ("SYSCALL             COUNT\nread   7\n", "bcc-table"),
        ("TIME         REFS/s   SLOW/s     HIT%\n12:00:01:  2  1  50.00\n", "bcc-table"),
        ("TIME,PID,COMM,MS\n12:00:01,7,sh,2\n", "bcc-table"),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_each_format_is_known_by_its_beginning(text: str, name: str, whole: bool) -> None:
    more = "" if whole else text.splitlines()[-1][:3]
    # A heading alone says nothing of what follows.
    lone = not whole and text.startswith("PCOMM")
    assert names(head(text + more, whole)) == ([] if lone else [name])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n\n",
        "The PID and the COMM are printed.\nThen the COUNT follows.\n",
        "  PID TTY          TIME CMD\n    1 ?        00:00:01 init\n",
        "UID  PID  PPID  C STIME TTY  TIME CMD\nroot  1  0  0 10:00 ?  00:00:01 init\n",
        "    PID COMMAND\n      1 init\n",
        "    PID    PPID COMMAND\n      1       0 init\n",
        "COMMAND PID USER FD TYPE DEVICE SIZE/OFF NODE NAME\nsh 1 me cwd DIR 8,1 4096 2 /\n",
        "CONTAINER ID   IMAGE   COMMAND   CREATED   STATUS\nab12  x  sh  now  Up\n",
        "NAME  COUNT\napples  3\n",
        "NAME,TIME,COUNT\na,1,2\n",
        "total 8\ndrwxr-xr-x 2 me me 4096 Nov 25 12:00 .\n",
        "2026-11-25T12:00:00Z INFO started pid=7\n",
        "# Overhead  Command  Shared Object  Symbol\n  50.00%  sh  libc.so  [.] read\n",
        "main;read 3\nmain;write 4\n",
        'int main(void) {\n    printf("usecs : count distribution");\n    return\n        3\n}\n',
        "sh 7 1.000: 1 cycles:\n\tffff read+0x1 (libc.so)\n\n",
        "PID COMM FD ERR PATH\nthis is no row of it\nnor is this\n",
        "See below.\nIt prints\nso many\nlines of\nprose.\n" + HISTOGRAM,
        "apples:\n  green\n  red\n    12\n\npears:\n  green\n    3\n",
        "@x: 3\n@y[sh]: 4\n",
        "@usecs:\n[2, 4)  3 |@@@|\n",
    ],
)
def test_what_others_print_is_none_of_them(text: str) -> None:
    assert names(head(text)) == []


@given(st.binary(max_size=300), st.sampled_from([HISTOGRAM, STACKS, TABLE]), st.integers(0, 200))
def test_no_bytes_make_a_sniff_fail(noise: bytes, text: str, place: int) -> None:
    data = text.encode()
    for content in (noise, data[:place] + noise + data[place:]):
        for whole in (True, False):
            assert len(names(Head(content, whole))) <= 3


@pytest.mark.parametrize("line", [b" " * 200_000, b"PID " * 60_000, b"    -" * 50_000])
def test_long_lines_do_not_hold_it_up(line: bytes) -> None:
    assert names(Head(line, whole=False)) == []
    assert names(Head(TABLE.encode() + line + b"\n", whole=True)) in (["bcc-table"], [])
