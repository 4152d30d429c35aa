"""``tailgate cache``: how often caches hit, what a miss costs, and what other sizes would do."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import config_option, lake_option
from pipeline.cli.output import write_result

if TYPE_CHECKING:
    from pipeline.jobs.cache_request import CacheRequest
    from pipeline.jobs.judge_request import Pairs

_FORMATS = ("text", "json", "markdown", "html")
_Command = Callable[..., Any]


def _attribute(name: str, meaning: str) -> Callable[[_Command], _Command]:
    """Make an option for names of attributes; those given win over tailgate.toml's."""
    return click.option(f"--{name}-attribute", multiple=True, metavar="NAME", help=meaning)


@click.command(short_help="How often caches hit, and what a miss costs.")
@lake_option
@click.option(
    "--where",
    multiple=True,
    metavar="SELECTOR",
    help="Whose, such as service.name=pricing; may be repeated.  [default: all]",
)
@click.option("--baseline", metavar="SELECTOR", help="Compare with these, beside --canary.")
@click.option("--canary", metavar="SELECTOR", help="What is compared.")
@click.option("--since", metavar="TIME", help="Start: 2026-03-01T12:00:00Z or an age: 2h.")
@click.option("--until", metavar="TIME", help="End, which is not part of it.")
@click.option("--slo", metavar="OBJECTIVE", help="Latency of requests, such as p95=600ms.")
@click.option("--size", metavar="SIZE", help="Of the cache today: entries or bytes, 500 or 64MiB.")
@click.option("--ttl", type=click.FloatRange(0, min_open=True), help="Seconds an entry is kept.")
@click.option(
    "--writes-per-key",
    type=click.FloatRange(0),
    metavar="RATE",
    help="Writes of one key an hour, where spans do not tell them.",
)
@config_option
@_attribute("hit", "Of spans, beside cache.hit: true or false.")
@_attribute("key", "Of spans, beside cache.key.")
@_attribute("class", "The key's class, where spans tell it.")
@_attribute("cache", "The cache's name, beside cache.name.")
@_attribute("operation", "Beside cache.operation: write, update, invalidate or delete.")
@_attribute("version", "The item's version, on reads and writes.")
@_attribute("write", "Marks spans that write a key.")
@_attribute("ttl", "How long an entry is kept, in ttl_unit of [cache], else seconds.")
@click.option("--key-class", metavar="PATTERN", help="What it matches of a key is its class.")
@click.option(
    "--per-instance", is_flag=True, help="Each instance has a cache of its own, in its process."
)
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
def command(lake: Path, form: str, output: Path | None, **given: Any) -> int:
    """Tell hit ratios, the penalty of a miss, what it does to requests, sizes, and staleness.

    A lookup is a span with cache.hit, or a GET of Redis, Valkey or Memcached that says how many
    rows it returned; of MGET each key counts. Where neither is told, a GET that a read of a
    database or service and a SET of its key follow, under its parent or deeper, is inferred to have
    missed. Counters (redis.keyspace.hits, memcached.operations, cache.gets) and cached tokens of
    prompts (gen_ai) stand beside, never added. A miss is held against hits like it: of the same
    operation, class of key, size and minute, or five. With keys it also tells what other sizes and
    policies would miss. --baseline and --canary tell what changed between two versions, and what
    requests feel. Budgets hold the same figures: cache_hit_ratio, prompt_cache_hit_ratio.

    Ends with status 0, or 3 where no lookup was found.

    \b
    Examples:
      tailgate cache --where service.name=pricing --since 2h
      tailgate cache --baseline service.version=1.4.1 --canary service.version=1.4.2
      tailgate cache --baseline service.version=1 --canary service.version=2 --format html
      tailgate cache --slo p95=20ms --size 5000 --ttl 30 --format html --output cache.html
      tailgate cache --size 10000 --per-instance
      tailgate cache --hit-attribute app.cache_hit --key-attribute app.cache_key

    \b
    Names of your own, as they stand in tailgate.toml; switches win over them:
      [cache]
      hit_attribute = ["app.cache_hit", "cacheStatus"]
      miss_values = ["EXPIRED", "BYPASS"]
      key_attribute = "app.cache_key"
      ttl_attribute = "app.ttl_ms"
      ttl_unit = "ms"
    """
    from pipeline.cli.audit import progress
    from pipeline.jobs.cache import run
    from pipeline.jobs.judge_request import parse_selector
    from pipeline.lake import open_lake
    from pipeline.report.cache import WRITERS

    baseline, canary = given.pop("baseline"), given.pop("canary")
    if (baseline is None) != (canary is None):
        raise click.UsageError("--baseline and --canary go together; give both or neither")
    request = _request_of(given)
    if baseline is not None:
        return _compare(
            lake, request, (parse_selector(baseline), parse_selector(canary)), form, output
        )
    with progress("caches") as on_progress:
        result = run(open_lake(lake), request, on_progress)
    write_result(partial(WRITERS[form], result), output)
    return result.exit_status


def _compare(
    lake: Path,
    request: "CacheRequest",
    sides: "tuple[Pairs, Pairs]",
    form: str,
    output: Path | None,
) -> int:
    """Compare two sides, and write what changed."""
    from pipeline.cli.audit import progress
    from pipeline.jobs.cache_compare import compare
    from pipeline.lake import open_lake
    from pipeline.report.cache_compare import WRITERS

    with progress("caches") as on_progress:
        result = compare(open_lake(lake), request, sides, on_progress)
    write_result(partial(WRITERS[form], result), output)
    return result.exit_status


def _request_of(given: dict[str, Any]) -> "CacheRequest":
    """Make the question of what the command was given.

    Raises:
        UsageError, BadWindow: it is no question.
    """
    from pipeline.jobs.cache_names import read_cache_names
    from pipeline.jobs.cache_request import CacheRequest, parse_size
    from pipeline.jobs.capacity_request import parse_objective
    from pipeline.jobs.judge_request import parse_selector
    from pipeline.jobs.windows import parse_window

    since, until = parse_window(given["since"], given["until"], time.time_ns())
    quantile, seconds = parse_objective(given["slo"]) if given["slo"] else (0.95, 0.0)
    size, in_bytes = parse_size(given["size"]) if given["size"] else (0.0, False)
    hourly = given["writes_per_key"]
    names = ("key_class", *(key for key in given if key.endswith("_attribute")))
    switched = {key: given[key] for key in names if given[key]}
    return CacheRequest(
        where=tuple(pair for text in given["where"] for pair in parse_selector(text)),
        since_unix_nano=since,
        until_unix_nano=until,
        names=replace(read_cache_names(given["config"]), **switched),
        objective_quantile=quantile,
        objective_s=seconds,
        ttl_s=given["ttl"] or 0.0,
        writes_per_key_s=-1.0 if hourly is None else hourly / 3600,
        size=size,
        size_in_bytes=in_bytes,
        per_instance=given["per_instance"],
    )
