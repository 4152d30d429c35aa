"""Sidecar files and flags: whose a file is, and which word goes first."""

from pathlib import Path

import pytest

from collectors.finding import find
from collectors.origin import Origin
from collectors.sidecar import make_origin, origin_of
from pipeline.errors import BadFile

FILE_SIDECAR = "a.folded.tailgate.toml"
FOLDER_SIDECAR = "tailgate-import.toml"


def test_the_caller_goes_before_the_files_sidecar_and_that_before_the_folders(
    tmp_path: Path,
) -> None:
    (tmp_path / FILE_SIDECAR).write_text('service = "file"\nrate_hertz = 99\n')
    (tmp_path / FOLDER_SIDECAR).write_text(
        'service = "folder"\nrate_hertz = 1\ntool = "profile"\ntime = 2026-11-25T10:00:00Z\n'
        '[attributes]\n"service.version" = "1.4.2"\n"host.name" = "a"\n'
    )
    said = Origin({"host.name": "b"})
    found = origin_of(tmp_path / "a.folded", said)
    assert found.attributes == {
        "service.name": "file",
        "service.version": "1.4.2",
        "host.name": "b",
    }
    assert (found.rate_hertz, found.tool) == (99, "profile")
    assert found.time_unix_nano == 1_795_600_800_000_000_000
    assert origin_of(tmp_path / "b.folded", said).attributes["service.name"] == "folder"


def test_a_file_without_a_sidecar_is_what_the_caller_says(tmp_path: Path) -> None:
    said = Origin({"service.name": "shop"})
    assert origin_of(tmp_path / "a.folded", said) == said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("service = ", "not TOML"),
        ("services = 'a'", "services: not known; known: service"),
        ("service = 1", "service: 1 is not what it must be"),
        ("unit = 'parsec'", "unit parsec: not known; known: samples"),
        ("time = '2026-11-25'", "has no offset from UTC"),
        ("time = 'noon'", "write it as 2026-11-25T10:00:00Z"),
        ("rate_hertz = -1", "must not be negative"),
        ("comm = 'yes'", "comm: 'yes' is not"),
        ("rate_hertz = true", "rate_hertz: True is not"),
        ("[attributes]\na = [1]", "attributes.a: must be text"),
        ("# " + "x" * (1 << 20), "larger than 1048576 bytes"),
    ],
)
def test_a_wrong_sidecar_is_named_with_what_is_wrong(tmp_path: Path, text: str, why: str) -> None:
    sidecar = tmp_path / FILE_SIDECAR
    sidecar.write_text(text)
    with pytest.raises(BadFile) as caught:
        origin_of(tmp_path / "a.folded", Origin())
    assert str(caught.value).startswith(f"{sidecar}: ")
    assert why in str(caught.value)


def test_sidecars_are_no_files_to_import(tmp_path: Path) -> None:
    for name in ("a.folded", FILE_SIDECAR, FOLDER_SIDECAR):
        (tmp_path / name).write_text("a 1\n")
    assert [found.path.name for found in find([tmp_path])] == ["a.folded"]
    (given,) = find([tmp_path / FILE_SIDECAR])
    assert given.refused == "a sidecar file; import what it is about"


def test_times_keep_their_microseconds() -> None:
    assert make_origin(time="1970-01-01T01:00:00.000001+01:00").time_unix_nano == 1000
