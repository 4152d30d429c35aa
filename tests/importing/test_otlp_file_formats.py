"""Every framing, in every compression, of every signal gives the rows that stand in it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from collectors.otlp.batch_ids import batch_id
from collectors.otlp.signals import SIGNALS
from pipeline.lake import Lake
from tests.importing import otlp_files as files

NAMES = [signal.name for signal in SIGNALS]


def lines(signal: str, payloads: Sequence[bytes]) -> bytes:
    """Write JSON, a request a line."""
    return b"".join(files.as_json(signal, payload) + b"\n" for payload in payloads)


FRAMINGS: dict[str, Callable[[str, Sequence[bytes]], bytes]] = {
    "otlp-json-lines": lines,
    "otlp-json": lambda signal, payloads: files.as_json(signal, payloads[0], indent=2),
    "otlp-proto": lambda _, payloads: files.prefixed(payloads),
    "otlp-delimited": lambda _, payloads: files.delimited(payloads),
    "otlp-message": lambda _, payloads: payloads[0],
}
ALONE = ("otlp-json", "otlp-message")


@pytest.mark.parametrize("signal", NAMES)
@pytest.mark.parametrize("compression", files.COMPRESS)
@pytest.mark.parametrize("form", FRAMINGS)
def test_a_file_is_recognised_by_its_content_and_all_of_it_lands(
    lake: Lake, tmp_path: Path, form: str, compression: str, signal: str
) -> None:
    payloads = [files.MAKE[signal](number) for number in range(1 if form in ALONE else 3)]
    file = tmp_path / "no-suffix"
    file.write_bytes(files.COMPRESS[compression](FRAMINGS[form](signal, payloads)))
    (outcome,) = files.run(lake, file)
    assert (outcome.status, outcome.reason) == ("imported", "")
    assert (outcome.format, outcome.compression, outcome.signals) == (form, compression, [signal])
    assert (outcome.messages, outcome.rejected) == (len(payloads), 0)
    found = files.rows(lake, files.TABLE[signal], "time_unix_nano")
    if signal == "traces":
        found = files.rows(lake, "spans", "start_time_unix_nano")
    times = sorted(next(iter(row.values())) for row in found)
    assert times == [files.NOON + number for number in range(len(payloads))]


@pytest.mark.parametrize("signal", NAMES)
def test_json_and_protobuf_give_the_same_rows(tmp_path: Path, lake: Lake, signal: str) -> None:
    payload = files.MAKE[signal](5)
    (tmp_path / "a.json").write_bytes(files.as_json(signal, payload))
    (tmp_path / "b.pb").write_bytes(payload)
    first, second = files.run(lake, tmp_path)
    assert first.rows == second.rows
    one, two = files.rows(lake, files.TABLE[signal])
    moment = "ingest_time_unix_nano"
    assert {**one, moment: 0} == {**two, moment: 0}


def test_lines_of_different_signals_in_one_file_go_to_their_tables(
    lake: Lake, tmp_path: Path
) -> None:
    file = tmp_path / "mixed.jsonl"
    file.write_bytes(b"".join(lines(name, [files.MAKE[name](1)]) for name in NAMES))
    (outcome,) = files.run(lake, file)
    assert outcome.signals == NAMES
    assert [outcome.rows[files.TABLE[name]] for name in NAMES] == [1] * len(NAMES)


@pytest.mark.parametrize("written", ["proto", "json"])
def test_messages_that_the_collector_compressed_one_by_one_are_expanded(
    lake: Lake, tmp_path: Path, written: str
) -> None:
    payloads = [files.traces(number) for number in range(3)]
    if written == "json":
        payloads = [files.as_json("traces", payload) for payload in payloads]
    file = tmp_path / "legacy"
    file.write_bytes(files.prefixed([files.zstd(payload) for payload in payloads]))
    (outcome,) = files.run(lake, file)
    assert (outcome.format, outcome.messages) == ("otlp-proto", 3)
    assert files.names(lake) == ["0-0", "1-0", "2-0"]


def test_blank_lines_carriage_returns_and_a_byte_order_mark_mean_nothing(
    lake: Lake, tmp_path: Path
) -> None:
    one, two = (files.as_json("traces", files.traces(number)) for number in (1, 2))
    file = tmp_path / "windows.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + one + b"\r\n\r\n  \n" + two)
    (outcome,) = files.run(lake, file)
    assert (outcome.messages, outcome.rejected) == (2, 0)
    assert files.names(lake) == ["1-0", "2-0"]


def test_requests_without_items_are_counted_and_give_no_rows(lake: Lake, tmp_path: Path) -> None:
    empty = files.REQUESTS["traces"]()
    empty.resource_spans.add().resource.attributes.add(key="a")
    file = tmp_path / "file.pb"
    file.write_bytes(files.prefixed([b"", empty.SerializeToString(), files.traces(1)]))
    (outcome,) = files.run(lake, file)
    assert (outcome.messages, outcome.rejected, outcome.rows["spans"]) == (2, 0, 1)


def test_a_file_that_could_be_any_signal_is_refused_until_the_caller_says_which(
    lake: Lake, tmp_path: Path
) -> None:
    empty = files.REQUESTS["traces"]()
    empty.resource_spans.add().resource.attributes.add(key="a")
    file = tmp_path / "file.pb"
    file.write_bytes(files.prefixed([empty.SerializeToString()] * 2))
    (refused,) = files.run(lake, file)
    assert refused.status == "refused"
    assert "--signal" in refused.reason
    (told,) = files.run(lake, file, signal="traces")
    assert (told.status, told.messages) == ("imported", 2)


def test_a_signal_that_the_caller_says_wrongly_rejects_what_is_another(
    lake: Lake, tmp_path: Path
) -> None:
    if "logs" not in NAMES:
        pytest.skip("there is one signal so far")
    file = tmp_path / "file.jsonl"
    file.write_bytes(lines("traces", [files.traces(1)]))
    (outcome,) = files.run(lake, file, signal="logs")
    assert outcome.status == "refused"
    assert outcome.rejects[0].reason == "traces, not logs as --signal says"


def test_the_batch_id_is_the_one_that_the_receiver_gives(lake: Lake, tmp_path: Path) -> None:
    payload = files.traces(1)
    (tmp_path / "file").write_bytes(payload)
    files.run(lake, tmp_path)
    expected = batch_id("traces", payload).hex()
    assert files.rows(lake, "spans", "ingest_batch_id") == [{"ingest_batch_id": expected}]
