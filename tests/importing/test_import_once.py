"""Content is imported once: by its hash, piece by piece, whatever happens in between."""

import gzip
import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from collectors import import_pieces
from pipeline.lake import Lake, application_sequence, commit, open_lake
from pipeline.schema import LOGS, SPANS
from tests.importing import otlp_files as files

ROOT = Path(__file__).parents[2]
RUNNER = Path(__file__).with_name("run_import.py")
DIED = 9

PIECE_BYTES = 5000


def mixed(count: int) -> bytes:
    """Write traces and logs in turns, a line each."""
    made = (
        files.as_json(signal, files.MAKE[signal](number))
        for number in range(count)
        for signal in ("traces", "logs")
    )
    return b"\n".join(made) + b"\n"


def imported(lake: Path, file: Path, after: int = 0) -> tuple[int, dict[str, Any]]:
    """Import in a process of its own, and give how it ended and what it said."""
    done = subprocess.run(
        [sys.executable, RUNNER, lake, file, str(PIECE_BYTES), str(after)],
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, DIED), done.stderr.decode()
    return done.returncode, json.loads(done.stdout or "{}")


def held(lake: Lake) -> tuple[Counter[str], Counter[str]]:
    """Count the spans by name and the records by text."""
    spans = Counter(row["name"] for row in files.rows(lake, "spans", "name"))
    return spans, Counter(row["body"] for row in files.rows(lake, "logs", "body"))


def once(count: int) -> tuple[Counter[str], Counter[str]]:
    """Give what ``mixed`` holds."""
    return (
        Counter(f"{number}-0" for number in range(count)),
        Counter(f"record {number}" for number in range(count)),
    )


def test_the_same_content_is_imported_once_also_under_another_name(
    lake: Lake, tmp_path: Path
) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(mixed(3))
    first, second = files.run(lake, tmp_path)
    (again,) = files.run(lake, tmp_path / "a.jsonl")
    assert [each.status for each in (first, second, again)] == ["imported", "known", "known"]
    assert (again.known, again.messages, sum(again.rows.values())) == (6, 0, 0)
    assert held(lake) == once(3)


def test_the_same_content_compressed_anew_is_another_file(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(mixed(1))
    (tmp_path / "b").write_bytes(gzip.compress(mixed(1)))
    assert [each.status for each in files.run(lake, tmp_path)] == ["imported", "imported"]
    assert held(lake)[0] == {"0-0": 2}


def test_a_large_file_is_committed_in_pieces_that_add_up(lake: Lake, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(mixed(40))
    (outcome,) = files.run(lake, file, piece_bytes=PIECE_BYTES)
    assert held(lake) == once(40)
    assert outcome.rows == {"spans": 40, "logs": 40}
    pieces = -(-file.stat().st_size // PIECE_BYTES)
    assert pieces > 3
    for table in (SPANS, LOGS):
        assert application_sequence(lake, table, f"import:{outcome.sha256}") == pieces
    (again,) = files.run(lake, file, piece_bytes=PIECE_BYTES)
    assert (again.status, again.known) == ("known", 80)


@pytest.mark.parametrize("decoded", [(100, 1 << 20), (1 << 20, 100)])
def test_how_much_is_decoded_at_once_does_not_move_the_pieces(
    lake: Lake, tmp_path: Path, decoded: tuple[int, int]
) -> None:
    file = tmp_path / "file"
    file.write_bytes(mixed(40))
    files.run(lake, file, piece_bytes=PIECE_BYTES, decode_bytes=decoded[0])
    (again,) = files.run(lake, file, piece_bytes=PIECE_BYTES, decode_bytes=decoded[1])
    assert again.status == "known"
    assert held(lake) == once(40)


def test_what_an_earlier_run_rejected_is_not_told_again(lake: Lake, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(mixed(1) + b"bad\n")
    first, again = files.run(lake, file)[0], files.run(lake, file)[0]
    assert (first.rejected, again.rejected, again.status) == (1, 0, "known")


@pytest.mark.parametrize("commits", range(8))
def test_stopped_between_the_commits_of_a_signals_tables_each_goes_on_from_where_it_is(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commits: int
) -> None:
    payloads = [files.profiles(number) for number in range(4)]
    file = tmp_path / "file"
    file.write_bytes(files.prefixed(payloads))
    piece_bytes = file.stat().st_size // 2
    left = iter(range(commits))

    def stopping(*arguments: Any) -> int | None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return commit(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(import_pieces, "commit", stopping)
        with pytest.raises(KeyboardInterrupt):
            files.run(lake, file, piece_bytes=piece_bytes)
    (outcome,) = files.run(lake, file, piece_bytes=piece_bytes)
    assert outcome.rejected == 0
    assert len(files.rows(lake, "profiles")) == 4
    values = sorted(row["value"] for row in files.rows(lake, "profile_samples", "value"))
    assert values == [1, 2, 3, 4]
    # One row a piece: the stack and its frame are the same in all.
    assert len(files.rows(lake, "profile_stacks")) == 2
    assert len(files.rows(lake, "profile_frames")) == 2
    assert files.run(lake, file, piece_bytes=piece_bytes)[0].status == "known"


@pytest.mark.slow
def test_two_imports_of_one_file_at_once_do_not_double_it(lake: Lake, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(mixed(40))
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda _: imported(lake.path, file), range(2)))
    assert held(lake) == once(40)
    landed = [sum(said["rows"].values()) for _, said in told]
    assert sum(landed) == 80
    # Whoever was second left nothing lying about.
    rows = sum(pq.read_metadata(path).num_rows for path in lake.path.glob("*/*/*.parquet"))
    assert rows == 80


@pytest.mark.slow
def test_killed_after_any_durable_effect_the_next_run_completes_it_without_doubling(
    tmp_path: Path,
) -> None:
    count = 12
    file = tmp_path / "file"
    file.write_bytes(mixed(count))
    assert file.stat().st_size > PIECE_BYTES, "more than one piece"
    ends: list[tuple[int, ...]] = []
    for after in itertools.count(1):
        lake = open_lake(tmp_path / f"lake-{after}", create=True)
        status, _ = imported(lake.path, file, after)
        if status == 0:
            break
        ends.append(tuple(sum(held(lake)[index].values()) for index in (0, 1)))
        assert all(most <= 1 for counts in held(lake) for most in counts.values()), after
        # The same process: what matters is that it knows nothing of the first.
        (outcome,) = files.run(lake, file, piece_bytes=PIECE_BYTES)
        assert held(lake) == once(count), after
        assert outcome.rejected == 0
    # It died before, between and behind the commits of the two tables, and between the pieces.
    assert (0, 0) in ends
    assert any(spans != records for spans, records in ends)
    assert any(0 < spans < count and 0 < records < count for spans, records in ends)
    assert (count, count) in ends
