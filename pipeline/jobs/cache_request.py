"""What is asked of caches: whose, how keys are classed, the objective, sizes and times."""

import re
from dataclasses import dataclass, field

from pipeline.errors import UsageError
from pipeline.jobs.cache_conventions import COLUMNS
from pipeline.jobs.cache_names import CacheNames, pattern_problem
from pipeline.jobs.judge_request import Pairs


@dataclass(frozen=True)
class CacheRequest:
    """The question.

    Attributes:
        where: column and value pairs; a column of COLUMNS or a resource attribute with a dot.
        since_unix_nano, until_unix_nano: the window; None for open.
        names: of attributes, beside those of conventions; and how keys are classed.
        objective_quantile, objective_s: the latency that requests must hold; 0 seconds for none.
        ttl_s: how long entries are kept; 0 for what spans say (cache.ttl, in seconds).
        writes_per_key_s: writes of one key a second; negative for what is seen.
        size: of the cache; 0 for unknown.
        size_in_bytes: whether that is bytes, and not entries.
        per_instance: whether each instance has a cache of its own, in its process.

    Raises:
        UsageError: one of these that is none.
    """

    where: Pairs = ()
    since_unix_nano: int | None = None
    until_unix_nano: int | None = None
    names: CacheNames = field(default_factory=CacheNames)
    objective_quantile: float = 0.95
    objective_s: float = 0.0
    ttl_s: float = 0.0
    writes_per_key_s: float = -1.0
    size: float = 0.0
    size_in_bytes: bool = False
    per_instance: bool = False

    def __post_init__(self) -> None:
        for column, _ in self.where:
            if column not in COLUMNS and "." not in column:
                known = ", ".join(COLUMNS)
                raise UsageError(
                    f"cache: {column} cannot choose; known: {known}, or a resource attribute"
                )
        if why := pattern_problem(self.names.key_class):
            raise UsageError(f"--key-class {why}")
        for name, value in (("--ttl", self.ttl_s), ("--size", self.size)):
            if value < 0:
                raise UsageError(f"{name} {value:g}: below 0; write a number above")


_SIZE = re.compile(r"(?P<value>\d+(?:\.\d+)?)(?P<unit>[A-Za-z]*)", re.ASCII)
_BYTES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9}
_BYTES |= {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}


def parse_size(text: str) -> tuple[float, bool]:
    """Read the size of a cache, and whether it is bytes.

    Raises:
        UsageError: it is none.

    >>> parse_size("500"), parse_size("64MiB")
    ((500.0, False), (67108864.0, True))
    """
    found = _SIZE.fullmatch(text.strip())
    if not found or found["unit"] not in ("", *_BYTES) or not float(found["value"]) > 0:
        raise UsageError(f"--size {text!r}: write entries or bytes, such as 500 or 64MiB")
    return float(found["value"]) * _BYTES.get(found["unit"], 1.0), bool(found["unit"])
