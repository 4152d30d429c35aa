"""Opening a lake: what is one, what is not, and what the disk may refuse."""

import json
from pathlib import Path

import pytest

from pipeline.errors import LakeUnavailable, NotALake, UnknownSchemaVersion
from pipeline.lake import Lake, open_lake, take_snapshot
from pipeline.lake.lake import MARKER
from pipeline.schema import SPANS, TABLES


def test_a_new_lake_has_every_table_and_no_rows(lake: Lake) -> None:
    assert [take_snapshot(lake, table).rows for table in TABLES] == [0] * len(TABLES)


def test_opening_a_lake_again_changes_nothing(lake: Lake) -> None:
    before = take_snapshot(lake, SPANS)
    assert open_lake(lake.path, create=True) == lake
    assert take_snapshot(lake, SPANS) == before


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(NotALake, match="not a lake.*not empty.*another --lake"):
        open_lake(tmp_path, create=True)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_lake(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(NotALake, match="a file, not a folder"):
        open_lake(file, create=True)


def test_a_missing_lake_is_not_made_by_reading_it(tmp_path: Path) -> None:
    with pytest.raises(NotALake, match="no lake there; start one with 'tailgate serve"):
        open_lake(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()


def test_a_lake_of_a_later_version_names_both_versions(lake: Lake) -> None:
    (lake.path / MARKER).write_text(json.dumps({"schema_version": 2}))
    with pytest.raises(UnknownSchemaVersion, match=r"schema version 2, this tailgate knows 1"):
        open_lake(lake.path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"other": 1}'])
def test_a_damaged_marker_is_named(lake: Lake, content: str) -> None:
    (lake.path / MARKER).write_text(content)
    with pytest.raises(NotALake, match=MARKER):
        open_lake(lake.path)


def test_a_folder_that_cannot_be_written_says_so() -> None:
    # /sys refuses new folders even to root.
    with pytest.raises(LakeUnavailable, match="grant access"):
        open_lake("/sys/tailgate-lake", create=True)
