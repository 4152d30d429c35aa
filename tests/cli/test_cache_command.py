"""``tailgate cache`` as a person meets it: words, JSON, a page, a status."""

import json
from pathlib import Path

import pytest

from pipeline.cli.main import main
from pipeline.lake import Lake, append
from pipeline.schema import SPANS

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
