"""Files are found in an order that can be relied on, and a lake is never imported."""

import os
import socket
from pathlib import Path

import pytest

from collectors.finding import find
from pipeline.errors import UsageError
from pipeline.lake import Lake, open_lake
from tests.importing import otlp_files as files


def touch(folder: Path, *names: str) -> None:
    """Make files of one byte."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def found(folder: Path, *paths: str) -> list[str]:
    """Find files and give their names below a folder."""
    given = [folder / path for path in paths]
    return [str(each.path.relative_to(folder)) for each in find(given)]


def test_a_folder_is_searched_in_order_and_hidden_files_are_left(tmp_path: Path) -> None:
    touch(tmp_path, "b", "a/z", "a/b/c", ".hidden", ".git/config", "a/.part")
    assert found(tmp_path, "") == ["a/b/c", "a/z", "b"]


def test_paths_keep_their_order_and_each_file_comes_once(tmp_path: Path) -> None:
    touch(tmp_path, "b", "a/z", ".named")
    assert found(tmp_path, "b", "a", "b", ".named") == ["b", "a/z", ".named"]


def test_links_to_files_are_files_and_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    touch(tmp_path, "in/a")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "in" / "a")
    assert found(tmp_path, "in") == ["in/a", "in/link"]


def test_a_lake_inside_a_folder_is_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a", "z")
    open_lake(tmp_path / "lake", create=True)
    assert found(tmp_path, "") == ["a", "z"]


def test_a_path_that_is_not_there_is_a_wrong_call(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="missing: no such file or folder"):
        find([tmp_path / "missing"])


def test_pipes_sockets_devices_and_dead_links_are_refused_by_name(
    lake: Lake, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "a-pipe")
    (tmp_path / "c-link").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(tmp_path)  # the name of a socket may not be long
        try:
            listening.bind("b-socket")
        finally:
            os.chdir(here)
        told = files.run(lake, tmp_path, Path("/dev/null"))
    assert [outcome.reason.split(";")[0] for outcome in told] == [
        "a named pipe, not a file",
        "a socket, not a file",
        "No such file or directory",
        "a device, not a file",
    ]
    assert all(outcome.status == "refused" for outcome in told)
