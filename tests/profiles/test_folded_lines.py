"""Lines of folded stacks: where the count begins, what is no stack, and sums of equal ones."""

import codecs
import gzip
from pathlib import Path

import pytest

from collectors.collector import Head
from collectors.folded import FOLDED
from collectors.folded_rows import read
from pipeline.errors import BadFile
from tests.profiles.folded_reading import Read, read_file


@pytest.fixture
def folded(tmp_path: Path):
    """Give a reader of text."""

    def make(text: str | bytes, **how) -> Read:
        path = tmp_path / "stacks.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_file(read, path, **how)

    return make


def test_a_stack_is_root_first_and_its_count_the_last_word(folded):
    found = folded("main;serve;parse 3\nmain;serve 4\n")
    assert found.stacks() == {("main", "serve", "parse"): 3, ("main", "serve"): 4}
    assert found.messages == 2
    (row,) = (row for row in found.tables["profile_stacks"] if row["depth"] == 3)
    assert (row["leaf_function"], row["root_function"]) == ("parse", "main")
    assert row["truncated"] is False


@pytest.mark.parametrize("line", ["a;b c  7", "a;b c\t7", "a;b c 7  ", "a;b c 007", "a;b c 7."])
def test_blanks_in_a_frame_are_kept_and_those_around_the_count_are_not(folded, line):
    assert folded(f"{line}\n").stacks() == {("a", "b c"): 7}


def test_equal_stacks_are_added_up(folded):
    found = folded("a;b 1\na;c 5\na;b 2\n")
    assert found.stacks() == {("a", "b"): 3, ("a", "c"): 5}
    assert len(found.tables["profile_samples"]) == 2
    assert found.messages == 3


def test_comments_and_empty_lines_are_no_stacks(folded):
    found = folded("# made by hand\n\n  \na;b 1\n\n")
    assert found.stacks() == {("a", "b"): 1}
    assert found.rejects == []


def test_a_blank_before_a_lone_count_is_a_stack_without_frames_as_py_spy_writes_it(folded):
    found = folded("a;b 1\n 3\na 2\n 4\n")
    assert found.stacks() == {("a", "b"): 1, ("a",): 2, ("[no stack]",): 7}
    assert found.rejects == []


def test_a_line_without_a_count_is_rejected_by_its_number_and_the_others_stay(folded):
    found = folded("a;b 1\n\nno count here\na;c x12\n7\na;d 1e3\na;e -4\n" + "a;f 1\n" * 60)
    told = [place for place, _ in found.rejects]
    assert told == ["line 3", "line 4", "line 5", "line 6", "line 7"]
    assert found.rejects[0][1] == found.rejects[1][1] == "no count at the end"
    assert found.rejects[2][1] == "a count without a stack"
    assert found.stacks() == {("a", "b"): 1, ("a", "f"): 60}
    assert found.tables["profiles"][0]["warnings"] == ["lines_rejected: 5"]


def test_more_than_a_tenth_of_bad_lines_refuses_the_file(folded):
    folded("bad\n" * 11 + "a;b 1\n" * 99)
    with pytest.raises(BadFile, match="12 of 110 lines"):
        folded("bad\n" * 12 + "a;b 1\n" * 98)


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "nothing\n", "\0\0\0", "\xff"])
def test_a_file_without_a_stack_is_refused(folded, text):
    with pytest.raises(BadFile, match="folded stacks: no line is a stack"):
        folded(text)


def test_fractions_are_added_up_exactly_before_they_are_rounded_half_to_even(folded):
    found = folded("a 0.1\na 0.2\na 0.2\nb 1.5\nc 2.5\nd 0.7\nd 0.7\ne 3.0\n")
    assert found.stacks() == {("b",): 2, ("c",): 2, ("d",): 1, ("e",): 3}
    assert found.warnings["fractional_counts"] == 7
    assert found.tables["profiles"][0]["sample_types"][0]["total"] == 8


def test_counts_up_to_63_bits_are_kept_whole(folded):
    assert folded(f"a {2**53 + 1}\n").stacks() == {("a",): 2**53 + 1}
    assert folded(f"a {2**63 - 1}\n").stacks() == {("a",): 2**63 - 1}
    assert folded("a 000000000000000000000000000012\n").stacks() == {("a",): 12}


