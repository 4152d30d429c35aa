"""``tailgate cache``: how often caches hit, what a miss costs, and what other sizes would do."""

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import lake_option
from pipeline.cli.output import write_result

if TYPE_CHECKING:
    from pipeline.jobs.cache_request import CacheRequest

_FORMATS = ("text", "json", "markdown", "html")


@click.command(short_help="How often caches hit, and what a miss costs.")
@lake_option
@click.option(
    "--where",
    multiple=True,
    metavar="SELECTOR",
    help="Whose, such as service.name=pricing; may be repeated.  [default: all]",
)
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
@click.option("--hit-attribute", default="", help="Of spans, beside cache.hit: true or false.")
@click.option("--key-attribute", default="", help="Of spans, beside cache.key.")
@click.option("--version-attribute", default="", help="The item's version, on reads and writes.")
@click.option("--write-attribute", default="", help="Marks spans that write a key.")
@click.option("--key-class", metavar="PATTERN", help="What it matches of a key is its class.")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
def command(lake: Path, form: str, output: Path | None, **given: Any) -> int:
    """Tell hit ratios, the penalty of a miss, what it does to requests, sizes, and staleness.

    A lookup is a span with cache.hit, or a GET of Redis, Valkey or Memcached that says how many
    rows it returned. A miss is held against hits like it: of the same operation, class of key,
    size and five minutes. With keys it also tells what other sizes and policies would miss.

    Ends with status 0, or 3 where no lookup was found.

    \b
    Examples:
      tailgate cache --where service.name=pricing --since 2h
      tailgate cache --slo p95=20ms --size 5000 --ttl 30 --format html --output cache.html
      tailgate cache --hit-attribute app.cache_hit --key-attribute app.cache_key
    """
    from pipeline.jobs.cache import run
    from pipeline.lake import open_lake
    from pipeline.report.cache import WRITERS

    result = run(open_lake(lake), _request_of(given))
    write_result(partial(WRITERS[form], result), output)
    return result.exit_status


def _request_of(given: dict[str, Any]) -> "CacheRequest":
    """Make the question of what the command was given.

    Raises:
        UsageError, BadWindow: it is no question.
    """
    from pipeline.jobs.cache_request import KEY_CLASS, CacheRequest, parse_size
    from pipeline.jobs.capacity_request import parse_objective
    from pipeline.jobs.judge_request import parse_selector
    from pipeline.jobs.windows import parse_window

    since, until = parse_window(given["since"], given["until"], time.time_ns())
    quantile, seconds = parse_objective(given["slo"]) if given["slo"] else (0.95, 0.0)
    size, in_bytes = parse_size(given["size"]) if given["size"] else (0.0, False)
    hourly = given["writes_per_key"]
    return CacheRequest(
        where=tuple(pair for text in given["where"] for pair in parse_selector(text)),
        since_unix_nano=since,
        until_unix_nano=until,
        hit_attribute=given["hit_attribute"],
        key_attribute=given["key_attribute"],
        version_attribute=given["version_attribute"],
        write_attribute=given["write_attribute"],
        key_class=given["key_class"] or KEY_CLASS,
        objective_quantile=quantile,
        objective_s=seconds,
        ttl_s=given["ttl"] or 0.0,
        writes_per_key_s=-1.0 if hourly is None else hourly / 3600,
        size=size,
        size_in_bytes=in_bytes,
    )
