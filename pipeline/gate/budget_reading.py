"""Reading budgets: every error of a file is told at once, each with its line and its way out."""

import difflib
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.errors import BadSetting, UsageError
from pipeline.gate.budget_keys import (
    ABSOLUTE,
    BUDGET_KINDS,
    FLAG,
    KEY_OF_NAME,
    KIND_OF_KEY,
    LATENCY_METRICS,
    NEEDS_ONE_OF,
    NUMBER,
    RELATIVE,
    SLO,
    SQL,
    TEXT,
    TOLERANCES,
    metric_names,
)
from pipeline.gate.budget_rules import broken_rules
from pipeline.gate.budgets import Budget
from pipeline.jobs.cache_names import names_of
from pipeline.jobs.judge_request import Pairs, parse_baseline, parse_selector
from pipeline.jobs.metric_cells import attributes_of
from pipeline.jobs.named_metrics import INCREASE, named_metric
from pipeline.stats.slo import parse_target

_PER_CENT = 100.0
# How alike a key must be to one that is known to be taken for it, from 0 to 1.
_ALIKE = 0.5
_UNIT_NANO = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SECOND_NANO = 1_000_000_000
_WORD_OF_TYPE = {TEXT: "text", NUMBER: "a number", FLAG: "true or false"}

# Keys that a budget has under the same name and as they are written.
_AS_GIVEN = (
    *("metric", "service", "operation", "call", "cache", "function", "sql", "cumulative"),
    *("profile_type", "sample_type", "exact", "must_have_data", "critical", "cpu_price"),
)

# A key and what is wrong with it.
Problem = tuple[str, str]


@dataclass(frozen=True)
class _Source:
    """A file of budgets."""

    path: Path
    text: str

    def told(self, number: int, name: str, problem: Problem) -> str:
        """Tell a problem of a budget."""
        key, why = problem
        called = f" ({name})" if name else ""
        line = _line(self.text, number, key)
        return f"{self.path}:{line}: budget {number + 1}{called}: {key}: {why}"


def read_budgets(path: Path) -> tuple[Budget, ...]:
    """Read the budgets of a settings file.

    Raises:
        BadSetting: it cannot be read, has no budget, or some are wrong: a line for each error.
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
    source = _Source(path, text)
    wrong = [
        source.told(number, name if isinstance(name := each.get("name", ""), str) else "", problem)
        for number, each in enumerate(given)
        for problem in problems(each)
    ]
    if wrong:
        raise BadSetting("\n".join(wrong))
    names = names_of(document, path, text)
    return tuple(
        replace(_budget(each, number), cache_names=names) for number, each in enumerate(given)
    )


def problems(given: Mapping[str, Any]) -> list[Problem]:
    """Give what is wrong with a budget; what its keys' types forbid comes alone."""
    found = [problem for key, value in given.items() for problem in _of_key(key, value)]
    return found or list(_of_kind(given, kind_of(given)))


def kind_of(given: Mapping[str, Any]) -> str:
    """Tell which kind of budget keys make."""
    return next((kind for key, kind in KIND_OF_KEY.items() if key in given), ABSOLUTE)


def _of_key(name: str, value: Any) -> Iterator[Problem]:
    """Check one key by itself."""
    key = KEY_OF_NAME.get(name)
    if key is None:
        near = difflib.get_close_matches(name, KEY_OF_NAME, 1, _ALIKE)
        meant = f"did you mean {near[0]}? " if near else ""
        yield name, f"not known; {meant}known: {', '.join(KEY_OF_NAME)}"
        return
    wanted: Any = {TEXT: str, FLAG: bool, NUMBER: (int, float)}[key.type]
    if not isinstance(value, wanted) or (key.type == NUMBER and isinstance(value, bool)):
        quoted = f'; write it in quotes: "{value}"' if key.type == TEXT else ""
        yield name, f"{value!r} is not {_WORD_OF_TYPE[key.type]}{quoted}"
    elif key.type == NUMBER and not math.isfinite(value):
        yield name, "not finite; leave it out for no limit"
    elif key.type == NUMBER and value < key.least:
        yield name, f"{value} is below {key.least:g}; give {key.least:g} or more"
    elif key.type == TEXT and not value:
        yield name, "empty; leave it out, or give some text"
    elif key.choices and value not in key.choices:
        yield name, f"{value!r} is not known; known: {', '.join(key.choices)}"
    elif key.pattern and not re.fullmatch(key.pattern, value):
        yield name, f"{value!r} cannot be read; write it as in {key.name} = {key.example!r}"
    elif name == "metric" and value not in LATENCY_METRICS and named_metric(value) is None:
        yield name, f"{value} is not known; known: {', '.join(metric_names())}"
    else:
        yield from _parsed(name, value)


