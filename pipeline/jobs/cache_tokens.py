"""How much of the prompts sent to a language model came from its provider's cache, in tokens.

Source: OpenTelemetry semantic conventions for generative AI, gen_ai.usage.cache_read.input_tokens
and gen_ai.usage.cache_creation.input_tokens; the older names of instrumentations beside them.
"""

from dataclasses import dataclass

import polars as pl

from pipeline.jobs.cache_conventions import chosen
from pipeline.jobs.cache_request import CacheRequest
from pipeline.jobs.cache_rows import LAST_NANO
from pipeline.jobs.job import ask, asking
from pipeline.lake import Lake, take_snapshot
from pipeline.lake.catalog import define_table
from pipeline.schema import SPANS
from pipeline.stats.bootstrap import Interval
from pipeline.stats.hit_ratio import hit_ratio, side_of


@dataclass(frozen=True)
class TokenRatio:
    """What is known of a model's calls by a version of a service.

    Attributes:
        service_name, service_version, provider, model, operation: which.
        calls: how many, as rows.
        untold: of them, those that do not say what was cached: not in the ratio.
        tokens: of prompts, weighted.
        written: tokens that were put in the cache.
        hit_ratio: tokens read from the cache over tokens of prompts, with a 90 % interval over
            instances and minutes; NaN without any.
        is_beside: whether the sender does not count cached tokens among those of the prompt.
    """

    service_name: str
    service_version: str
    provider: str
    model: str
    operation: str
    calls: int
    untold: int
    tokens: float
    written: float
    hit_ratio: Interval
    is_beside: bool


def read_tokens(lake: Lake, request: CacheRequest) -> tuple[TokenRatio, ...]:
    """Read token hit ratios, by service, provider, model, operation and version.

    Args:
        lake: the lake.
        request: the question.

    Returns:
        Those with any call that says what was cached.

    Raises:
        LakeError: the lake cannot be read.
    """
    frame = read_token_cells(lake, request)
    by = ["service_name", "provider", "model", "operation", "service_version"]
    return tuple(
        _ratio([str(each) for each in names], cells)
        for names, cells in frame.group_by(by, maintain_order=True)
        if int(cells["untold"].sum()) < int(cells["calls"].sum())
    )


def read_token_cells(lake: Lake, request: CacheRequest) -> pl.DataFrame:
    """Read the cells: a row a service, provider, model, operation, version, instance and minute."""
    since = request.since_unix_nano or 0
    until = LAST_NANO if request.until_unix_nano is None else request.until_unix_nano
    files = take_snapshot(lake, SPANS).between(since, until)
    window: dict[str, object] = {"since_unix_nano": since, "until_unix_nano": until}
    with asking() as connection:
        define_table(connection, SPANS, [file.path for file in files])
        return pl.DataFrame(ask(connection, "cache_tokens", window | chosen(request.where)))


def _ratio(names: list[str], cells: pl.DataFrame) -> TokenRatio:
    service, provider, model, operation, version = names
    told = cells.filter(pl.col("tokens").is_not_null() & (pl.col("tokens") > 0))
    found = Interval(float("nan"), float("nan"), float("nan"))
    if told.height:
        instance = (told["service_instance_id"].rank("dense").cast(pl.Int64) - 1).to_numpy()
        # Tokens of a call are no chances of their own: calls are, as large as they are.
        side = side_of(
            instance,
            told["minute"].to_numpy(),
            told["tokens"].to_numpy(),
            told["tokens_squared"].to_numpy(),
        )
        found = hit_ratio(side, told["cached"].to_numpy())
    return TokenRatio(
        service,
        version,
        provider,
        model,
        operation,
        int(cells["calls"].sum()),
        int(cells["untold"].sum()),
        float(told["tokens"].sum()),
        float(told["written"].sum()),
        found,
        bool(cells["is_beside"].any()),
    )
