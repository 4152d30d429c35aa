"""Budget: a limit of tailgate.toml, read and checked, with the line that an error is on.

[[budget]]
name = "checkout stays fast"
service = "checkout"            # patterns: * and ?
operation = "POST /checkout"
where = "service.version=1.4.2"
metric = "p95_ms"
max = 600

[[budget]]
name = "no slower than the release before"
metric = "p95_ms"
baseline = "service.version=1.4.1"
where = "service.version=1.4.2"
max_increase_percent = 10
max_increase = 50               # in the metric's unit; both must be exceeded

[[budget]]
name = "queries for each cart"
sql = "SELECT count(*) FILTER (db_system IS NOT NULL) / count(DISTINCT trace_id) FROM spans"
max = 4
"""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pipeline.errors import BadSetting, UsageError
from pipeline.jobs.judge_request import Pairs, parse_selector

# What can be budgeted, with its unit.
METRICS: Mapping[str, str] = MappingProxyType(
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

_TEXTS = ("name", "service", "operation", "where", "metric", "baseline", "sql")
_NUMBERS = ("max", "min", "max_increase_percent", "max_increase")
_FLAGS = ("critical",)
_KEYS = (*_TEXTS, *_NUMBERS, *_FLAGS)


@dataclass(frozen=True)
class Budget:
    """One limit.

    Attributes:
        name: for people.
        service, operation: patterns of what it is for.
        where: column and value pairs of the requests that count.
        metric: one of METRICS; empty for a budget on SQL.
        most, least: the value lies between; infinite for no limit.
        baseline: what a relative budget compares with; empty for an absolute one.
        increase_ratio, increase: how much more than the baseline there may be; both must be
            exceeded.
        sql: a statement that gives one number; empty for a budget on a metric.
        critical: whether breaking it fails the whole.
    """

    name: str
    service: str = "*"
    operation: str = "*"
    where: Pairs = ()
    metric: str = ""
    most: float = math.inf
    least: float = -math.inf
    baseline: Pairs = ()
    increase_ratio: float = 0.0
    increase: float = 0.0
    sql: str = ""
    critical: bool = True

    def concerns(self, service: str, operation: str) -> bool:
        """Tell whether it is for an operation."""
        return fnmatchcase(service, self.service) and fnmatchcase(operation, self.operation)


def read_budgets(path: Path) -> tuple[Budget, ...]:
    """Read the budgets of a settings file.

    Raises:
        BadSetting: it cannot be read, has no budget, or one is wrong; named with its line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise BadSetting(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"{path}: {error}") from error
    given = document.get("budget", [])
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise BadSetting(f"{path}: budget: write each as [[budget]]")
    if not given:
        raise BadSetting(f"{path}: no budget in it; write one as [[budget]]")
    return tuple(_budget(each, path, text, number) for number, each in enumerate(given))


def _budget(given: dict[str, Any], path: Path, text: str, number: int) -> Budget:
    """Check one budget."""

    def wrong(key: str, why: str) -> BadSetting:
        line = _line(text, number, key)
        return BadSetting(f"{path}:{line}: budget {number + 1}: {key}: {why}")

    for key, value in given.items():
        if key not in _KEYS:
            raise wrong(key, f"not known; known: {', '.join(_KEYS)}")
        wanted: Any = str if key in _TEXTS else bool if key in _FLAGS else (int, float)
        if not isinstance(value, wanted) or (key in _NUMBERS and isinstance(value, bool)):
            raise wrong(key, f"{value!r} is not {'text' if key in _TEXTS else 'a number'}")
        if key in _NUMBERS and not math.isfinite(value):
            raise wrong(key, "not finite")
    metric, sql = given.get("metric", ""), given.get("sql", "")
    if bool(metric) == bool(sql):
        raise wrong("metric", "give either a metric or sql")
    if metric and metric not in METRICS:
        raise wrong("metric", f"{metric} is not known; known: {', '.join(METRICS)}")
    relative = "baseline" in given
    limits = ("max_increase_percent", "max_increase") if relative else ("max", "min")
    if not any(key in given for key in limits):
        raise wrong("max", f"no limit; give {' or '.join(limits)}")
    if relative and metric == "requests_per_second":
        raise wrong("metric", "requests_per_second depends on the traffic; give max or min")
    if relative and not given.get("where"):
        raise wrong("where", "which requests to compare with the baseline; give where")
    try:
        where, baseline = (
            parse_selector(given[key]) if given.get(key) else () for key in ("where", "baseline")
        )
    except UsageError as error:
        raise wrong("where", str(error)) from error
    return Budget(
        name=given.get("name") or f"budget {number + 1}",
        service=given.get("service", "*"),
        operation=given.get("operation", "*"),
        where=where,
        metric=metric,
        most=float(given.get("max", math.inf)),
        least=float(given.get("min", -math.inf)),
        baseline=baseline,
        increase_ratio=float(given.get("max_increase_percent", 0.0)) / 100,
        increase=float(given.get("max_increase", 0.0)),
        sql=sql,
        critical=given.get("critical", True),
    )


def _line(text: str, number: int, key: str) -> int:
    """Find the line of a key of a budget, else that of the budget; TOML's reader keeps none."""
    lines = text.splitlines()
    heads = [
        place for place, line in enumerate(lines) if re.match(r"\s*\[\[\s*budget\s*\]\]", line)
    ]
    if number >= len(heads):
        return 1
    start = heads[number]
    end = heads[number + 1] if number + 1 < len(heads) else len(lines)
    for place in range(start, end):
        if re.match(rf"\s*\"?{re.escape(key)}\"?\s*=", lines[place]):
            return place + 1
    return start + 1
