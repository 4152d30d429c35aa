"""Reading lookups of caches: one table a cache of a version of a service, as arrays."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.jobs.cache_request import CacheRequest
from pipeline.jobs.job import ask, asking
from pipeline.lake import Lake, take_snapshot
from pipeline.lake.catalog import define_table
from pipeline.schema import SPANS
from pipeline.stats.bootstrap import Floats
from pipeline.stats.miss_penalty import Lookups

Ints = NDArray[np.int64]

# A request whose lookup is in the window began no earlier than this before it.
_REACH_NANO = 3600 * 10**9
_LAST_NANO = 2**63 - 1 - 2 * _REACH_NANO
MINUTE_NANO = 60 * 10**9
# Of strata: misses come in bursts, so only those of a while are alike.
_WINDOW_NANO = 5 * MINUTE_NANO
_DECILES = 10
# More lookups than this are sampled by trace: what is told of them is arithmetic over arrays.
LOOKUPS_MOST = 4_000_000


@dataclass(frozen=True)
class CacheRows:
    """Lookups of one cache by one version of a service.

    Attributes:
        service_name, service_version, cache: which.
        frame: a row a lookup, by time.
        writes: of the service: key, ended, item_version, weight; by key and time.
        share: of the traces that were looked at.
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

    def lookups(self) -> Lookups:
        """Give lookups as the statistics take them, in ns: by operation, class, size and time."""
        size = self.floats("item_bytes")
        decile = np.zeros(len(size), dtype=np.int64)
        known = np.isfinite(size)
        if known.any():
            edges = np.quantile(size[known], np.arange(1, _DECILES) / _DECILES)
            decile[known] = 1 + np.searchsorted(np.unique(edges), size[known], side="left")
        window = self.frame["start_time_unix_nano"].to_numpy() // _WINDOW_NANO
        parts = np.stack([self.codes("operation"), self.codes("key_class"), decile, window])
        stratum = np.unique(parts, axis=1, return_inverse=True)[1].reshape(-1)
        return Lookups(
            self.frame["hit"].to_numpy(),
            self.floats("block_nano"),
            self.floats("weight"),
            stratum.astype(np.int64),
            self.codes("trace_id"),
        )


def read_cache_rows(lake: Lake, request: CacheRequest) -> list[CacheRows]:
    """Read the lookups that are asked for.

    Args:
        lake: the lake.
        request: the question.

    Returns:
        By service, cache and version; empty where no lookup matches.

    Raises:
        LakeError: the lake cannot be read.
    """
    since = request.since_unix_nano or 0
    until = _LAST_NANO if request.until_unix_nano is None else request.until_unix_nano
    files = take_snapshot(lake, SPANS).between(since - _REACH_NANO, until + _REACH_NANO)
    # A lookup is a span, so there are no more of them than spans.
    share = min(1.0, LOOKUPS_MOST / max(sum(file.rows for file in files), 1))
    pairs = dict(request.where)
    window: dict[str, object] = {"since_unix_nano": since, "until_unix_nano": until}
    names = {
        "key_attribute": request.key_attribute,
        "version_attribute": request.version_attribute,
    }
    asked: dict[str, object] = {
        "sample_share": share,
        "reach_nano": _REACH_NANO,
        "hit_attribute": request.hit_attribute,
    }
    for column in ("service_name", "service_version", "deployment_environment"):
        asked[f"has_{column}"] = column in pairs
        asked[column] = pairs.get(column, "")
    with asking() as connection:
        define_table(connection, SPANS, [file.path for file in files])
        found = pl.DataFrame(ask(connection, "cache_lookups", window | names | asked))
        marked: dict[str, object] = {"write_attribute": request.write_attribute}
        writes = pl.DataFrame(ask(connection, "cache_writes", window | names | marked))
    return list(_caches(_classed(found, request.key_class), writes, share))


def _classed(found: pl.DataFrame, pattern: str) -> pl.DataFrame:
    """Add each key's class; distinct keys are matched once."""
    matched = re.compile(pattern)
    keys = found["key"].unique().drop_nulls().sort()
    classes = [(hit.group(0) if (hit := matched.search(key)) else "") for key in keys.to_list()]
    table = pl.DataFrame({"key": keys, "key_class": pl.Series(classes, dtype=pl.String)})
    joined = found.join(table, on="key", how="left", maintain_order="left")
    return joined.with_columns(pl.col("key_class").fill_null(""))


def _caches(found: pl.DataFrame, writes: pl.DataFrame, share: float) -> Iterator[CacheRows]:
    """Cut the lookups by cache and version."""
    by = ["service_name", "cache", "service_version"]
    for (service, cache, version), frame in found.group_by(by, maintain_order=True):
        own = writes.filter(pl.col("key").is_in(frame["key"].unique().drop_nulls().implode()))
        yield CacheRows(str(service), str(version), str(cache), frame, own, share)
