"""Reading lookups of caches: one table a cache of a version of a service, as arrays."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.jobs.cache_conventions import CONVENTIONS, SETTING, WRITING, chosen
from pipeline.jobs.cache_keys import classed, folded
from pipeline.jobs.cache_request import CacheRequest
from pipeline.jobs.job import ask, asking
from pipeline.lake import Lake, take_snapshot
from pipeline.lake.catalog import define_table
from pipeline.schema import SPANS
from pipeline.stats.bootstrap import Floats
from pipeline.stats.miss_penalty import DROPPED_MOST, Lookups, kept_strata, numbered

Ints = NDArray[np.int64]

# A request whose lookup is in the window began no earlier than this before it.
_REACH_NANO = 3600 * 10**9
LAST_NANO = 2**63 - 1 - 2 * _REACH_NANO
MINUTE_NANO = 60 * 10**9
# Of strata: misses come in bursts, so only those of a while are alike: of a minute where it has
# enough, else of five. What has too few in any window stands together: left out, the coldest keys
# and the worst minutes would not count.
_WIDTHS_NANO = (MINUTE_NANO, 5 * MINUTE_NANO)
_DECILES = 10
# Names that statements bind, beside those that all of them do.
_OF_LOOKUPS = (
    *("hit_values", "miss_values", "class_attribute", "version_attribute"),
    *("ttl_attribute", "ttl_unit_s"),
)
_OF_WRITES = (
    *("hit_attribute", "key_attribute", "version_attribute"),
    *("operation_attribute", "write_attribute"),
)
# Of words that are not known, so many are shown.
_WORDS_MOST = 5
# More lookups than this are sampled by trace: what is told of them is arithmetic over arrays.
LOOKUPS_MOST = 4_000_000


@dataclass(frozen=True)
class CacheRows:
    """Lookups of one cache by one version of a service.

    Attributes:
        service_name, service_version, cache: which.
        frame: a row a lookup, by time; keys are a list, and hit is whether all of them were there.
        writes: of the service: key, ended, item_version, is_removal, weight; by key and time.
        share: of the traces that were looked at; weights are of all.
    """

    service_name: str
    service_version: str
    cache: str
    frame: pl.DataFrame
    writes: pl.DataFrame
    share: float

    @property
    def name(self) -> str:
        """Name it for people."""
        whose = f"{self.service_name} {self.service_version}".strip()
        return f"{whose}: {self.cache}"

    def floats(self, column: str) -> Floats:
        """Give a column as numbers; NaN for unknown."""
        return self.frame[column].cast(pl.Float64).fill_null(np.nan).to_numpy()

    def codes(self, column: str) -> Ints:
        """Give a column as numbers from 0, one a distinct value."""
        values = self.frame[column].fill_null("")
        return values.rank("dense").cast(pl.Int64).to_numpy() - 1

    @property
    def has_keys(self) -> bool:
        """Tell whether most lookups say their key."""
        return bool(self.frame["key"].null_count() * 2 < self.frame.height)

    @property
    def seen(self) -> float:
        """Give the share of the lookups that were seen: traces are sampled, by senders or here."""
        return self.frame.height / float(self.frame["weight"].sum())

    @property
    def asked(self) -> Floats:
        """Give how many keys each lookup asked for, weighted."""
        return self.floats("weight") * self.floats("asked")

    @property
    def found(self) -> Floats:
        """Give how many of them were there, weighted."""
        return self.floats("weight") * self.floats("found")

    def references(self) -> pl.DataFrame:
        """Give a row a key that was asked for; hit is null where only some of a lookup's were."""
        each = self.frame.filter(pl.col("keys").is_not_null()).with_columns(
            hit=pl.when(pl.col("found") >= pl.col("asked"))
            .then(True)
            .when(pl.col("found") == 0)
            .then(False)
        )
        return each.drop("key").explode("keys").rename({"keys": "key"})

    def lookups(self) -> Lookups:
        """Give lookups as the statistics take them, in ns: by operation, class, size and time."""
        size = self.frame.select(told_size().fill_null(np.nan)).to_series().to_numpy()
        known = np.isfinite(size)
        hit = self.frame["hit"].to_numpy()
        decile = np.zeros(len(size), dtype=np.int64)
        if known.any():
            # Of the misses, which are to have their like: cold keys are large, and few hit.
            missed = size[known & ~hit]
            cut = missed if len(missed) else size[known]
            edges = np.quantile(cut, np.arange(1, _DECILES) / _DECILES)
            decile[known] = 1 + np.searchsorted(np.unique(edges), size[known], side="left")
        found = self._alike(hit, decile)
        lone = ~kept_strata(found.stratum, hit)[found.stratum[~hit]]
        # Of keys that were never hit no size is known: where those are too many, sizes count not.
        if known.any() and not known[~hit].all() and lone.mean() > DROPPED_MOST:
            return self._alike(hit, np.zeros(len(size), dtype=np.int64))
        return found

    def _alike(self, hit: NDArray[np.bool_], decile: Ints) -> Lookups:
        """Give lookups in strata, by deciles of size."""
        asked = self.frame["asked"].to_numpy()
        alike = numbered(
            [self.codes("operation"), self.codes("key_class"), decile, asked.astype(np.int64)]
        )
        began = self.frame["start_time_unix_nano"].to_numpy()
        level = np.full(len(hit), len(_WIDTHS_NANO), dtype=np.int64)
        window = np.full(len(hit), -1, dtype=np.int64)
        for narrow, width in enumerate(_WIDTHS_NANO):
            # What has enough of either in a narrow window is done; the rest goes on to a wider one.
            left = level == len(_WIDTHS_NANO)
            finer = numbered([alike, began // width, left.astype(np.int64)])
            enough = left & kept_strata(finer, hit)[finer]
            level[enough], window[enough] = narrow, (began // width)[enough]
        return Lookups(
            hit,
            self.floats("block_nano"),
            self.floats("weight"),
            numbered([alike, level, window]),
            self.codes("trace_id"),
            self._minutes_of_traces(),
        )

    def _minutes_of_traces(self) -> Ints:
        """Give the minute in which each lookup's trace first looked, numbers from 0."""
        first = self.frame.select(
            (pl.col("start_time_unix_nano").min().over("trace_id") // MINUTE_NANO)
            .rank("dense")
            .cast(pl.Int64)
            - 1
        )
        return first.to_series().to_numpy()


def told_size() -> pl.Expr:
    """Give the bytes of each lookup's item, else the median of its key's; null for unknown.

    A miss has found nothing, and tells no size or 0.
    """
    size = pl.col("item_bytes").cast(pl.Float64)
    told = pl.when((size > 0) | (pl.col("hit") & (size == 0))).then(size)
    of_key = pl.when(pl.col("key").is_not_null()).then(told.median().over("key"))
    return pl.coalesce(told, of_key)


@dataclass(frozen=True)
class Untold:
    """Reads of a cache that do not say whether they hit, and could not be inferred.

    Attributes:
        service_name, cache: which.
        reads: how many.
        words: what they say in words that are not known; empty where they say nothing.
    """

    service_name: str
    cache: str
    reads: int
    words: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """Say how many there are, and what would tell of them."""
        if not self.words:
            how = "send cache.hit or db.response.returned_rows"
            return f"{self.reads} reads do not tell whether they hit: {how}"
        words = ", ".join(self.words[:_WORDS_MOST])
        how = "name them in hit_values or miss_values of [cache] in tailgate.toml"
        return (
            f"{self.reads} reads say whether they hit in words that are not known, {words}: {how}"
        )


def read_cache_rows(lake: Lake, request: CacheRequest) -> tuple[list[CacheRows], list[Untold]]:
    """Read the lookups that are asked for.

    Args:
        lake: the lake.
        request: the question.

    Returns:
        By service, cache and version, empty where no lookup matches; and what tells nothing.

    Raises:
        LakeError: the lake cannot be read.
    """
    found, writes, share = read_lookups(lake, request)
    # What was looked at stands for all, as what senders sampled does.
    told = found.filter(pl.col("hit").is_not_null()).with_columns(pl.col("weight") / share)
    return list(_caches(classed(told, request.names.key_class), writes, share)), _untold(found)


def read_lookups(lake: Lake, request: CacheRequest) -> tuple[pl.DataFrame, pl.DataFrame, float]:
    """Read the lookups that are asked for, as the statement gives them.

    Returns:
        Lookups, hit null for those that tell nothing; writes of keys; and the share of the traces
        that was looked at.

    Raises:
        LakeError: the lake cannot be read.
    """
    since = request.since_unix_nano or 0
    until = LAST_NANO if request.until_unix_nano is None else request.until_unix_nano
    files = take_snapshot(lake, SPANS).between(since - _REACH_NANO, until + _REACH_NANO)
    # A lookup is a span, so there are no more of them than spans.
    share = min(1.0, LOOKUPS_MOST / max(sum(file.rows for file in files), 1))
    window: dict[str, object] = {"since_unix_nano": since, "until_unix_nano": until}
    names = request.names.chosen
    looked = {"sample_share": share} | names("key_attribute", "hit_attribute", "cache_attribute")
    systems: dict[str, object] = {"cache_systems": CONVENTIONS["cache_systems"]}
    commands: dict[str, object] = {"setting": list(SETTING), "writing": list(WRITING)}
    with asking() as connection:
        define_table(connection, SPANS, [file.path for file in files])
        inferring = window | looked | systems | commands
        connection.register("inferred_lookups", ask(connection, "cache_inferred", inferring))
        asked = window | looked | names(*_OF_LOOKUPS) | CONVENTIONS | chosen(request.where)
        reach = {"reach_nano": _REACH_NANO}
        found = pl.DataFrame(ask(connection, "cache_lookups", asked | reach))
        writes = pl.DataFrame(ask(connection, "cache_writes", window | names(*_OF_WRITES)))
    return found, writes, share


def _untold(found: pl.DataFrame) -> list[Untold]:
    """Count the reads that tell nothing, by service and cache."""
    counted = (
        found.filter(pl.col("hit").is_null())
        .group_by("service_name", "cache", is_said=pl.col("said").is_not_null())
        .agg(pl.len(), words=pl.col("said").drop_nulls().unique().sort())
        .sort("service_name", "cache", "is_said")
        .drop("is_said")
    )
    return [
        Untold(service, cache, reads, tuple(words))
        for service, cache, reads, words in counted.iter_rows()
    ]


def _caches(found: pl.DataFrame, writes: pl.DataFrame, share: float) -> Iterator[CacheRows]:
    """Cut the lookups by cache and version."""
    by = ["service_name", "cache", "service_version"]
    for (service, cache, version), frame in found.group_by(by, maintain_order=True):
        keys = frame["keys"].drop_nulls().explode().unique()
        own = writes.filter(pl.col("key").is_in(keys.implode()))
        yield CacheRows(str(service), str(version), str(cache), folded(frame), own, share)