@pytest.mark.parametrize("count", [str(2**63), "9" * 30, "9" * 5000, "9" * 30 + ".5"])
def test_a_count_beyond_63_bits_is_rejected(folded, count):
    found = folded(f"a;b 1\nlong;enough;for;the;window {count}\n")
    assert found.rejects == [("line 2", "the count is beyond 2^63-1")]
    assert found.stacks() == {("a", "b"): 1}


def test_counts_that_together_are_beyond_63_bits_refuse_the_file(folded):
    with pytest.raises(BadFile, match="add up to more"):
        folded(f"a {2**62}\nb {2**62}\n")


def test_a_count_beyond_63_bits_in_the_canonical_unit_is_rejected(folded):
    found = folded(f"a {2**62}\nb 2\n", unit="s")
    assert found.rejects == [("line 1", "the count is beyond 2^63-1")]
    assert found.stacks() == {("b",): 2_000_000_000}


def test_two_counts_a_line_are_two_profiles(folded):
    found = folded("a;b 3 4\na;c 0 5\na;d 6 0\n")
    before, after = found.tables["profiles"]
    assert dict(before["attributes"]) == {"side": "before"}
    assert dict(after["attributes"]) == {"side": "after"}
    assert found.stacks(profile_id=before["profile_id"]) == {("a", "b"): 3, ("a", "d"): 6}
    assert found.stacks(profile_id=after["profile_id"]) == {("a", "b"): 4, ("a", "c"): 5}
    assert [p["sample_types"][0]["total"] for p in (before, after)] == [9, 9]


def test_a_frame_that_ends_in_a_number_is_no_first_count_unless_all_do(folded):
    found = folded("a;worker 1 5\na;b 2\n")
    assert found.stacks() == {("a", "worker 1"): 5, ("a", "b"): 2}


@pytest.mark.parametrize(
    ("bom", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_line_ends_make_no_difference(folded, bom, encoding, end):
    text = bom + f"grün;b 1{end}grün;c 2".encode(encoding)
    assert folded(text).stacks() == {("grün", "b"): 1, ("grün", "c"): 2}
    assert FOLDED.sniff(Head(text, whole=True))


def test_invalid_utf_8_is_replaced_and_counted(folded):
    found = folded(b"a;b\xff 3\n")
    assert found.stacks() == {("a", "b\ufffd"): 3}
    assert found.warnings["invalid_utf8"] == 1


def test_a_short_line_among_long_ones_is_read_alike(folded):
    long = "a_function_with_a_long_name;another_one 12\n"
    stack = ("a_function_with_a_long_name", "another_one")
    assert folded(long * 2).stacks() == {stack: 24}
    assert folded(long + "a 1\n" + long).stacks() == {stack: 24, ("a",): 1}
    assert folded(long + "#" + long + long).stacks() == {stack: 24}


def test_rows_of_a_piece_that_landed_are_known(folded):
    assert folded("a;b 1\n", landed=1).messages == 1


def test_a_file_in_pieces_has_its_samples_in_the_last(tmp_path):
    # Each member of the archive is given as a chunk of its own.
    path = tmp_path / "stacks.gz"
    path.write_bytes(b"".join(gzip.compress(b"a;b 1\na;c 2\n") for _ in range(4)))
    found = read_file(lambda c, r: read(c, r, block_bytes=1), path, piece_bytes=24)
    assert found.stacks() == {("a", "b"): 4, ("a", "c"): 8}
    assert found.pieces == [1, 1, 2, 2, 2, 2]
    assert len(found.tables["profiles"]) == 1
    assert len(found.tables["profile_stacks"]) == 2


SOURCE = b"for (int i = 0; i < 10; i++) {\n  total += i;\n}\nreturn total;\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"main 12\nother 3\n",
        b"a;b\nc;d\n",
        b"@[main;f]: 5\n@[main;g]: 6\n",
        b'{"a": "b;c 1"}',
        b"\x0a\x05a;b 1\n\0",
        b"time;count\n1;2\n3;4\n",
        b"flag 1\nname 2\na;b 3\nthree 4\nfour 5\nfive 6\n",
        b" " * 300_000 + b"1",
        SOURCE,
        bytes(range(256)) * 10,
    ],
)
def test_what_is_no_folded_text_is_not_taken_for_it(content):
    assert not FOLDED.sniff(Head(content, whole=True))


def test_folded_text_is_known_by_its_beginning_alone():
    text = b"a;b;c 10\nd 2\na;b 3\na;very;long;stack;that;is;cut;off;in;the;mid"
    assert FOLDED.sniff(Head(text, whole=False))
