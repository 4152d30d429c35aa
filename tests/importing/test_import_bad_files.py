"""What is bad in a file is told with its place and costs nothing beside it."""

import gzip
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from collectors import collector, expand, otlp_file_frames, otlp_file_rows
from collectors.finding import find
from collectors.importing import Wishes, import_files
from collectors.otlp.signals import TRACES
from collectors.otlp.split import TooWideError
from pipeline.lake import Lake
from tests.importing import otlp_files as files

Spoil = Callable[[bytes], bytes]


def json_lines(*numbers: int) -> list[bytes]:
    """Give requests as JSON, one a line without its end."""
    return [files.as_json("traces", files.traces(number)) for number in numbers]


def test_a_bad_line_is_told_and_its_neighbours_land(lake: Lake, tmp_path: Path) -> None:
    first, third, fifth = json_lines(1, 3, 5)
    bad_kind = first.replace(b'"kind": 2', b'"kind": "SERVER"')
    file = tmp_path / "file.jsonl"
    file.write_bytes(b"\n".join([first, b'{"resourceSpans": [', third, bad_kind, fifth, b"{}"]))
    (outcome,) = files.run(lake, file)
    assert outcome.status == "imported"
    assert files.names(lake) == ["1-0", "3-0", "5-0"]
    assert [reject.place for reject in outcome.rejects] == ["line 2", "line 4"]
    assert "not JSON" in outcome.rejects[0].reason
    assert "resourceSpans[0].scopeSpans[0].spans[0].kind" in outcome.rejects[1].reason


@pytest.mark.parametrize("frame", [files.prefixed, files.delimited], ids=["prefixed", "delimited"])
def test_a_bad_message_is_told_with_its_byte_and_its_neighbours_land(
    lake: Lake, tmp_path: Path, frame: Callable[[list[bytes]], bytes]
) -> None:
    payloads = [files.traces(number) for number in range(6)]
    payloads[3] = b"\xff" * len(payloads[3])
    file = tmp_path / "file.pb"
    file.write_bytes(frame(payloads))
    (outcome,) = files.run(lake, file)
    assert [reject.place for reject in outcome.rejects] == [f"byte {len(frame(payloads[:3]))}"]
    assert "not an OTLP traces request" in outcome.rejects[0].reason
    assert files.names(lake) == ["0-0", "1-0", "2-0", "4-0", "5-0"]


def test_a_bad_item_in_a_request_is_counted_and_the_rest_of_it_lands(
    lake: Lake, tmp_path: Path
) -> None:
    request = files.REQUESTS["traces"].FromString(files.traces(1, spans=3))
    request.resource_spans[0].scope_spans[0].spans[1].trace_id = bytes(16)
    file = tmp_path / "file.pb"
    file.write_bytes(files.prefixed([request.SerializeToString()]))
    (outcome,) = files.run(lake, file)
    assert files.names(lake) == ["1-0", "1-2"]
    assert (outcome.messages, outcome.rejected) == (1, 1)
    assert outcome.rejects[0].reason.startswith("1 of 3 items: trace_id is not 16 bytes")


