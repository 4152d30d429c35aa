"""Laws of reading bcc's output: blocks do not show, totals hold, and damage is told, not raised."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors import bcc_histogram, bcc_stacks, bcc_table
from collectors.collector import Reject, Rows
from pipeline.errors import BadFile
from tests.ebpf.bcc_reading import Read, read_text

Reader = Callable[..., Iterator[Rows | Reject]]

HISTOGRAM = (
    "Tracing run queue latency... Hit Ctrl-C to end.\n\n12:00:01\npid = 7\n"
    "     usecs               : count     distribution\n"
    "         0 -> 1          : 3        |****                |\n"
    "         2 -> 3          : 30       |********************|\n\n"
    "avg = 5 usecs, total: 50 usecs, count: 10\n\n12:00:02\n"
    "     usecs               : count     distribution\n"
    "         4 -> 7          : 9        |********************|\n"
)
STACKS = (
    "Sampling at 49 Hertz of all threads by user + kernel stack... Hit Ctrl-C to end.\n^C\n"
    "    read\n    main\n    -                sh (7)\n        3\n\n"
    "    write\n    --\n    main\n    -                sh (7)\n        4\n\n"
    "    read\n    main\n    -                sh (8)\n        5\n\n"
)
TABLE = (
    "12:00:01 loadavg: 0.50 0.40 0.30 2/100 9\n\nPID    COMM    READS  R_Kb  FILE\n"
    "7      sh      3      12    a b\n8      Web Content  1  2  c\n\n"
    "12:00:02 loadavg: 0.50 0.40 0.30 2/100 9\n\nPID    COMM    READS  R_Kb  FILE\n"
    "7      sh      4      12    a b\nwhat is this\n9 x 1 1 y\n\nPID COMM FD ERR PATH\n7 sh 3 0 /\n"
)
FAMILIES: list[tuple[Reader, str]] = [
    (bcc_histogram.read, HISTOGRAM),
    (bcc_stacks.read, STACKS),
    (bcc_table.read, TABLE),
]
IDS = ["histogram", "stacks", "table"]


def reading(read: Reader, text: str | bytes, block_bytes: int = 8 << 20) -> Read:
    """Read text as a file."""
    with tempfile.TemporaryDirectory() as folder:
        return read_text(read, Path(folder), text, block_bytes=block_bytes)


def sortable(rows: list[dict[str, Any]]) -> list[str]:
    """Give rows each once, in an order of their own."""
    return sorted({str(row) for row in rows})


@pytest.mark.parametrize(("read", "text"), FAMILIES, ids=IDS)
@pytest.mark.parametrize("before", [0, 101])
def test_blocks_of_any_size_give_the_same_rows(read: Reader, text: str, before: int) -> None:
    # Compressed so, a file is read by 128 KiB; what stands before moves the places of the cuts.
    long = "\n" * before + text * (1 + (280 << 10) // len(text))
    packed = pa.compress(long.encode(), codec="zstd", asbytes=True)
    whole = reading(read, packed, block_bytes=1 << 30)
    cut = reading(read, packed, block_bytes=1)
    assert (cut.messages, cut.rejects) == (whole.messages, whole.rejects)
    assert cut.tables.keys() == whole.tables.keys()
    for table in whole.tables:
        assert sortable(cut.tables[table]) == sortable(whole.tables[table])
    for table in ("ebpf_histograms", "ebpf_counts", "ebpf_events", "profile_samples"):
        assert len(cut.tables.get(table, [])) == len(whole.tables.get(table, []))


@pytest.mark.parametrize(("read", "text"), FAMILIES, ids=IDS)
def test_the_same_bytes_give_the_same_rows(read: Reader, text: str) -> None:
    assert reading(read, text) == reading(read, text)


@settings(max_examples=25)
@given(
    st.lists(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=12), min_size=1, max_size=4)
)
def test_a_printed_histogram_comes_back(histograms: list[list[int]]) -> None:
    text, expected = "", []
    for counts in histograms:
        text += "     usecs               : count     distribution\n"
        for power, count in enumerate(counts):
            low, high = (1 << power if power else 0), (2 << power) - 1
            text += f"{low:10} -> {high:<10} : {count:<8} |{'':40}|\n"
            expected.append((low, high, count))
        text += "\n"
    found = reading(bcc_histogram.read, text)
    assert found.columns("ebpf_histograms", "bucket_low", "bucket_high", "count") == expected


FUNCTIONS = st.sampled_from(["main", "read", "[unknown]", "std::map<int, int>::at(int)", "a-b"])


@settings(max_examples=25)
@given(st.lists(st.tuples(st.lists(FUNCTIONS, max_size=4), st.integers(0, 10**9)), min_size=1))
def test_printed_stacks_come_back_with_their_total(stacks: list[tuple[list[str], int]]) -> None:
    text = "".join(
        "".join(f"    {function}\n" for function in functions)
        + f"    -                sh 1 (7)\n        {value}\n\n"
        for functions, value in stacks
    )
    found = reading(bcc_stacks.read, text)
    names = {row["stack_id"]: row["functions"] for row in found.tables["profile_stacks"]}
    assert [(names[row["stack_id"]], row["value"]) for row in found.tables["profile_samples"]] == [
        (functions or ["[no stack]"], value) for functions, value in stacks
    ]
    (profile,) = found.tables["profiles"]
    assert profile["sample_types"][0]["total"] == sum(value for _, value in stacks)


COMMANDS = st.from_regex(r"[a-z0-9]{1,5}( [a-z0-9]{1,4}){0,2}", fullmatch=True)
PATHS = st.from_regex(r"/[a-z0-9 ]{0,8}[a-z0-9]", fullmatch=True)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 9_999_999), COMMANDS, PATHS), min_size=1, max_size=9))
def test_printed_rows_come_back(rows: list[tuple[int, str, str]]) -> None:
    text = "PID    COMM               FD ERR PATH\n" + "".join(
        f"{pid:<6} {comm:<16} {3:4} {0:3} {path}\n" for pid, comm, path in rows
    )
    found = reading(bcc_table.read, text)
    told = found.columns("ebpf_events", "pid", "comm", "fields")
    assert [(pid, comm, fields["PATH"]) for pid, comm, fields in told] == rows


@pytest.mark.parametrize(("read", "text"), FAMILIES, ids=IDS)
@settings(max_examples=25)
@given(data=st.data())
def test_damage_is_told_and_never_raised_otherwise(
    read: Reader, text: str, data: st.DataObject
) -> None:
    content = bytearray(text.encode())
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    extra = data.draw(st.sampled_from([b"", b"9" * 400, b"\xff\xfe", b"-> nan : 1e999 |"]))
    place = data.draw(st.integers(0, len(content)))
    content[place:place] = extra
    damaged = bytes(content[: data.draw(st.integers(0, len(content)))])
    # Any other error than this fails the test.
    with contextlib.suppress(BadFile):
        found = reading(read, damaged)
        assert found.messages <= damaged.count(b"\n") + 1 + 3