def _parsed(name: str, value: Any) -> Iterator[Problem]:
    """Check a text that says more than itself."""
    try:
        if name == "where":
            parse_selector(value)
        elif name == "baseline":
            parse_baseline(value)
        elif name == "attributes":
            attributes_of(value)
        elif name == "slo":
            parse_target(value)
    except (UsageError, ValueError) as error:
        yield name, str(error)


def _of_kind(given: Mapping[str, Any], kind: str) -> Iterator[Problem]:
    """Check keys beside one another."""
    subjects = [name for name in ("metric", "slo", "sql") if name in given]
    if len(subjects) != 1:
        yield "metric", "give either a metric, an slo or sql"
        return
    foreign = [name for name in given if kind not in KEY_OF_NAME[name].kinds]
    for name in foreign:
        kinds = " or ".join(BUDGET_KINDS[each] for each in KEY_OF_NAME[name].kinds)
        yield name, f"not for {BUDGET_KINDS[kind]}, only for {kinds}; leave it out"
    if not any(name in given for name in NEEDS_ONE_OF[kind]):
        yield NEEDS_ONE_OF[kind][0], f"no limit; give {' or '.join(NEEDS_ONE_OF[kind])}"
    if not foreign:
        yield from broken_rules(given, kind)


def _budget(given: Mapping[str, Any], number: int) -> Budget:
    """Make a budget of keys without problems."""

    def pairs(key: str) -> Pairs:
        parse = parse_baseline if key == "baseline" else parse_selector
        return parse(given[key]) if key in given else ()

    kind = kind_of(given)
    named = named_metric(given.get("metric", ""))
    worse = {name: float(given.get(name, 0.0)) for name in TOLERANCES}
    grown = any(name.startswith("max_increase") and name in given for name in TOLERANCES)
    usual = named.direction if named and not grown else INCREASE
    limits: dict[str, Any] = {}
    if kind in (ABSOLUTE, SQL):
        most, least = given.get("max", math.inf), given.get("min", -math.inf)
        warn_most = given.get("warn_max", math.inf)
        limits = {"most": float(most), "least": float(least), "warn_most": float(warn_most)}
    if kind == RELATIVE:
        limits = {
            "increase_ratio": (worse["max_increase_percent"] or worse["tolerance_percent"])
            / _PER_CENT,
            "increase": worse["max_increase"] or worse["tolerance"],
            "direction": given.get("direction", usual),
        }
    if kind == SLO:
        burn, left = given.get("max_burn_rate", math.inf), given.get("min_budget_left_percent")
        if left is None:
            left = 0.0 if math.isinf(burn) else -math.inf
        limits = {
            "target": parse_target(given["slo"]),
            "window_nano": _nanos(given["window"]) if "window" in given else 0,
            "threshold_ms": float(given.get("threshold_ms", math.inf)),
            "most_burn_rate": float(burn),
            "least_left": left / _PER_CENT,
        }
    limits |= {name: given[name] for name in _AS_GIVEN if name in given}
    return Budget(
        name=given.get("name", f"budget {number + 1}"),
        where=pairs("where"),
        baseline=pairs("baseline"),
        attributes=attributes_of(given["attributes"]) if "attributes" in given else (),
        weight=float(given.get("weight", 1.0)),
        **limits,
    )


def _nanos(duration: str) -> int:
    """Read a duration such as 30d."""
    return int(duration[:-1]) * _UNIT_NANO[duration[-1]] * _SECOND_NANO


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
