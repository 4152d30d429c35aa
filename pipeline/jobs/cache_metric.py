"""Hit ratios as named metrics: of caches by spans or counters, of prompts by their tokens.

``tailgate cache`` and the budgets on hit ratios are made of the same cells, so they say the same.
"""

from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np
import polars as pl

from pipeline.jobs.cache_cells import WHOSE, cells_of
from pipeline.jobs.cache_conventions import SERVER_SOURCES
from pipeline.jobs.cache_counters import read_counter_cells
from pipeline.jobs.cache_request import CacheRequest
from pipeline.jobs.cache_rows import Untold, read_lookups
from pipeline.jobs.cache_tokens import read_token_cells
from pipeline.jobs.metric_parts import Columns
from pipeline.jobs.metric_rows import MetricRequest, MetricRows
from pipeline.jobs.metric_settling import Settled, Told
from pipeline.jobs.metric_sources import Source
from pipeline.jobs.named_metrics import PROMPT_TOKENS, NamedMetric
from pipeline.lake import Lake

SPANS_TOLD, TOKENS_TOLD = "spans", "gen_ai.usage"
_WILD = frozenset("*?[")
_ROWS = pl.Schema(
    dict.fromkeys((*WHOSE, "operation"), pl.String)
    | {"minute": pl.Int64, "source": pl.Int32}
    | dict.fromkeys(("top", "below", "spread", "inferred", "looked", "sampled"), pl.Float64)
    | dict.fromkeys(("left_out", "untold"), pl.Int64)
    | {"words": pl.String}
)


def read_cache_metric(lake: Lake, request: MetricRequest) -> MetricRows:
    """Read the rows of a metric that is a hit ratio.

    Args:
        lake: the lake.
        request: the question; what of its spans counts, its call says: then counters do not.

    Returns:
        Rows of every source, an operation a cache; beside the usual columns inferred, looked (both
        weighted lookups), sampled (the share of the traces that was looked at), untold and words.
        Where counters tell of a cache, spans that tell nothing have no top: they are only told of.

    Raises:
        LakeError: the lake cannot be read.
    """
    since, until = request.window
    asked = CacheRequest(since_unix_nano=since, until_unix_nano=until, names=request.cache_names)
    if not _WILD.intersection(request.service):
        asked = replace(asked, where=(("service_name", request.service),))
    if request.metric.statement == PROMPT_TOKENS:
        tables, names = [_of_tokens(lake, asked)], [TOKENS_TOLD]
    else:
        counted = [] if request.call else list(_of_counters(lake, asked))
        spans = _without_silent(_of_spans(lake, asked, request.call), [each for _, each in counted])
        tables = [spans, *(table for _, table in counted)]
        names = [SPANS_TOLD, *(name for name, _ in counted)]
    rows = pl.concat(
        [
            _ROWS.to_frame(),
            *(
                table.with_columns(source=pl.lit(place, pl.Int32)).select(_ROWS.names())
                for place, table in enumerate(tables)
            ),
        ]
    )
    wanted = [each for each in rows["operation"].unique() if fnmatchcase(each, request.cache)]
    rows = rows.filter(pl.col("operation").is_in(wanted))
    told = tuple(Told(Source(name), "", 1.0, "", name) for name in names)
    return MetricRows(
        rows.to_arrow(compat_level=pl.CompatLevel.oldest()), Settled(request.metric, told)
    )


def _of_spans(lake: Lake, asked: CacheRequest, call: str) -> pl.DataFrame:
    """Give the rows that spans tell."""
    found, _, share = read_lookups(lake, asked)
    if call:
        names = [each for each in found["span_name"].unique() if fnmatchcase(each, call)]
        found = found.filter(pl.col("span_name").is_in(names))
    if found.is_empty():
        return _ROWS.to_frame()
    return cells_of(found).with_columns(
        operation="cache",
        top="found",
        below="asked",
        looked="asked",
        spread=_spread("squared", "asked"),
        sampled=pl.lit(share),
        left_out=pl.lit(0, pl.Int64),
    )


