"""A verdict's bundle: a folder with all that it was made of, from which it is made again.

bundle.json     what was asked, of which lake versions, by which tailgate, and each file's SHA-256
judgement.json  the answer, as ``--format json`` writes it
why.json        what explained it, which is read and not worked out again
checks.json     checks of budgets that were judged along, as they were before their verdicts
<table>.parquet every table that the judgement was made of
"""

import hashlib
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import pipeline
from pipeline.errors import BadFile, UsageError
from pipeline.gate.judgement import Tolerance
from pipeline.gate.plain_values import plain, rebuilt
from pipeline.gate.verdict import Check
from pipeline.jobs.judge import Inputs
from pipeline.jobs.judge_request import JudgeRequest
from pipeline.jobs.why_answer import Why

# The number rises when a key changes its meaning or goes; new keys leave it as it is.
SCHEMA = "tailgate.bundle/1"

_INDEX = "bundle.json"
_ANSWER = "judgement.json"
_WHY = "why.json"
_CHECKS = "checks.json"


@dataclass(frozen=True)
class Bundle:
    """All that a judgement was made of, and what came of it.

    Attributes:
        inputs: the rows.
        request, tolerance: the question.
        why: what explained it; not worked out again, because that needs the lake.
        answer: the judgement as JSON, byte for byte.
        verdict: of it.
        version: of the tailgate that made it.
        checks: of budgets, judged along; not worked out again either.
    """

    inputs: Inputs
    request: JudgeRequest
    tolerance: Tolerance
    why: tuple[Why, ...]
    answer: bytes
    verdict: str
    version: str = pipeline.__version__
    checks: tuple[Check, ...] = ()


def check_target(folder: Path) -> None:
    """Refuse a folder that a bundle cannot become, before there is work to lose.

    Raises:
        UsageError: it is there and not an empty folder.
    """
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}; name a folder that can be made") from error
    if taken:
        raise UsageError(f"{folder}: there is something in it; name a new or an empty folder")


def write_bundle(bundle: Bundle, folder: Path) -> None:
    """Write a bundle whole or not at all.

    Args:
        bundle: the bundle; the same gives the same bytes.
        folder: where; new or empty. Those above it are made.

    Raises:
        UsageError: it is not empty, or cannot be written.
    """
    check_target(folder)
    files = {
        _ANSWER: bundle.answer,
        _WHY: _json(plain(bundle.why, exact=True)),
        _CHECKS: _json(plain(bundle.checks, exact=True)),
        **{f"{name}.parquet": _parquet(table) for name, table in bundle.inputs.tables.items()},
    }
    files[_INDEX] = _index(bundle, files)
    building = folder.absolute().with_name(f".{folder.absolute().name}.partial")
    try:
        building.parent.mkdir(parents=True, exist_ok=True)
        # What is left of an attempt that was cut off is nobody's.
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        for name, content in files.items():
            (building / name).write_bytes(content)
        # A rename takes the place of an empty folder.
        building.rename(folder)
    except OSError as error:
        shutil.rmtree(building, ignore_errors=True)
        raise UsageError(f"{folder}: {error.strerror}; name a folder that can be made") from error


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle, every byte checked.

    Raises:
        UsageError: there is none, or another version of tailgate is needed.
        BadFile: something in it is damaged or missing.
    """
    index = _read_index(folder)
    files = {name: _checked(folder / name, digest) for name, digest in index["files"].items()}
    try:
        tables = {
            name.removesuffix(".parquet"): pq.read_table(io.BytesIO(content))
            for name, content in files.items()
            if name.endswith(".parquet")
        }
        return Bundle(
            Inputs(tables, rebuilt(dict[str, int], index["lake_versions"])),
            rebuilt(JudgeRequest, index["request"]),
            rebuilt(Tolerance, index["tolerance"]),
            rebuilt(tuple[Why, ...], json.loads(files[_WHY])),
            files[_ANSWER],
            index["verdict"],
            index["tailgate_version"],
            rebuilt(tuple[Check, ...], json.loads(files[_CHECKS])),
        )
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise UsageError(
            f"{folder}: written by tailgate {index.get('tailgate_version')}, and this is "
            f"{pipeline.__version__}, which cannot read it ({error}); replay it with that version"
        ) from error


def _index(bundle: Bundle, files: dict[str, bytes]) -> bytes:
    """Give bundle.json, which also holds its own digest."""
    index: dict[str, Any] = {
        "schema": SCHEMA,
        "tailgate_version": bundle.version,
        "verdict": bundle.verdict,
        "request": plain(bundle.request, exact=True),
        "tolerance": plain(bundle.tolerance, exact=True),
        "lake_versions": dict(bundle.inputs.versions),
        "files": {name: _digest(content) for name, content in sorted(files.items())},
    }
    return _json(index | {"sha256": _own_digest(index)})


def _read_index(folder: Path) -> dict[str, Any]:
    """Read bundle.json and check it."""
    path = folder / _INDEX
    try:
        index = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}; name a folder that judge --bundle wrote"
        ) from error
    except ValueError as error:
        raise _damaged(path) from error
    if not isinstance(index, dict) or not isinstance(index.get("files"), dict):
        raise _damaged(path)
    if index.get("schema") != SCHEMA:
        raise UsageError(
            f"{path}: schema {index.get('schema')}, this tailgate reads {SCHEMA}; replay it with "
            f"tailgate {index.get('tailgate_version')}"
        )
    digest = index.pop("sha256", None)
    # Names that lead out of the folder are none that we wrote.
    if digest != _own_digest(index) or any(Path(name).name != name for name in index["files"]):
        raise _damaged(path)
    return index


def _checked(path: Path, digest: str) -> bytes:
    """Read a file of the bundle and hold it against its digest."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadFile(
            f"{path}: {error.strerror}; take the bundle whole, from where it was kept"
        ) from error
    if _digest(content) != digest:
        raise _damaged(path)
    return content


def _damaged(path: Path) -> BadFile:
    return BadFile(
        f"{path}: not what was written (SHA-256 differs): damaged or edited; take the bundle from "
        "where it was kept, or judge again with --bundle"
    )


def _parquet(table: pa.Table) -> bytes:
    """Write a table; the same rows give the same bytes."""
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2, allow_nan=False).encode("ascii") + b"\n"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _own_digest(index: dict[str, Any]) -> str:
    """Give the digest of bundle.json without its digest, however it is laid out."""
    return _digest(json.dumps(index, sort_keys=True, separators=(",", ":")).encode("ascii"))
