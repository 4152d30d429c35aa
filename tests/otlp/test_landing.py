"""Landing: every acknowledged span once, whatever dies, is damaged or is full."""

import hashlib
import itertools
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.otlp.frames import Frame, pack
from collectors.otlp.journal_folder import JournalFolder, hold, open_journal
from collectors.otlp.landing import Lander
from collectors.otlp.retry_window import RetryWindow
from pipeline.errors import LakeUnavailable
from pipeline.lake import Lake, open_lake, take_snapshot
from pipeline.schema import SPANS
from pipeline.settings import Landing
from tests.otlp import messages
from tests.otlp.receivers import ROOT, environment, rows, span_ids
from tests.otlp.run_landing import DIED

RUNNER = Path(__file__).with_name("run_landing.py")
NOW = time.time_ns()


def frame(payload: bytes, signal: int = 1) -> Frame:
    return Frame(signal, NOW, hashlib.blake2b(payload, digest_size=16).digest(), payload)


def seal(journal: JournalFolder, number: int, *frames: Frame) -> None:
    content = b"".join(itertools.chain.from_iterable(map(pack, frames)))
    journal.segment(number, "sealed").write_bytes(content)


def lander(lake: Lake, journal: JournalFolder, settings: Landing | None = None) -> Lander:
    return Lander(lake, journal, settings or Landing(), RetryWindow(600, 1000))


def land_all(lake: Lake, journal: JournalFolder, settings: Landing | None = None) -> Counter[str]:
    """Land all that is sealed and give the warnings."""
    warnings: Counter[str] = Counter()
    with hold(journal, "landing"):
        one = lander(lake, journal, settings)
        while landed := one.land():
            warnings += landed.warnings
    assert journal.numbers("sealed") == []
    return warnings


def land_in_a_process(lake: Lake, **fault: object) -> int:
    """Land in a process that may die of its fault; give how it ended."""
    arguments = [sys.executable, str(RUNNER), str(lake.path), json.dumps(fault)]
    return subprocess.run(arguments, env=environment(), cwd=ROOT, check=False).returncode


def quarantined(journal: JournalFolder) -> dict[str, str]:
    """Give the reasons of what was set aside, by file name."""
    folder = journal.path / "quarantine"
    return {file.stem: json.loads(file.read_text())["reason"] for file in folder.glob("*.json")}


@pytest.fixture
def journal(lake: Lake) -> JournalFolder:
    return open_journal(lake)


def test_segments_become_rows_and_go(lake: Lake, journal: JournalFolder) -> None:
    seal(journal, 1, frame(messages.numbered(1, 2)), frame(messages.numbered(3, 1)))
    seal(journal, 2, frame(messages.numbered(4, 1)))
    assert not +land_all(lake, journal)
    assert span_ids(lake.path) == Counter(messages.ids(1, 4))
    assert journal.numbers("ids") == [2]
    assert take_snapshot(lake, SPANS).version == 1, "two small segments are one commit"


def test_nothing_sealed_lands_nothing(lake: Lake, journal: JournalFolder) -> None:
    assert lander(lake, journal).land() is None
    assert take_snapshot(lake, SPANS).version == 0


def test_a_repeat_is_stored_once_in_one_round_in_the_next_and_after_a_restart(
    lake: Lake, journal: JournalFolder
) -> None:
    sent = frame(messages.numbered(1, 2))
    one = lander(lake, journal)
    seal(journal, 1, sent, sent)
    one.land()
    seal(journal, 2, sent)
    one.land()
    seal(journal, 3, sent, frame(messages.numbered(3, 1)))
    land_all(lake, journal)
    assert span_ids(lake.path) == Counter(messages.ids(1, 3))


def test_a_request_that_cannot_be_decoded_is_set_aside_and_its_neighbours_land(
    lake: Lake, journal: JournalFolder
) -> None:
    bad = frame(b"\xff no protobuf")
    seal(journal, 1, frame(messages.numbered(1, 1)), bad, frame(messages.numbered(2, 1)))
    assert land_all(lake, journal) == {"quarantined_requests": 1}
    assert span_ids(lake.path) == Counter(messages.ids(1, 2))
    assert list(quarantined(journal)) == [bad.batch_id.hex()]
    assert (journal.path / "quarantine" / f"{bad.batch_id.hex()}.bin").read_bytes() == bad.payload


