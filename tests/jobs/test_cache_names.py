"""A team's own names of attributes: read from tailgate.toml, and told wrong with line and key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import BadSetting
from pipeline.gate.budget_schema import budget_schema
from pipeline.jobs.cache import run
from pipeline.jobs.cache_counters import read_counters
from pipeline.jobs.cache_names import CacheNames, read_cache_names
from pipeline.jobs.cache_request import CacheRequest
from pipeline.lake import Lake, append
from pipeline.schema import METRICS
from pipeline.settings import Settings, load
from tests.metrics.conftest import rows_of

NOON = 1_795_608_000_000_000_000
SECOND = 1_000_000_000
Land = Callable[..., object]

OWN = """
[cache]
hit_attribute = ["app.outcome", "legacy_hit"]
hit_values = ["Stale"]
miss_values = ["EXPIRED", "bypass"]
key_attribute = "app.key"
class_attribute = "app.entity"
cache_attribute = "app.store"
operation_attribute = "app.op"
version_attribute = "app.etag"
ttl_attribute = "app.ttl_ms"
ttl_unit = "ms"
"""


def write(tmp_path: Path, text: str) -> Path:
    """Write a tailgate.toml."""
    file = tmp_path / "tailgate.toml"
    file.write_text(text)
    return file


def looked(number: int, **told: str) -> dict[str, Any]:
    """Give a span of a cache client of one's own, a second after the one before."""
    return {
        "kind": 1,
        "name": "lookup",
        "trace_id": f"{number + 1:032x}",
        "start_time_unix_nano": NOON + number * SECOND,
        "attributes": [(name.replace("__", "."), value) for name, value in told.items()],
    }


def test_every_name_of_ones_own_is_read_as_the_conventions_name(
    lake: Lake, land: Land, tmp_path: Path
) -> None:
    own = {"app__key": "42", "app__entity": "price", "app__store": "near", "app__ttl_ms": "9000"}
    outcomes = ["hit", "STALE", "expired", "Bypass"]
    rows = [
        looked(number, app__outcome=outcome, app__etag="1", **own)
        for number, outcome in enumerate(outcomes)
    ]
    rows.append(looked(4, legacy_hit="true", app__etag="1", **own))
    rows.append(looked(5, app__op="Invalidate", app__key="42", app__etag="2"))
    rows.append(looked(6, app__outcome="hit", app__etag="1", **own))
    land(*rows)
    names = read_cache_names(write(tmp_path, OWN))
    (answer,) = run(lake, CacheRequest(names=names)).caches
    assert (answer.rows.cache, answer.all.lookups) == ("near", 6)
    assert answer.all.hit_ratio.estimate == pytest.approx(4 / 6)
    assert [part.name for part in answer.by_class] == ["price"]
    (stale,) = answer.staleness
    # Entries live 9 s; of the four hits the one after the write has the version before it.
    assert stale.ttl_s == 9.0
    assert stale.measured.estimate == pytest.approx(1 / 4)


def test_what_a_convention_tells_is_not_overruled(lake: Lake, land: Land) -> None:
    land(looked(0, app__outcome="miss") | {"cache_hit": True, "cache_key": "a"})
    names = CacheNames(hit_attribute=("app.outcome",), key_attribute=("name",))
    (answer,) = run(lake, CacheRequest(names=names)).caches
    assert answer.all.hit_ratio.estimate == 1


def test_words_that_are_not_known_are_told_and_not_dropped(lake: Lake, land: Land) -> None:
    land(*(looked(number, app__outcome=word) for number, word in enumerate(["HIT", "EXPIRED"])))
    result = run(lake, CacheRequest(names=CacheNames(hit_attribute=("app.outcome",))))
    assert [answer.all.lookups for answer in result.caches] == [1]
    (note,) = result.notes
    assert "1 reads say whether they hit in words that are not known, expired: name them" in note


def test_a_counter_of_ones_own_is_named_by_the_same_attribute(lake: Lake) -> None:
    point = {
        "metric_type": "sum",
        "name": "cache.gets",
        "is_monotonic": True,
        "aggregation_temporality": 1,
        "time_unix_nano": NOON + SECOND,
        "value_int": 5,
        "attributes": [("app.store", "near"), ("result", "hit")],
    }
    append(lake, METRICS, rows_of([point]))
    names = CacheNames(cache_attribute=("app.store",))
    (found,) = read_counters(lake, CacheRequest(names=names))
    assert found.cache == "near"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[cache]\n\nhit_atribute = 'x'", ":3: [cache] hit_atribute: not known; did you mean hit_"),
        ("[cache]\nkey_attribute = 3", ":2: [cache] key_attribute: 3 is no text; write"),
        ("[cache]\nkey_attribute = ['a', '']", ":2: [cache] key_attribute: an empty text names"),
        ("a = 1\n[cache]\nkey_class = '('", ":3: [cache] key_class: '(': missing )"),
        ("[cache]\nttl_unit = 'min'", ":2: [cache] ttl_unit: 'min' is not known; known: s, ms"),
        (
            "[cache]\nhit_values = ['Stale']\nmiss_values = ['a', 'STALE']",
            ":3: [cache] miss_values: 'stale' is in hit_values too; leave it out of one",
        ),
        ("[cache]\nhit_values = 'Miss'", ":2: [cache] hit_values: 'miss' always says of a miss"),
        ("[cache]\nmiss_values = ['1']", ":2: [cache] miss_values: '1' always says of a hit"),
        ("cache.ttl_unit = 5", ":1: [cache] ttl_unit: 5 is no text"),
        ("x = 1\ncache = 5", ":2: cache is a section: write [cache]"),
        ("[[cache]]\nkey_class = 'a'", ":1: cache is a section: write [cache]"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_key(tmp_path: Path, text: str, told: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(BadSetting) as raised:
        read_cache_names(file)
    assert str(raised.value).startswith(f"{file}{told}")


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    file = write(tmp_path, "[cache]\nttl_unit = 5\nhit_attribute = 3\n[redact]\nkeys = []\n")
    with pytest.raises(BadSetting) as raised:
        read_cache_names(file)
    assert [line.split(": ")[0] for line in str(raised.value).splitlines()] == [
        f"{file}:2",
        f"{file}:3",
    ]


def test_without_a_file_there_are_no_names_but_one_asked_for_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_cache_names(None) == CacheNames()
    with pytest.raises(BadSetting, match="no such file"):
        read_cache_names(Path("other.toml"))


def test_the_section_is_no_setting_of_the_receiver_and_stands_in_the_schema(
    tmp_path: Path,
) -> None:
    assert load(write(tmp_path, OWN), {}) == Settings()
    said = budget_schema()["properties"]["cache"]
    assert set(said["properties"]) == set(CacheNames.__dataclass_fields__)
    assert said["properties"]["ttl_unit"]["enum"] == ["s", "ms"]
    assert said["additionalProperties"] is False
