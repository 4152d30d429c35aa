"""The keys of a budget as data: what each means, takes, and which budgets it is for.

The reader checks a file by this table, and the JSON Schema is made of it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.jobs.named_metrics import DIRECTIONS, GENERIC, NAMED_METRICS, named_metric

# What is measured of every operation without any data points; with its unit.
LATENCY_METRICS: Mapping[str, str] = MappingProxyType(
    {
        "p50_ms": "ms",
        "p90_ms": "ms",
        "p95_ms": "ms",
        "p99_ms": "ms",
        "error_percent": "%",
        "requests_per_second": "1/s",
    }
)
QUANTILE_OF_METRIC = {"p50_ms": 0.5, "p90_ms": 0.9, "p95_ms": 0.95, "p99_ms": 0.99}

# The kinds of budgets.
ABSOLUTE, RELATIVE, SLO, SQL = "absolute", "relative", "slo", "sql"
BUDGET_KINDS: Mapping[str, str] = MappingProxyType(
    {
        ABSOLUTE: "a metric between limits",
        RELATIVE: "a metric beside that of a baseline",
        SLO: "an error budget",
        SQL: "the number that a statement gives",
    }
)

TEXT, NUMBER, FLAG = "string", "number", "boolean"


@dataclass(frozen=True)
class Key:
    """One key of a budget.

    Attributes:
        name: as it is written.
        type: TEXT, NUMBER or FLAG.
        meaning: what it says, in one sentence.
        kinds: which budgets it is for.
        least: a number may not be below it.
        choices: the texts that it may be; empty for any.
        pattern: a regular expression that a text matches as a whole; empty for any.
        example: of it.
    """

    name: str
    type: str
    meaning: str
    kinds: tuple[str, ...] = tuple(BUDGET_KINDS)
    least: float = -math.inf
    choices: tuple[str, ...] = ()
    pattern: str = ""
    example: str | float | bool = ""


_METRIC = (ABSOLUTE, RELATIVE)
_REQUESTS = (ABSOLUTE, RELATIVE, SLO)
_LIMITED = (ABSOLUTE, SQL)
_SELECTOR = "pairs KEY=VALUE, joined by commas, of service.name, service.version, …"

KEYS: tuple[Key, ...] = (
    Key("name", TEXT, "What people call it.", example="checkout stays fast"),
    Key("service", TEXT, "Services it is for: * and ? stand for any.", _REQUESTS, example="check*"),
    Key("operation", TEXT, "Operations it is for: * and ?.", _REQUESTS, example="POST /checkout"),
    Key("where", TEXT, f"What counts: {_SELECTOR}.", _REQUESTS, example="service.version=1.4.2"),
    Key("metric", TEXT, "What is measured.", _METRIC, example="p95_ms"),
    Key("max", NUMBER, "The value must not be above it.", _LIMITED, example=600),
    Key("min", NUMBER, "The value must not be below it.", _LIMITED, example=0.9),
    Key("warn_max", NUMBER, "Above it, within max, there is a warning.", _LIMITED, example=500),
    Key("baseline", TEXT, f"What it is compared with: saved:NAME, or {_SELECTOR}.", (RELATIVE,)),
    Key("max_increase_percent", NUMBER, "It may grow by so much of the baseline.", (RELATIVE,), 0),
    Key("max_increase", NUMBER, "And by so much in its unit; both count.", (RELATIVE,), 0),
    Key("tolerance_percent", NUMBER, "It may get worse by so much, in %.", (RELATIVE,), 0),
    Key("tolerance", NUMBER, "And by so much in its unit; both count.", (RELATIVE,), 0),
    Key("direction", TEXT, "Which way is worse.", (RELATIVE,), choices=DIRECTIONS),
    Key("attributes", TEXT, "Attributes of the data points: KEY=VALUE, ….", _METRIC),
    Key("call", TEXT, "Names of the calls that count: * and ?.", _METRIC, example="SELECT *"),
    Key("cache", TEXT, "Names of the caches that count: * and ?.", _METRIC, example="redis"),
    Key("cpu_price", NUMBER, "What a core costs for an hour.", _METRIC, 0, example=0.04),
    Key("function", TEXT, "Functions of the profile that count: * and ?.", _METRIC),
    Key("cumulative", FLAG, "Whether what a function calls is its own.", _METRIC, example=True),
    Key("profile_type", TEXT, "Which profiles: cpu, wall, alloc, ….", _METRIC, example="cpu"),
    Key("sample_type", TEXT, "Which of a profile's values.", _METRIC, example="alloc_space"),
    Key(
        *("slo", TEXT, "Share of the events that must be good, in per cent.", (SLO,)),
        pattern=r"[0-9]+(\.[0-9]+)?%?",
        example="99.9",
    ),
    Key(
        *("window", TEXT, "Over how long: 12h, 7d, 4w; else the window of the check.", (SLO,)),
        pattern=r"[1-9][0-9]{0,5}[mhdw]",
        example="30d",
    ),
    Key("threshold_ms", NUMBER, "An event is good up to it; else unless it failed.", (SLO,), 0),
    Key("max_burn_rate", NUMBER, "The budget must not burn faster than it.", (SLO,), 0),
    Key("min_budget_left_percent", NUMBER, "So much must be left; 0 where not given.", (SLO,)),
    Key("exact", FLAG, "Count spans, not buckets; judge series that never vary.", _REQUESTS),
    Key("sql", TEXT, "A statement that gives one number.", (SQL,), example="SELECT count(*) …"),
    Key("must_have_data", FLAG, "Whether no data is a failure.", example=True),
    Key("critical", FLAG, "Whether breaking it fails the whole; true where not given."),
    Key("weight", NUMBER, "What it counts for in the score; 1 where not given.", least=0),
)
KEY_OF_NAME: Mapping[str, Key] = MappingProxyType({key.name: key for key in KEYS})

TOLERANCES = ("max_increase_percent", "max_increase", "tolerance_percent", "tolerance")
# What makes a budget one of a kind, the first that is given; without any it is ABSOLUTE.
KIND_OF_KEY: Mapping[str, str] = MappingProxyType(
    {"sql": SQL, "slo": SLO, "baseline": RELATIVE} | dict.fromkeys(TOLERANCES, RELATIVE)
)
# Of these a budget needs one.
NEEDS_ONE_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {ABSOLUTE: ("max", "min"), RELATIVE: TOLERANCES, SLO: ("slo",), SQL: ("max", "min")}
)


def metric_names() -> tuple[str, ...]:
    """Give the names of all metrics, those of any OTLP metric as ``metric:NAME``."""
    named = tuple(each.name for each in NAMED_METRICS)
    return (*LATENCY_METRICS, *named, f"{GENERIC}NAME")


def unit_of(metric: str) -> str:
    """Give the unit of a metric; empty where only its data points tell.

    >>> unit_of("p95_ms"), unit_of("memory_bytes"), unit_of("metric:queue.depth")
    ('ms', 'By', '')
    """
    if metric in LATENCY_METRICS:
        return LATENCY_METRICS[metric]
    named = named_metric(metric)
    return named.unit if named else ""
