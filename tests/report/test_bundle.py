"""A verdict's bundle: what was written is what is read, and nothing else is."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import BadFile, UsageError
from pipeline.gate.bundle import Bundle, read_bundle, write_bundle
from pipeline.gate.judgement import Tolerance
from pipeline.gate.plain_values import plain, rebuilt
from pipeline.gate.verdict import Check, Measure
from pipeline.jobs.judge import Inputs
from tests.report.two_sides import REQUEST, inputs_of, why


@pytest.fixture
def bundle(lake, span_rows) -> Bundle:
    """Give a bundle with a second table, as other questions have them."""
    inputs = inputs_of(lake, span_rows)
    tables = {**inputs.tables, "saved_groups": inputs.tables["cells"].slice(0, 3)}
    kept = Inputs(tables, inputs.versions)
    measure = Measure(1.0, 2.0, (9.0, 9.0), 1.0, -math.inf, math.inf, 0.1, 0.5, 0.2, "blocks")
    queue = Check("shop", "", "queue_depth", "", "ratio", measure=measure, name="queue")
    asked = (kept, REQUEST, Tolerance(relative=0.1), (why(),))
    return Bundle(*asked, b'{"a": 1}\n', "fail", checks=(queue,))


def test_a_bundle_is_read_as_it_was_written(bundle: Bundle, tmp_path: Path) -> None:
    write_bundle(bundle, tmp_path / "new" / "kept")
    read = read_bundle(tmp_path / "new" / "kept")
    assert read.inputs.tables.keys() == bundle.inputs.tables.keys()
    for name, table in bundle.inputs.tables.items():
        assert read.inputs.tables[name].equals(table, check_metadata=True)
    assert read.inputs.versions == bundle.inputs.versions
    assert (read.request, read.tolerance) == (bundle.request, bundle.tolerance)
    assert (read.answer, read.verdict) == (bundle.answer, bundle.verdict)
    # Not a number is unlike itself, so what explains it is compared as it is written.
    assert plain(read.why, exact=True) == plain(bundle.why, exact=True)
    assert plain(read.checks, exact=True) == plain(bundle.checks, exact=True)
    assert read.checks[0].measure == bundle.checks[0].measure
    assert math.isnan(read.why[0].causes[0].share)


def test_the_same_bundle_is_the_same_bytes(bundle: Bundle, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_bundle(bundle, tmp_path / name)
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("one", "two"))
    assert one == two
    assert sorted(one) == [
        "bundle.json",
        "cells.parquet",
        "checks.json",
        "judgement.json",
        "saved_groups.parquet",
        "why.json",
    ]


def test_an_empty_folder_is_taken_and_one_with_something_in_it_is_not(
    bundle: Bundle, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    write_bundle(bundle, empty)
    before = (empty / "bundle.json").read_bytes()
    with pytest.raises(UsageError, match="there is something in it; name a new or an empty folder"):
        write_bundle(replace(bundle, verdict="pass"), empty)
    assert (empty / "bundle.json").read_bytes() == before


def test_a_bundle_that_cannot_be_written_leaves_nothing(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="name a folder that can be made"):
        write_bundle(bundle, tmp_path / "file" / "kept")
    assert [path.name for path in tmp_path.iterdir() if "kept" in path.name] == []


def test_what_an_attempt_that_was_cut_off_left_is_no_bundle(bundle: Bundle, tmp_path: Path) -> None:
    left = tmp_path / ".kept.partial"
    left.mkdir()
    (left / "cells.parquet").write_bytes(b"half")
    with pytest.raises(UsageError, match="bundle.json: No such file"):
        read_bundle(left)
    write_bundle(bundle, tmp_path / "kept")
    assert read_bundle(tmp_path / "kept").verdict == "fail"
    assert not left.exists()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit(path: Path) -> None:
    index = json.loads(path.read_bytes())
    index["tolerance"]["relative"] = 0.5
    path.write_text(json.dumps(index))


def lead_out(path: Path) -> None:
    index = json.loads(path.read_bytes())
    index["files"]["../outside"] = "0" * 64
    path.write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("name", "harm", "why_not"),
    [
        ("cells.parquet", flip, "SHA-256 differs"),
        ("why.json", flip, "SHA-256 differs"),
        ("judgement.json", Path.unlink, "take the bundle whole"),
        ("bundle.json", edit, "SHA-256 differs"),
        ("bundle.json", lead_out, "SHA-256 differs"),
        ("bundle.json", lambda path: path.write_bytes(b"{"), "SHA-256 differs"),
    ],
)
def test_a_damaged_bundle_is_refused_by_name(
    bundle: Bundle, tmp_path: Path, name: str, harm: Callable[[Path], object], why_not: str
) -> None:
    write_bundle(bundle, tmp_path / "kept")
    harm(tmp_path / "kept" / name)
    with pytest.raises(BadFile, match=f"{name}: .*{why_not}"):
        read_bundle(tmp_path / "kept")


def test_a_bundle_of_another_schema_names_the_tailgate_that_reads_it(
    bundle: Bundle, tmp_path: Path
) -> None:
    write_bundle(replace(bundle, version="9.0"), tmp_path / "kept")
    path = tmp_path / "kept" / "bundle.json"
    path.write_text(path.read_text().replace("tailgate.bundle/1", "tailgate.bundle/2"))
    with pytest.raises(UsageError, match=r"tailgate\.bundle/2, .* replay it with tailgate 9\.0"):
        read_bundle(tmp_path / "kept")


@dataclass(frozen=True)
class Inner:
    """One of each kind of field that requests have."""

    ratio: float
    names: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Outer:
    """A dataclass that holds another."""

    inner: Inner
    since: int | None
    several: tuple[Inner, ...]
    pair: tuple[int, str]
    by_name: Mapping[str, float]
    wanted: bool = False


INNER = st.builds(
    Inner,
    st.floats(allow_nan=False),
    st.lists(st.tuples(st.text(), st.text()), max_size=3).map(tuple),
)
OUTER = st.builds(
    Outer,
    INNER,
    st.none() | st.integers(),
    st.lists(INNER, max_size=3).map(tuple),
    st.tuples(st.integers(), st.text()),
    st.dictionaries(st.text(), st.floats(allow_nan=False)),
    st.booleans(),
)


@settings(max_examples=30)
@given(OUTER)
def test_what_is_made_plain_is_made_again_by_way_of_json(value: Outer) -> None:
    assert rebuilt(Outer, json.loads(json.dumps(plain(value, True), allow_nan=False))) == value


@pytest.mark.parametrize(
    "value",
    [
        {"ratio": "1"},
        {"ratio": True},
        {"ratio": 1.0, "names": [["a"]]},
        {"ratio": 1.0, "names": "a"},
        {"ratio": 1.0, "more": 1},
        [],
    ],
)
def test_plain_values_of_another_kind_are_refused(value: object) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        rebuilt(Inner, value)
