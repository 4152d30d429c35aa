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
    from pipeline.jobs.judge_request import Pairs

_FORMATS = ("text", "json", "markdown", "html")


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
@click.option("--hit-attribute", default="", help="Of spans, beside cache.hit: true or false.")
@click.option("--key-attribute", default="", help="Of spans, beside cache.key.")
@click.option("--version-attribute", default="", help="The item's version, on reads and writes.")
@click.option("--write-attribute", default="", help="Marks spans that write a key.")
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
    database and a SET of its key follow under the same parent is inferred to have missed. Counters
    (redis.keyspace.hits, memcached.operations, cache.gets) and cached tokens of prompts (gen_ai)
    stand beside, never added. A miss is held against hits like it: of the same operation, class
    of key, size and minute, or five. With keys it also tells what other sizes and policies would
    miss. --baseline and --canary tell what changed between two versions, and what requests feel.

    Ends with status 0, or 3 where no lookup was found.

    \b
    Examples:
      tailgate cache --where service.name=pricing --since 2h
      tailgate cache --baseline service.version=1.4.1 --canary service.version=1.4.2
      tailgate cache --slo p95=20ms --size 5000 --ttl 30 --format html --output cache.html
      tailgate cache --size 10000 --per-instance
      tailgate cache --hit-attribute app.cache_hit --key-attribute app.cache_key
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

    if form not in WRITERS:
        raise click.UsageError(f"--format {form} draws one side; compare as {', '.join(WRITERS)}")
    with progress("caches") as on_progress:
        result = compare(open_lake(lake), request, sides, on_progress)
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
        per_instance=given["per_instance"],
    )