def _without_silent(spans: pl.DataFrame, counted: list[pl.DataFrame]) -> pl.DataFrame:
    """Take the top of spans' rows that tell nothing of a cache of which counters tell."""
    whose = ["service_name", "operation"]
    known = [each.filter(pl.col("below") > 0).select(whose) for each in counted]
    if not known:
        return spans
    counts = pl.concat(known).unique().with_columns(is_counted=True)
    silent = (pl.col("below") <= 0) & pl.col("is_counted")
    joined = spans.join(counts, on=whose, how="left", maintain_order="left")
    return joined.with_columns(top=pl.when(silent).then(None).otherwise("top"))


def _of_counters(lake: Lake, asked: CacheRequest) -> Iterator[tuple[str, pl.DataFrame]]:
    """Give the rows that counters tell, by convention."""
    cells = read_counter_cells(lake, asked).with_columns(asked=pl.col("hits") + pl.col("misses"))
    for (source,), table in cells.sort("source", maintain_order=True).group_by(
        "source", maintain_order=True
    ):
        yield (
            str(source),
            table.with_columns(
                # Counters of a server's whole keyspace name no cache.
                operation=pl.when(pl.col("cache") == "").then("source").otherwise("cache"),
                top="hits",
                below="asked",
                looked=pl.lit(0.0),
                inferred=pl.lit(0.0),
                sampled=pl.lit(1.0),
                untold=pl.lit(0, pl.Int64),
                words=pl.lit(""),
                spread=_spread("asked", "asked"),
                left_out=pl.col("left_out").cast(pl.Int64),
            ),
        )


def _of_tokens(lake: Lake, asked: CacheRequest) -> pl.DataFrame:
    """Give the rows of prompts' tokens."""
    named = pl.concat_str("provider", "model", "operation", separator=" ").str.strip_chars()
    cells = read_token_cells(lake, asked).with_columns(pl.col("tokens").fill_null(0.0))
    return cells.with_columns(
        operation=named,
        top=pl.when(pl.col("tokens") > 0).then("cached").otherwise(0.0),
        below="tokens",
        looked=pl.lit(0.0),
        inferred=pl.lit(0.0),
        sampled=pl.lit(1.0),
        words=pl.lit(""),
        spread=_spread("tokens_squared", "tokens"),
        left_out=pl.lit(0, pl.Int64),
        untold=pl.col("untold").cast(pl.Int64),
    )


def _spread(squared: str, total: str) -> pl.Expr:
    """Give what one row's share varies by, beside that of one lookup; 1 where there is none."""
    return pl.when(pl.col(total) > 0).then(pl.col(squared) / pl.col(total) ** 2).otherwise(1.0)


def of_caches(part: Columns, names: tuple[tuple[str, ...], ...]) -> Iterator[str]:
    """Say what tells a group of caches, how much of it is inferred, and what tells nothing."""
    if "untold" not in part:
        return
    told = {name for each in names for name in each}
    if len(told) == 1:
        yield f"told by {told.pop()}"
    looked = float(part["looked"].astype(np.float64).sum())
    inferred = float(part["inferred"].astype(np.float64).sum())
    if inferred > 0:
        yield f"{inferred / looked:.0%} of the lookups inferred from what follows them"
    share = float(part["sampled"].astype(np.float64).min(initial=1.0))
    if share < 1:
        yield f"sampled: {share:.2g} of the traces were looked at, each whole"
    untold = int(part["untold"].astype(np.int64).sum())
    if not untold:
        return
    if any(TOKENS_TOLD in each for each in names):
        yield (
            f"{untold} calls do not say what was cached: send gen_ai.usage.cache_read.input_tokens"
        )
        return
    words = {word for each in part["words"] if each for word in str(each).split("\n")}
    yield Untold("", "", untold, tuple(sorted(words))).advice


def is_of_server(names: tuple[str, ...]) -> bool:
    """Tell whether a server counts its whole keyspace, so that one instance is all there is.

    >>> is_of_server(("redis.keyspace",)), is_of_server(("spans",))
    (True, False)
    """
    return bool(names) and all(name in SERVER_SOURCES for name in names)


def to_send(metric: NamedMetric) -> str:
    """Say what would tell a hit ratio; empty for any other metric."""
    if not metric.is_hit_ratio:
        return ""
    if metric.statement == PROMPT_TOKENS:
        return "send gen_ai.usage.input_tokens and gen_ai.usage.cache_read.input_tokens"
    return "send spans with cache.hit, or counters such as redis.keyspace.hits or cache.gets"
