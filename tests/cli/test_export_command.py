"""Exports and flame graphs as a person asks for them."""

import gzip
import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from pipeline.cli.export import command as export
from pipeline.cli.flamegraph import command as flamegraph
from pipeline.errors import NotEnoughData, UsageError
from pipeline.lake import Lake
from tests.report.profile_lake import land


def run(command: click.Command, *arguments: object) -> Any:
    """Run a command; an error of ours comes out as itself."""
    result = CliRunner().invoke(command, [*map(str, arguments)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


@pytest.fixture
def profiled(lake: Lake) -> Lake:
    """Give a lake with a profile of each of two versions."""
    land(lake, ("main;work", 30), ("main;rest", 10))
    land(lake, ("main;work", 80), version="2", seconds=60)
    return lake


def test_folded_stacks_go_to_standard_output(profiled: Lake) -> None:
    result = run(export, "--lake", profiled.path, "--format", "folded", "--out", "-")
    assert result.stdout == "main;rest 10\nmain;work 110\n"
    assert "-: 2 profiles, 2 stacks, cpu 120 nanoseconds" in result.stderr


def test_pprof_is_gzipped_and_the_default(profiled: Lake, tmp_path: Path) -> None:
    out = tmp_path / "cpu.pb.gz"
    run(export, "--lake", profiled.path, "--where", "service.version=2", "--out", out)
    assert b"work" in gzip.decompress(out.read_bytes())


def test_speedscope_is_json(profiled: Lake, tmp_path: Path) -> None:
    out = tmp_path / "cpu.json"
    run(export, "--lake", profiled.path, "--format", "speedscope", "--out", out)
    assert json.loads(out.read_bytes())["profiles"][0]["endValue"] == 120


def test_a_flame_graph_is_a_page_or_by_its_name_a_picture(profiled: Lake, tmp_path: Path) -> None:
    for name, start in (("cpu.html", b"<!doctype html>"), ("cpu.svg", b"<svg ")):
        result = run(flamegraph, "--lake", profiled.path, "--out", tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
        assert "Flame graph: cpu of shop 1, 2; 3 frames drawn" in result.stderr


def test_a_difference_takes_the_rest_of_the_selection_over(profiled: Lake) -> None:
    choice = ("--where", "service.name=shop", "--where", "service.version=2")
    result = run(
        flamegraph,
        *("--lake", profiled.path, *choice, "--diff-baseline", "service.version=1", "--out", "-"),
    )
    assert "<title>Flame graph: cpu of shop 2 against shop 1</title>" in result.stdout


def test_nothing_that_matches_writes_no_file(profiled: Lake, tmp_path: Path) -> None:
    out = tmp_path / "cpu.html"
    for command in (export, flamegraph):
        with pytest.raises(NotEnoughData):
            run(command, "--lake", profiled.path, "--where", "service.name=x", "--out", out)
    assert not out.exists()


def test_a_file_that_cannot_be_written_is_named(profiled: Lake, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing/cpu\.html: No such file"):
        run(flamegraph, "--lake", profiled.path, "--out", tmp_path / "missing" / "cpu.html")


@pytest.mark.parametrize("where", ["service.version", "=1"])
def test_a_filter_that_is_no_pair_is_refused(profiled: Lake, where: str) -> None:
    with pytest.raises((UsageError, click.UsageError), match="KEY=VALUE"):
        run(export, "--lake", profiled.path, "--where", where, "--out", "-")