def test_a_message_that_only_the_decoder_cannot_read_costs_only_itself(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # upb and the check take it, and decoding fails: so does native code now and then.
    def decode(payloads: list[bytes], *more: Any) -> Any:
        if any(b"2-0" in payload for payload in payloads):
            raise ValueError("poison")
        return TRACES.read(payloads, *more)

    signals = (replace(TRACES, read=decode),)
    monkeypatch.setattr(otlp_file_rows, "_SIGNAL_OF_NAME", {"traces": signals[0]})
    file = tmp_path / "file.pb"
    file.write_bytes(files.prefixed([files.traces(number) for number in range(4)]))
    (outcome,) = files.run(lake, file, signal="traces")
    assert files.names(lake) == ["0-0", "1-0", "3-0"]
    (reject,) = outcome.rejects
    assert reject.place == f"byte {len(files.prefixed([files.traces(0), files.traces(1)]))}"
    assert reject.reason == "ValueError: poison"
    assert outcome.messages == 3


def test_a_request_too_wide_to_decode_at_once_is_decoded_in_halves(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(payloads: list[bytes], *more: Any) -> Any:
        if sum(TRACES.check(payload).total for payload in payloads) > 1:
            raise TooWideError
        return TRACES.read(payloads, *more)

    wide = {"traces": replace(TRACES, read=decode)}
    monkeypatch.setattr(otlp_file_rows, "_SIGNAL_OF_NAME", wide)
    file = tmp_path / "file.pb"
    file.write_bytes(files.prefixed([files.traces(7, spans=5), files.traces(8)]))
    (outcome,) = files.run(lake, file, signal="traces")
    assert (outcome.messages, outcome.rejected) == (2, 0)
    assert files.names(lake) == ["7-0", "7-1", "7-2", "7-3", "7-4", "8-0"]
    # All of them came in one request, and say so.
    ids = {row["ingest_batch_id"] for row in files.rows(lake, "spans", "ingest_batch_id")}
    assert len(ids) == 2


PACK = {"gzip": lambda each: gzip.compress(each, mtime=0), "zstd": files.zstd}


def cut(content: bytes) -> bytes:
    """Lose the end."""
    return content[:-20]


def flip(content: bytes) -> bytes:
    """Change a byte."""
    return content[:-20] + bytes([content[-20] ^ 0xFF]) + content[-19:]


def append(content: bytes) -> bytes:
    """Add what is no further stream."""
    return content + b"something else"


@pytest.mark.parametrize("spoil", [cut, flip, append])
@pytest.mark.parametrize("compression", PACK)
def test_a_damaged_stream_refuses_the_file_because_its_rows_could_be_wrong(
    lake: Lake, tmp_path: Path, compression: str, spoil: Spoil
) -> None:
    halves = [
        PACK[compression](files.prefixed([files.traces(number, spans=200) for number in numbers]))
        for numbers in (range(50), range(50, 100))
    ]
    file = tmp_path / "file"
    file.write_bytes(halves[0] + spoil(halves[1]))
    (outcome,) = files.run(lake, file, piece_bytes=100_000, decode_bytes=1)
    assert outcome.status == "refused"
    assert f"the {compression} stream is " in outcome.reason
    if spoil is cut:
        assert "is cut off; copy it again, or expand what can be" in outcome.reason
    assert files.names(lake) == []


def test_zeros_behind_gzip_are_padding(lake: Lake, tmp_path: Path) -> None:
    file = tmp_path / "file"
    packed = gzip.compress(files.prefixed([files.traces(1)]))
    file.write_bytes(packed + bytes(512) + packed + bytes(512))
    (outcome,) = files.run(lake, file)
    assert (outcome.status, outcome.messages) == ("imported", 2)


@pytest.mark.parametrize("frame", [files.prefixed, files.delimited], ids=["prefixed", "delimited"])
def test_a_file_cut_off_anywhere_lands_the_messages_before_the_cut(
    lake: Lake, tmp_path: Path, frame: Callable[[list[bytes]], bytes]
) -> None:
    payloads = [files.traces(number) for number in (1, 2)]
    whole, one = frame(payloads), len(frame(payloads[:1]))
    for length in range(one + 1, len(whole), 7):
        file = tmp_path / f"cut-{length}"
        file.write_bytes(whole[:length])
        (outcome,) = files.run(lake, file)
        assert (outcome.messages, outcome.rejected) == (1, 1), length
        assert outcome.rejects[0].place == f"byte {one}"


def test_a_length_that_cannot_be_ends_the_file_there(lake: Lake, tmp_path: Path) -> None:
    good = files.prefixed([files.traces(1), files.traces(2)])
    file = tmp_path / "file"
    file.write_bytes(good + struct.pack(">I", 0xFFFFFFFF) + good)
    (outcome,) = files.run(lake, file)
    assert outcome.messages == 2
    assert outcome.rejects[0].reason == "no message has 4294967295 bytes; what follows is lost"


@pytest.mark.parametrize("form", ["otlp-proto", "otlp-json-lines"])
def test_a_message_above_the_limit_is_passed_over(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(otlp_file_frames, "MESSAGE_BYTES_MOST", 2000)
    # The window takes in a chunk at a time; a line is measured after each.
    monkeypatch.setattr(expand, "_CHUNK_BYTES", 1000)
    payloads = [files.traces(1), files.traces(2, spans=100), files.traces(3)]
    lines = b"\n".join(files.as_json("traces", payload) for payload in payloads)
    file = tmp_path / "file"
    file.write_bytes(files.prefixed(payloads) if form == "otlp-proto" else lines)
    (outcome,) = files.run(lake, file)
    assert outcome.format == form
    assert files.names(lake) == ["1-0", "3-0"]
    assert "above the limit of 2000 for one request" in outcome.rejects[0].reason


def test_more_than_half_bad_refuses_the_file_and_nothing_lands(lake: Lake, tmp_path: Path) -> None:
    (good,) = json_lines(1)
    file = tmp_path / "file.log"
    file.write_bytes(b"\n".join([good, b"GET / 200", b"GET / 404"]))
    (outcome,) = files.run(lake, file, decode_bytes=1)
    assert outcome.status == "refused"
    assert outcome.reason.startswith("2 of 3 messages are bad, so it is not otlp-json-lines")
    assert "nothing of it landed" in outcome.reason
    assert files.names(lake) == []
    assert not list(lake.path.glob("spans/**/*.parquet"))


def test_a_bomb_is_refused(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expand, "_RATIO_FROM_BYTES", 1 << 20)
    payload = files.traces(1, spans=10)
    for name, pack in (("gzip", gzip.compress), ("zstd", files.zstd)):
        file = tmp_path / name
        file.write_bytes(pack(files.prefixed([payload] * 2_000)))
        (outcome,) = files.run(lake, file)
        ratio = len(payload) * 2_000 / file.stat().st_size
        assert (outcome.status == "refused") == (ratio > 500), (name, ratio)
    assert outcome.status == "refused"
    assert "expands more than 500 times" in outcome.reason


def test_a_message_that_expands_beyond_the_limit_is_rejected(lake: Lake, tmp_path: Path) -> None:
    bomb = pa.Codec("zstd").compress(bytes(collector.MESSAGE_BYTES_MOST + 1), asbytes=True)
    file = tmp_path / "file"
    file.write_bytes(files.prefixed([files.zstd(files.traces(1)), bomb]))
    (outcome,) = files.run(lake, file)
    assert outcome.rejects[0].reason == f"expands to more than {64 << 20} bytes"
    assert files.names(lake) == ["1-0"]


@pytest.mark.parametrize(
    "content",
    [
        b"# Notes\n\nNothing to see.\n",
        b"<!doctype html><html></html>",
        b'{"nodes": [], "endTime": 3}',
        b'[{"ph": "B"}]',
        bytes(1000),
        b"PAR1" + bytes(100),
        bytes(range(256)) * 10,
        b"\x1f\x8b\x08garbage that is no deflate at all",
        b"\x28\xb5\x2f\xfdgarbage",
        gzip.compress(b"plain text"),
        gzip.compress(b"")[:9],
    ],
)
def test_what_is_something_else_is_refused_by_name(
    lake: Lake, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "traces.otlp.json"
    file.write_bytes(content)
    (outcome,) = files.run(lake, file)
    assert outcome.status == "refused"
    assert outcome.reason
    assert files.names(lake) == []


def test_ten_gigabytes_of_garbage_are_refused_at_their_beginning(
    lake: Lake, tmp_path: Path
) -> None:
    file = tmp_path / "huge.bin"
    with file.open("wb") as out:
        out.write(b"\x89garbage\n" * 1000)
        out.truncate(10 << 30)
    taken: list[int] = []
    (outcome,) = import_files(lake, find([file]), Wishes(), lambda _, read: taken.append(read))
    assert outcome.status == "refused"
    assert outcome.reason.startswith("no collector reads this; known formats: pprof, speedscope,")
    # Not even its hash was asked for.
    assert (outcome.sha256, taken) == ("", [])


def test_an_empty_file_is_told_and_is_no_fault(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "rotated.json").touch()
    (tmp_path / "rotated.json.gz").write_bytes(gzip.compress(b""))
    told = files.run(lake, tmp_path)
    assert [(outcome.status, outcome.faulty) for outcome in told] == [("empty", False)] * 2


def test_a_file_that_is_written_to_meanwhile_is_refused(lake: Lake, tmp_path: Path) -> None:
    file = tmp_path / "live.pb"
    file.write_bytes(files.prefixed([files.traces(1)]))

    def grow(path: Path, _: int) -> None:
        with path.open("ab") as out:
            out.write(files.prefixed([files.traces(2)]))

    (outcome,) = import_files(lake, find([file]), Wishes(), grow)
    assert outcome.status == "refused"
    assert "written to while it was read" in outcome.reason
    assert files.names(lake) == []


def test_strict_stops_at_the_first_reject_and_imports_no_more(lake: Lake, tmp_path: Path) -> None:
    one, two = json_lines(1, 2)
    (tmp_path / "a.jsonl").write_bytes(one + b"\n")
    (tmp_path / "b.jsonl").write_bytes(b"\n".join([two, b"bad", b"worse", two]))
    (tmp_path / "c.jsonl").write_bytes(two + b"\n")
    told = files.run(lake, tmp_path, strict=True)
    assert [outcome.status for outcome in told] == ["imported", "refused"]
    assert told[1].reason.startswith("line 2: not JSON")
    assert told[1].rejected == 1
    assert files.names(lake) == ["1-0"]