def test_a_signal_of_a_later_version_is_set_aside(lake: Lake, journal: JournalFolder) -> None:
    later = frame(messages.numbered(9, 1), signal=77)
    seal(journal, 1, later, frame(messages.numbered(1, 1)))
    assert land_all(lake, journal) == {"quarantined_requests": 1}
    assert span_ids(lake.path) == Counter(messages.ids(1, 1))
    assert quarantined(journal) == {later.batch_id.hex(): "signal 77 is not known to this version"}


def test_damage_is_set_aside_and_every_whole_frame_lands(
    lake: Lake, journal: JournalFolder
) -> None:
    seal(journal, 1, *(frame(messages.numbered(number, 1)) for number in (1, 2, 3)))
    file = journal.segment(1, "sealed")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content) + b"torn")
    third = len(content) // 3
    assert land_all(lake, journal) == {"damaged_bytes": third + 4}
    assert span_ids(lake.path) == Counter([*messages.ids(1, 1), *messages.ids(3, 1)])
    assert quarantined(journal) == {
        f"segment-1-{third}": "damaged: no whole request here",
        f"segment-1-{len(content)}": (
            "no whole request up to the end of the segment: cut short by a crash, or damaged"
        ),
    }
    kept = (journal.path / "quarantine" / f"segment-1-{third}.bin").read_bytes()
    assert kept == bytes(content[third : 2 * third])


def test_an_empty_segment_goes(lake: Lake, journal: JournalFolder) -> None:
    seal(journal, 1)
    land_all(lake, journal)
    assert take_snapshot(lake, SPANS).rows == 0


@pytest.mark.slow
def test_killed_after_any_durable_effect_every_span_is_there_once(tmp_path: Path) -> None:
    """Segments 1 and 2 are being landed; 3 arrives after the crash, and 2 is sent once more."""
    bad = frame(b"\xff no protobuf")
    for after in itertools.count(1):
        lake = open_lake(tmp_path / f"lake{after}", create=True)
        journal = open_journal(lake)
        again = frame(messages.numbered(30, 2))
        seal(journal, 1, frame(messages.numbered(10, 3)), bad)
        seal(journal, 2, frame(messages.numbered(20, 1)), again)
        ended = land_in_a_process(lake, after=after)
        seal(journal, 3, frame(messages.numbered(40, 1)), again)
        land_all(lake, journal)
        wanted = messages.ids(10, 3) + messages.ids(20, 1) + messages.ids(30, 2)
        assert span_ids(lake.path) == Counter(wanted + messages.ids(40, 1)), f"effect {after}"
        assert list(quarantined(journal)) == [bad.batch_id.hex()]
        if ended == 0:
            break
        assert ended == DIED
    assert after > 12, "the faults were injected"


@pytest.mark.slow
def test_killed_again_and_again_every_span_is_there_once(
    lake: Lake, journal: JournalFolder
) -> None:
    for number in range(1, 9):
        seal(journal, number, frame(messages.numbered(10 * number, 2)))
        # Each time a little further, over segments that the time before had left.
        land_in_a_process(lake, after=3 * number)
    land_all(lake, journal)
    wanted = [each for number in range(1, 9) for each in messages.ids(10 * number, 2)]
    assert span_ids(lake.path) == Counter(wanted)
    assert not (journal.path / "quarantine").exists()


@pytest.mark.slow
def test_a_request_that_kills_landing_is_found_and_set_aside(
    lake: Lake, journal: JournalFolder
) -> None:
    poison = frame(messages.request([messages.span(5, name="poison")]))
    neighbours = [frame(messages.numbered(number, 1)) for number in (1, 2)]
    seal(journal, 1, neighbours[0], poison, neighbours[1])
    seal(journal, 2, frame(messages.numbered(3, 1)))
    deaths = 0
    while land_in_a_process(lake, poison=b"poison".hex()) == DIED:
        deaths += 1
        assert deaths < 10, "it kills landing for ever"
    assert span_ids(lake.path) == Counter(messages.ids(1, 3))
    assert quarantined(journal) == {
        poison.batch_id.hex(): "landing died each time that it was at it"
    }
    assert not (journal.path / "landing.attempt").exists()


