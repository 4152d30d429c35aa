"""``tailgate import`` as a person meets it: summary, JSON, statuses, Ctrl-C, memory."""

import gzip
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.lake import open_lake
from tests.importing import otlp_files as files

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0
COMMAND = [sys.executable, "-m", "pipeline.cli.main", "import"]
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("TAILGATE_")}
ENVIRONMENT["PYTHONPATH"] = str(ROOT)


def tailgate(lake: Path, *arguments: object, status: int = 0) -> subprocess.CompletedProcess[bytes]:
    """Run the command as its own process and check its exit status."""
    done = subprocess.run(
        [*COMMAND, "--lake", lake, *map(str, arguments)],
        capture_output=True,
        env=ENVIRONMENT,
        cwd=lake.parent,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == status, (done.stdout + done.stderr).decode()
    assert b"Traceback" not in done.stderr
    return done


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with good files and bad ones."""
    made = tmp_path / "exports"
    (made / "sub").mkdir(parents=True)
    lines = [files.as_json("traces", files.traces(number)) for number in (1, 2)]
    (made / "a.jsonl").write_bytes(b"\n".join([lines[0], b"bad", lines[1]]))
    (made / "notes.md").write_text("# Notes\n")
    (made / "sub" / "logs.pb.gz").write_bytes(gzip.compress(files.prefixed([files.logs(1)])))
    (made / "empty.json").touch()
    return made


def test_a_folder_is_imported_and_every_file_told(tmp_path: Path, folder: Path) -> None:
    done = tailgate(tmp_path / "lake", folder, status=1)
    text = done.stdout.decode()
    lines = text.splitlines()
    assert lines[0].split() == [
        *("file", "format", "signals", "messages", "rows", "rejected", "outcome"),
    ]
    assert [line.split()[-1] for line in lines[1:5]] == [
        *("imported", "empty", "refused", "imported"),
    ]
    assert f"{folder}/a.jsonl: line 2: not JSON" in text
    assert f"{folder}/notes.md: no collector reads this; known formats: pprof, speedscope" in text
    # No progress bar in a pipe.
    assert done.stderr == b""
    lake = open_lake(tmp_path / "lake")
    assert files.names(lake) == ["1-0", "2-0"]
    assert [row["body"] for row in files.rows(lake, "logs", "body")] == ["record 1"]


def test_json_tells_the_same(tmp_path: Path, folder: Path) -> None:
    told = json.loads(tailgate(tmp_path / "lake", "--json", folder, status=1).stdout)
    assert (told["rows"], told["rejected"], told["refused"]) == (3, 1, 1)
    first, empty, notes, logs = told["files"]
    assert first["rows"] == {"spans": 2}
    assert first["rejects"] == [{"place": "line 2", "reason": first["rejects"][0]["reason"]}]
    assert (empty["status"], notes["status"]) == ("empty", "refused")
    assert (logs["format"], logs["compression"], logs["signals"]) == (
        *("otlp-proto", "gzip"),
        ["logs"],
    )
    assert len(logs["sha256"]) == 64


def test_all_good_is_status_0_and_again_says_already_imported(tmp_path: Path) -> None:
    (tmp_path / "file.pb").write_bytes(files.traces(1))
    tailgate(tmp_path / "lake", "file.pb")
    assert b"already imported" in tailgate(tmp_path / "lake", "file.pb").stdout


def test_strict_stops_at_the_first_fault(tmp_path: Path, folder: Path) -> None:
    text = tailgate(tmp_path / "lake", "--strict", folder, status=1).stdout.decode()
    assert "line 2: not JSON" in text
    assert "--strict stops here" in text
    assert "notes.md" not in text
    assert files.names(open_lake(tmp_path / "lake")) == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "Missing argument 'PATH...'"),
        (("missing",), "missing: no such file or folder"),
        ((".", "--format", "xml"), "'xml' is not one of 'pprof'"),
        ((".", "--signal", "smoke"), "'smoke' is not one of 'profiles', 'ebpf', 'traces'"),
    ],
)
def test_a_wrong_call_is_status_2_and_makes_no_lake(
    tmp_path: Path, arguments: tuple[str, ...], why: str
) -> None:
    done = tailgate(tmp_path / "lake", *arguments, status=2)
    assert why in done.stderr.decode()
    assert not (tmp_path / "lake").exists()


def test_format_and_signal_are_what_the_caller_says(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(files.delimited([files.traces(1)]))
    told = tailgate(tmp_path / "lake", "file", "--format", "otlp-message", status=1).stdout
    assert b"none of its first 1 messages is an OTLP request" in told
    tailgate(tmp_path / "lake", "file", "--format", "otlp-delimited", "--signal", "traces")


def test_the_collectors_load_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "import collectors, pipeline.cli.import_files\n"
        "heavy = {'pyarrow', 'duckdb', 'grpc', 'google', 'polars', 'numpy', 'deltalake', 'rich'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=ENVIRONMENT, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_ctrl_c_keeps_what_landed_and_the_same_command_goes_on(tmp_path: Path) -> None:
    exports = tmp_path / "exports"
    exports.mkdir()
    for number in range(60):
        (exports / f"{number:03d}.pb").write_bytes(files.traces(number, spans=50))
    lake = open_lake(tmp_path / "lake", create=True)
    with subprocess.Popen(
        [*COMMAND, "--lake", lake.path, exports],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    ) as process:
        log = lake.path / "spans" / "_delta_log"
        ends = time.monotonic() + PATIENCE_SECONDS
        while len(list(log.glob("*.json"))) < 5:
            assert time.monotonic() < ends
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, error.decode()
    assert b"interrupted" in error
    # The one that it was at is not told, though its commit may be done.
    assert out.count(b"imported") >= 3
    landed = len(files.names(lake))
    assert 0 < landed < 3_000
    assert landed % 50 == 0
    # It was in no commit, so nobody would ever take it.
    paths = list(lake.path.glob("spans/date=*/*.parquet"))
    assert len(paths) * 50 == landed
    tailgate(lake.path, exports)
    assert len(files.names(lake)) == len(set(files.names(lake))) == 3_000


@pytest.mark.slow
def test_on_a_terminal_bytes_are_shown_as_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "file.pb").write_bytes(files.prefixed([files.traces(1, spans=1000)] * 100))
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "--lake", "lake", "file.pb"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=ENVIRONMENT | {"TERM": "xterm-256color", "COLUMNS": "100"},
        cwd=tmp_path,
        check=True,
    )
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "file.pb" in shown
    assert "MB" in shown
    assert b"100,000" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="this system does not tell a process' peak"
)
@pytest.mark.parametrize("form", ["otlp-proto", "otlp-json-lines"])
def test_memory_stays_bounded_however_large_the_file(tmp_path: Path, form: str) -> None:
    most_bytes, expanded = 500 << 20, 200 << 20
    payload = files.traces(0, spans=2000)
    if form == "otlp-json-lines":
        piece = (files.as_json("traces", payload) + b"\n") * 20
    else:
        piece = files.prefixed([payload]) * 20
    file = tmp_path / "large.gz"
    with gzip.open(file, "wb", compresslevel=1) as out:
        for _ in range(-(-expanded // len(piece))):
            out.write(piece)
    # Not ru_maxrss: a child that was forked by a large process starts with that one's peak.
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pipeline.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n"
        "    held = Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]\n"
        "    print(held, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "import", "--lake", tmp_path / "lake", "--json", file],
        capture_output=True,
        env=ENVIRONMENT,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    (told,) = json.loads(done.stdout)["files"]
    assert told["rows"]["spans"] == told["messages"] * 2000 > 700_000
    assert int(done.stderr) * 1024 < most_bytes, f"{int(done.stderr) / 1024:.0f} MiB"
