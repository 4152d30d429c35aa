"""``tailgate judge --bundle`` and ``tailgate replay``: the same bytes, or told what is not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.cli.main import main
from pipeline.gate.bundle import read_bundle, write_bundle
from pipeline.lake import Lake, append
from pipeline.schema import SPANS
from tests.report.two_sides import requests

FORMATS = ("text", "json", "markdown", "junit", "sarif", "html")


@pytest.fixture
def filled(lake: Lake, span_rows) -> Lake:
    """Give a lake in which v2 is half as slow again as v1."""
    for version, milliseconds in (("v1", 100), ("v2", 150)):
        append(lake, SPANS, span_rows(*requests(version, "POST /pay", milliseconds)))
    return lake


@pytest.fixture
def tailgate(capfdbinary):
    """Run a command here, and give its status and what it printed and complained."""

    def run(*arguments: object) -> tuple[int, bytes, str]:
        with pytest.raises(SystemExit) as end:
            main([str(each) for each in arguments])
        printed = capfdbinary.readouterr()
        return int(end.value.code or 0), printed.out, printed.err.decode()

    return run


def question(lake: Lake, version: str = "v2") -> list[object]:
    """Judge one version against v1; what explains it belongs to other tests."""
    sides = ["--baseline", "service.version=v1", "--canary", f"service.version={version}"]
    return ["judge", "--lake", lake.path, *sides, "--tolerance", "20", "--no-why"]


def test_a_replay_gives_the_same_bytes_in_every_format_without_the_lake(
    filled: Lake, tmp_path: Path, tailgate
) -> None:
    kept = tmp_path / "kept"
    page = tmp_path / "page.html"
    usual = {}
    for form in FORMATS:
        extra = ["--bundle", kept, "--html", page] if form == "json" else []
        status, usual[form], _ = tailgate(*question(filled), "--format", form, *extra)
        assert status == 1
    assert (kept / "judgement.json").read_bytes() == usual["json"]
    assert page.read_bytes() == usual["html"]
    shutil.rmtree(filled.path)
    for form in FORMATS:
        assert tailgate("replay", kept, "--format", form) == (1, usual[form], "")
    again = tmp_path / "again.html"
    tailgate("replay", kept, "--output", tmp_path / "again.txt", "--html", again)
    assert again.read_bytes() == usual["html"]
    assert (tmp_path / "again.txt").read_bytes() == usual["text"]


def test_budgets_of_a_file_are_judged_along_and_kept(
    filled: Lake, tmp_path: Path, tailgate
) -> None:
    budgets = tmp_path / "tailgate.toml"
    budgets.write_text(
        '[[budget]]\nname = "calls"\nservice = "*"\nmetric = "db_calls_per_request"\n'
        "max_increase_percent = 10\n"
    )
    asked = [*question(filled), "--config", budgets, "--format", "json"]
    status, usual, _ = tailgate(*asked, "--bundle", tmp_path / "kept")
    assert status == 1
    named = [check for check in json.loads(usual)["checks"] if check["name"] == "calls"]
    assert named
    shutil.rmtree(filled.path)
    assert tailgate("replay", tmp_path / "kept", "--format", "json") == (1, usual, "")


def test_no_data_is_kept_and_replayed_as_no_data(filled: Lake, tmp_path: Path, tailgate) -> None:
    kept = tmp_path / "kept"
    status, usual, _ = tailgate(*question(filled, "v3"), "--bundle", kept)
    assert status == 3
    assert tailgate("replay", kept) == (3, usual, "")


def test_an_answer_that_differs_from_the_one_kept_is_told(
    filled: Lake, tmp_path: Path, tailgate
) -> None:
    tailgate(*question(filled), "--bundle", tmp_path / "kept")
    other = replace(read_bundle(tmp_path / "kept"), answer=b"{}\n", verdict="pass", version="0.0.1")
    write_bundle(other, tmp_path / "other")
    status, answer, complaint = tailgate("replay", tmp_path / "other")
    assert status == 1
    assert answer.splitlines()[-1].startswith(b"fail: ")
    assert "not the one that was kept: pass by tailgate 0.0.1, fail by this tailgate" in complaint


def test_a_folder_in_use_is_refused_before_anything_is_judged(tmp_path: Path, tailgate) -> None:
    (tmp_path / "note").write_text("mine")
    gone = ["judge", "--lake", tmp_path / "no lake", "--baseline", "service.version=1"]
    status, answer, complaint = tailgate(
        *gone, "--canary", "service.version=2", "--bundle", tmp_path
    )
    assert (status, answer) == (2, b"")
    assert "there is something in it; name a new or an empty folder" in complaint
    assert (tmp_path / "note").read_text() == "mine"


def test_a_damaged_bundle_ends_with_status_one_and_a_folder_without_with_two(
    filled: Lake, tmp_path: Path, tailgate
) -> None:
    tailgate(*question(filled), "--bundle", tmp_path / "kept")
    with (tmp_path / "kept" / "cells.parquet").open("ab") as file:
        file.write(b"x")
    status, answer, complaint = tailgate("replay", tmp_path / "kept")
    assert (status, answer) == (1, b"")
    assert "cells.parquet: not what was written (SHA-256 differs)" in complaint
    status, _, complaint = tailgate("replay", tmp_path)
    assert status == 2
    assert "name a folder that judge --bundle wrote" in complaint


def test_the_schema_is_printed_without_a_question(tailgate) -> None:
    status, printed, _ = tailgate("judge", "--schema")
    assert status == 0
    assert b'"const": "tailgate.judgement/1"' in printed