def test_a_full_disk_keeps_the_segments_and_they_land_when_there_is_space(
    small_disk: Path,
) -> None:
    lake = open_lake(small_disk / "lake", create=True)
    journal = open_journal(lake)
    # Hex digits that do not repeat: some 300 kB of Parquet, as 600 kB in the journal.
    noise = hashlib.shake_256(b"noise").hexdigest(300_000)
    for number in (1, 2, 3):
        spans = [
            messages.span(
                1000 * number + each, given={"k": noise[200_000 * number - 2000 * each :][:2000]}
            )
            for each in range(100)
        ]
        seal(journal, number, frame(messages.request(spans)))
    one = lander(lake, journal)
    refused: list[str] = []
    for free_bytes in itertools.count(0, 8192):
        fill(small_disk / "filler", free_bytes)
        try:
            one.land()
            break
        except LakeUnavailable as error:
            refused.append(str(error))
            # Either nothing happened, or the commit did and only the rest is to be done.
            landed = take_snapshot(lake, SPANS).rows
            assert landed in (0, 300)
            assert journal.numbers("sealed") == [1, 2, 3]
            files = list(lake.folder(SPANS).glob("date=*/*"))
            assert len(files) == (1 if landed else 0), "what failed is in the way"
    (small_disk / "filler").unlink()
    while one.land():
        pass
    assert len(refused) > 20
    assert all("no space left on its disk; free some" in told for told in refused)
    assert span_ids(lake.path) == Counter(
        each for number in (1, 2, 3) for each in messages.ids(1000 * number, 100)
    )


def fill(filler: Path, free_bytes: int) -> None:
    """Fill a disk but for so many bytes."""
    filler.unlink(missing_ok=True)
    disk = os.statvfs(filler.parent)
    taken = disk.f_bavail * disk.f_frsize - free_bytes
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, taken)


def test_one_request_larger_than_a_round_lands(lake: Lake, journal: JournalFolder) -> None:
    settings = Landing(batch_bytes=4096, decode_bytes=4096)
    seal(journal, 1, frame(messages.numbered(1, 200)), frame(messages.numbered(201, 1)))
    seal(journal, 2, frame(messages.numbered(202, 200)))
    land_all(lake, journal, settings)
    assert span_ids(lake.path) == Counter(messages.ids(1, 401))
    assert take_snapshot(lake, SPANS).version == 2


def test_rows_carry_their_request_and_the_time_it_was_received(
    lake: Lake, journal: JournalFolder
) -> None:
    first, second = frame(messages.numbered(1, 1)), frame(messages.numbered(2, 1))
    seal(journal, 1, first, second)
    land_all(lake, journal)
    found = {row["span_id"]: row["ingest_batch_id"] for row in rows(lake.path)}
    assert found == {
        f"{1:016x}": first.batch_id.hex(),
        f"{2:016x}": second.batch_id.hex(),
    }
    assert {row["ingest_time_unix_nano"] for row in rows(lake.path)} == {NOW}


@pytest.mark.slow
def test_a_large_resource_on_many_spans_lands_in_bounded_memory(
    lake: Lake, journal: JournalFolder
) -> None:
    # 2 MB on the wire would be 3 GB as rows.
    wide = ExportTraceServiceRequest.FromString(messages.numbered(1, 3000))
    about = messages.attributes({"blob": "x" * 1_000_000})
    wide.resource_spans[0].resource.attributes.extend(about)
    seal(journal, 1, frame(messages.numbered(9000, 1)), frame(wide.SerializeToString()))
    seal(journal, 2, frame(messages.numbered(9001, 1)))
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert land_in_a_process(lake) == 0
    peak_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert peak_kb < max(before, 1_500_000)
    assert span_ids(lake.path) == Counter(messages.ids(1, 3000) + messages.ids(9000, 2))
    assert not (journal.path / "quarantine").exists()
