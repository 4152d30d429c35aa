"""A pprof file is told by its content, and nothing else is taken for one."""

import gzip
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.collector import Head
from collectors.otlp_file import OTLP_FILES
from collectors.pprof import PPROF
from tests.importing import otlp_files
from tests.otlp_profiles.profile_messages import PprofFile, field, packed

HEAD = 256 << 10


def sniff(content: bytes) -> bool:
    return PPROF.sniff(Head(content[:HEAD], whole=len(content) <= HEAD))


def small() -> PprofFile:
    made = PprofFile((("samples", "count"), ("cpu", "nanoseconds")))
    made.sample("work;main", 2, 20, labels={"thread id": 7, "endpoint": "/buy"})
    made.sample("rest;main", 1, 10)
    return made


def test_a_profile_is_told_by_its_fields() -> None:
    assert sniff(small().bytes())
    assert sniff(gzip.compress(small().bytes()))


def test_a_profile_whose_strings_are_behind_the_head_is_told() -> None:
    made = small()
    body = made.parts[-1]
    made.parts += [body] * (HEAD // len(body) + 1)
    assert len(made.bytes()) > HEAD
    assert sniff(made.bytes())


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_profile_that_is_cut_off_is_still_told(cut: int) -> None:
    assert sniff(small().bytes()[:-cut])


@pytest.mark.parametrize("framed", [bytes, lambda data: otlp_files.prefixed([data])])
@pytest.mark.parametrize("signal", list(otlp_files.MAKE))
def test_otlp_is_not_taken_for_pprof_nor_pprof_for_otlp(signal: str, framed: Any) -> None:
    assert not sniff(framed(otlp_files.MAKE[signal](3)))
    assert not sniff(otlp_files.delimited([otlp_files.MAKE[signal](n) for n in range(3)]))
    begin = Head(small().bytes(), whole=True)
    assert [each.format for each in OTLP_FILES if each.sniff(begin)] == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"main;work 3\nmain;rest 4\n",
        b"<html><body>502</body></html>",
        b'{"$schema": "https://www.speedscope.app/file-format-schema.json"}',
        b"# started on Mon\nperf 1 [000] 1.0: cycles:\n\t1 f (x)\n",
        bytes(100),
        b"\x0a" * 50,
        b"\x1f\x8b nothing",
        gzip.compress(b"main;work 3\n"),
        # A sample type alone: any message of two small numbers in a message looks like it.
        field(1, field(1, 1) + field(2, 2)),
        # A string table that does not begin with the empty string.
        field(1, field(1, 1)) + field(6, b"x"),
        # Samples with text in the place of numbers.
        field(1, field(1, 1)) + field(2, field(1, b"ab\xff")) + field(6, b""),
    ],
)
def test_what_is_none_is_not_taken_for_one(content: bytes) -> None:
    assert not sniff(content)


@pytest.mark.parametrize(
    "content",
    [
        b"heap profile:    144:  8498176 [   144:  8498176] @ heapz_v2/524288\n",
        b"heap_v2/524288\n  t*: 28106: 56637512 [0: 0]\n",
        b"\n--- contentionz 1 ---\ncycles/second = 3201000000\n",
        b"--- contention:\ncycles/second = 3201000000\n",
        b"--- threadz 1 ---\n\n--- Thread 7f (name: main/1) stack: ---\n",
        b"--- heapz 1 ---\n0 0 @ 0\n",
        b"goroutine profile: total 5\n1 @ 0x1\n",
        struct.pack("<5Q", 0, 3, 0, 10_000, 0) + bytes(24),
        struct.pack(">5I", 0, 3, 1, 10_000, 0) + bytes(12),
    ],
)
def test_an_older_form_is_known_as_one(content: bytes) -> None:
    assert sniff(content)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(content: bytes) -> None:
    for begin in (b"", b"\x1f\x8b", small().bytes()[:20]):
        assert sniff(begin + content) in (True, False)


@given(st.data())
def test_a_flipped_byte_makes_it_not_fail(data: st.DataObject) -> None:
    content = bytearray(small().bytes() + field(11, field(1, 1)) + packed(13, [1, 2]))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    assert sniff(bytes(content)) in (True, False)
