"""``tailgate cache`` as a person meets it: words, JSON, a page, a status."""

import json
from pathlib import Path

import pytest

from pipeline.cli.main import main
from pipeline.lake import Lake, append
from pipeline.schema import METRICS, SPANS
from tests.metrics.conftest import rows_of

NOON = 1_795_608_000_000_000_000
MILLI = 1_000_000


@pytest.fixture
def filled(lake: Lake, span_rows) -> Lake:
    """Give a lake with 30 lookups of 3 keys by two instances, a third of them misses."""
    rows = [
        {
            "name": "cache get",
            "kind": 1,
            "trace_id": f"{number + 1:032x}",
            "service_instance_id": f"checkout-{number % 2}",
            "start_time_unix_nano": NOON + number * 1000 * MILLI,
            "duration_nano": MILLI if number % 3 else 9 * MILLI,
            "cache_hit": bool(number % 3),
            "cache_key": f"price:<{number % 3}>",
        }
        for number in range(30)
    ]
    append(lake, SPANS, span_rows(*rows))
    return lake


@pytest.fixture
def tailgate(capfdbinary):
    """Run a command here, and give its status, what it printed and what it complained."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main([str(each) for each in arguments])
        printed = capfdbinary.readouterr()
        return int(end.value.code or 0), printed.out.decode(), printed.err.decode()

    return run


def test_it_says_hits_penalty_and_sizes(filled: Lake, tailgate) -> None:
    status, out, _ = tailgate("cache", "--lake", filled.path, "--size", "3", "--ttl", "5")
    assert status == 0
    lines = [line.strip() for line in out.splitlines()]
    assert lines[0] == "checkout 1.4.1: cache get: 30.0 lookups of 3 keys"
    assert lines[1].startswith("hit ratio: 66.7 [")
    assert lines[2].startswith("miss penalty: 8.00 [8.00, 8.00] ms over a hit like it")
    assert any(line.startswith("misses by policy at that size: ") for line in lines)
    assert any("no writes of these keys" in line for line in lines)


def test_the_json_and_the_page_are_the_same_each_time(
    filled: Lake, tmp_path: Path, tailgate
) -> None:
    for form in ("json", "html", "markdown"):
        first, second = (
            tailgate("cache", "--lake", filled.path, "--format", form)[1] for _ in range(2)
        )
        assert first == second
        if form == "json":
            document = json.loads(first)
            assert document["schema"] == "tailgate.cache/1"
            (cache,) = document["caches"]
            assert cache["hit_ratio"]["estimate"] == pytest.approx(2 / 3)
            assert cache["miss_penalty_ns"]["estimate"] == 8 * MILLI
        elif form == "html":
            # Keys come from whoever sends them.
            assert "<0>" not in first
            assert "http" not in first.replace("http-equiv", "")
    page = tmp_path / "cache.html"
    assert tailgate("cache", "--lake", filled.path, "--format", "html", "--output", page)[0] == 0
    assert page.read_text().count("<figure") == 2


def test_two_versions_are_compared_in_words_markdown_and_json(
    lake: Lake, span_rows, tailgate
) -> None:
    rows = [
        {
            "name": "cache get",
            "kind": 1,
            "trace_id": f"{number + 1:032x}",
            "service_version": "1.4.1" if number < 200 else "1.4.2",
            "service_instance_id": f"checkout-{number % 2}",
            "start_time_unix_nano": NOON + number % 200 * 5000 * MILLI,
            "duration_nano": MILLI if number % (5 if number < 200 else 3) else 9 * MILLI,
            "cache_hit": bool(number % (5 if number < 200 else 3)),
        }
        for number in range(400)
    ]
    append(lake, SPANS, span_rows(*rows))
    sides = ("--baseline", "service.version=1.4.1", "--canary", "service.version=1.4.2")
    status, out, _ = tailgate("cache", "--lake", lake.path, *sides)
    assert status == 0
    assert out.splitlines()[0] == (
        "checkout: cache get: 200 lookups of 2 instances, canary 200 of 2"
    )
    assert "hit ratio: 80.0 % → 66.5 %: -13.5 [" in out
    assert "note: baseline: no request is known" in out
    _, markdown, _ = tailgate("cache", "--lake", lake.path, *sides, "--format", "markdown")
    assert markdown.startswith("# Caches, canary beside baseline")
    _, text, _ = tailgate("cache", "--lake", lake.path, *sides, "--format", "json")
    document = json.loads(text)
    assert document["schema"] == "tailgate.cache-compare/1"
    (cache,) = document["caches"]
    assert cache["hit_ratio"]["change"]["estimate"] == pytest.approx(-0.135)
    assert cache["mean_ns"]["baseline"] is None
    baseline, canary = cache["sides"]
    assert (baseline["side"], baseline["hits"], baseline["misses"]) == ("baseline", 160, 40)
    own = tailgate("cache", "--lake", lake.path, "--where", sides[3], "--format", "json")[1]
    (alone,) = json.loads(own)["caches"]
    assert canary["hit_ratio"] == alone["hit_ratio"]
    assert canary["miss_penalty_ns"]["low"] == alone["miss_penalty_ns"]["low"]
    page, again = (
        tailgate("cache", "--lake", lake.path, *sides, "--format", "html")[1] for _ in range(2)
    )
    assert page == again
    assert page.count("<figure") == 5
    assert "<h1>Caches, canary beside baseline</h1>" in page
    assert "<td>hit ratio, %</td>" in page.replace("<td >", "<td>")
    assert "<script" not in page


def test_a_comparison_needs_both_sides(lake: Lake, tailgate) -> None:
    status, _, complaint = tailgate("cache", "--lake", lake.path, "--baseline", "a.b=1")
    assert status == 2
    assert "go together" in complaint


def test_a_comparison_of_nothing_ends_with_status_3(lake: Lake, tailgate) -> None:
    sides = ("--baseline", "service.version=1", "--canary", "service.version=2")
    status, out, _ = tailgate("cache", "--lake", lake.path, *sides)
    assert status == 3
    assert "no cache that both sides have" in out


def test_counters_tokens_and_what_tells_nothing_are_in_every_form(
    lake: Lake, span_rows, tailgate
) -> None:
    told = [("gen_ai.usage.input_tokens", "100"), ("gen_ai.usage.cache_read.input_tokens", "80")]
    call = {"kind": 3, "name": "chat <m>", "attributes": told, "trace_id": "a" * 32}
    get = {"kind": 3, "name": "GET", "db_system": "redis", "parent_span_id": "f" * 16}
    append(lake, SPANS, span_rows(call, get))
    hits = {
        "metric_type": "sum",
        "name": "cache.gets",
        "is_monotonic": True,
        "aggregation_temporality": 1,
        "time_unix_nano": NOON + 60_000 * MILLI,
    }
    append(
        lake,
        METRICS,
        rows_of(
            [
                hits | {"value_int": count, "attributes": [("cache", "p"), ("result", result)]}
                for result, count in (("hit", 9), ("miss", 1))
            ]
        ),
    )
    for form in ("text", "markdown", "html"):
        status, out, _ = tailgate("cache", "--lake", lake.path, "--format", form)
        assert status == 0
        assert "cache.gets" in out
        assert "80.0" in out
        assert "1 reads do not tell whether they hit" in out
        assert form != "html" or "<m>" not in out
    _, text, _ = tailgate("cache", "--lake", lake.path, "--format", "json")
    document = json.loads(text)
    assert document["counters"][0]["hit_ratio"]["estimate"] == 0.9
    assert document["tokens"][0]["hit_ratio"] == {"estimate": 0.8, "low": None, "high": None}


def test_names_of_ones_own_are_read_from_the_settings_and_a_switch_wins(
    lake: Lake, span_rows, tmp_path: Path, tailgate
) -> None:
    told = [("a.hit", "true"), ("b.hit", "false")]
    append(lake, SPANS, span_rows({"kind": 1, "name": "get", "attributes": told}))
    config = tmp_path / "own.toml"
    config.write_text('[cache]\nhit_attribute = "a.hit"\n')
    where = ("cache", "--lake", lake.path, "--config", config, "--format", "json")
    ratio = json.loads(tailgate(*where)[1])["caches"][0]["hit_ratio"]["estimate"]
    assert ratio == 1
    switched = tailgate(*where, "--hit-attribute", "b.hit")[1]
    assert json.loads(switched)["caches"][0]["hit_ratio"]["estimate"] == 0
    config.write_text('[cache]\nhit_atribute = "a.hit"\n')
    status, _, complaint = tailgate(*where)
    assert status == 2
    assert "own.toml:2: [cache] hit_atribute: not known; did you mean hit_attribute?" in complaint


def test_nothing_found_ends_with_status_3_and_says_what_to_send(lake: Lake, tailgate) -> None:
    status, out, _ = tailgate("cache", "--lake", lake.path)
    assert status == 3
    assert "send spans with cache.hit" in out


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--size", "3 apples", "write entries or bytes"),
        ("--slo", "fast", "such as p95=600ms"),
        ("--where", "kind=2", "kind cannot"),
        ("--key-class", "(", "write a pattern"),
    ],
)
def test_what_cannot_be_read_is_status_2_with_a_way_out(
    lake: Lake, tailgate, option: str, value: str, told: str
) -> None:
    status, _, complaint = tailgate("cache", "--lake", lake.path, option, value)
    assert status == 2
    assert told in complaint
