"""Files of budgets: the reader and the schema say the same, and every error is told at once."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline.cli.check import command
from pipeline.errors import BadSetting
from pipeline.gate.budget_keys import BUDGET_KINDS, KEYS, metric_names
from pipeline.gate.budget_reading import problems, read_budgets
from pipeline.gate.budget_schema import budget_schema
from pipeline.report.budgets import explained

PYTHON_TYPE: dict[str, Any] = {"string": str, "number": (int, float), "boolean": bool}

# A budget of each kind and of each family of metrics.
GOOD = [
    'metric = "p95_ms"\nmax = 600\nwarn_max = 500\nservice = "check*"\noperation = "POST *"',
    'metric = "error_percent"\nmax_increase = 1\nbaseline = "service.version=1"\n'
    'where = "service.version=2"',
    'metric = "cache_hit_ratio"\ntolerance = 0.1\ndirection = "decrease"\nweight = 2',
    'metric = "metric:http.client.request.duration:p95"\nmax = 1\nattributes = "a=b,c=d"',
    'metric = "calls_per_request"\ncall = "SELECT *"\nmax = 4\noperation = "GET *"',
    'metric = "profile_share"\nfunction = "json*"\ncumulative = true\nmax = 1',
    'slo = "99.9"\nwindow = "30d"\nmax_burn_rate = 6\nmin_budget_left_percent = 10',
    'slo = "95"\nthreshold_ms = 300\nexact = true\ncritical = false\nmust_have_data = true',
    'sql = "SELECT 1"\nmin = 0\nname = "one"',
    'metric = "cache_hit_ratio"\ncache = "redis*"\ncall = "GET *"\nmin = 0.9',
    'metric = "prompt_cache_hit_ratio"\ncache = "* chat"\nmin = 0.5',
]
BAD = [
    ('metric = "p95_ms"\nmax = 1\nslo = "99"', "give either a metric, an slo or sql"),
    ('sql = "SELECT 1"\nmax = 1\nservice = "a"', "service: not for the number that a statement"),
    ('slo = "99"\nmax = 1', "max: not for an error budget, only for a metric between limits"),
    ("slo = 99.9", 'slo: 99.9 is not text; write it in quotes: "99.9"'),
    ('slo = "100"', "slo: '100' is not between 0 and 100"),
    ('slo = "99"\nwindow = "a month"', "window: 'a month' cannot be read; write it as in window"),
    ('metric = "queue_depth"\nmax = 1\noperation = "a"', "queue_depth is of a service as a whole"),
    ('metric = "queue_depth"\nmax = 1\ncache = "a"', "cache: not for queue_depth, only for hit"),
    ('metric = "prompt_cache_hit_ratio"\nmin = 1\ncall = "a"', "call: not for prompt_cache_hit_"),
    ('metric = "calls_per_request"\nmax = 1', "call: calls_per_request needs it"),
    ('metric = "profile_share"\nmax = 1\nfunction = "a"\nservice = "a*"', "one service by its"),
    ('metric = "p95_ms"\nmax = 1\nfunction = "a"', "function: not for p95_ms; leave it out"),
    ('metric = "p95_ms"\ntolerance = 1\ndirection = "down"', "'down' is not known; known: incr"),
    ('metric = "p95_ms"\ntolerance = 1\ndirection = "decrease"', "worse only when it rises"),
    ('metric = "p95_ms"\ntolerance = 1\nmax_increase = 1', "says the same as max_increase"),
    ('metric = "p95_ms"\ntolerance = -1', "tolerance: -1 is below 0; give 0 or more"),
    ('metric = "p95_ms"\ntolerance = 1\nwhere = "service.version=1"', "baseline: what to compare"),
    ('metric = "p95_ms"\nmax = 1\nmin = 2', "min: 2 is above max, 1; give less"),
    ('metric = "p95_ms"\nmin = 1\nwarn_max = 2', "warn_max: there is no max that it stands before"),
    ('metric = "queue_depth"\nmax = 1\nwhere = "operation=a"', "operation: cannot choose queue_de"),
    ('slo = "99"\nwhere = "k8s.pod.name=a"', "k8s.pod.name: cannot choose an error budget"),
    ('metric = "queue_depth"\nmax = 1\nattributes = "a"', "attributes: 'a': write KEY=VALUE"),
    (
        'metric = "p95_ms"\ntolerance = 1\nwhere = "service.version=1"\n'
        'baseline = "service.version=1"',
        "where: baseline and canary are the same requests",
    ),
    ('metric = ""\nmax = 1', "metric: empty; leave it out, or give some text"),
]

# What only the reader refuses: rules between the values of keys.
BEYOND_SCHEMA = (
    *("of a service as", "needs it", "one service", "worse only", "says the same", "same requ"),
    *("baseline: what", "is above", "stands before", "cannot choose", "KEY=VALUE"),
    *(
        "not for queue_depth",
        "not for prompt_cache_hit_",
        "not for p95_ms",
        "not between 0 and 100",
    ),
)


def given(text: str) -> dict[str, Any]:
    """Read the keys of one budget."""
    return tomllib.loads(text)


def allows(schema: dict[str, Any], budget: dict[str, Any]) -> bool:
    """Tell whether the schema allows a budget, by the words of JSON Schema that it uses."""
    items = schema["properties"]["budget"]["items"]
    known = items["properties"]
    return (
        set(budget) <= set(known)
        and all(_fits(known[name], value) for name, value in budget.items())
        and sum(_is_of(kind, budget) for kind in items["oneOf"]) == 1
    )


def _fits(said: dict[str, Any], value: Any) -> bool:
    """Tell whether a value is as its key says."""
    if not isinstance(value, PYTHON_TYPE[said["type"]]):
        return False
    if isinstance(value, bool) != (said["type"] == "boolean"):
        return False
    branches = [
        branch.get("pattern") or "|".join(branch["enum"]) for branch in said.get("anyOf", [])
    ]
    return (
        value in said.get("enum", [value])
        and (said["type"] != "string" or bool(value))
        and value >= said.get("minimum", value)
        and ("pattern" not in said or re.search(said["pattern"], value) is not None)
        and (not branches or any(re.fullmatch(each, value) for each in branches))
    )


def _is_of(kind: dict[str, Any], budget: dict[str, Any]) -> bool:
    """Tell whether a budget is of a kind."""
    return (
        all(name in budget for name in kind["required"])
        and not any(name in budget for name in kind["properties"])
        and any(set(each["required"]) <= set(budget) for each in kind["anyOf"])
    )


@pytest.mark.parametrize("text", GOOD)
def test_what_the_reader_takes_the_schema_allows(text: str, tmp_path: Path) -> None:
    assert problems(given(text)) == []
    assert allows(budget_schema(), given(text))
    file = tmp_path / "tailgate.toml"
    file.write_text(f"[[budget]]\n{text}\n")
    (budget,) = read_budgets(file)
    told = explained(budget)
    assert told.startswith(given(text).get("name", "budget 1"))
    assert " must " in told


@pytest.mark.parametrize(("text", "why"), BAD)
def test_what_the_reader_refuses_it_explains(text: str, why: str) -> None:
    found = [f"{key}: {reason}" for key, reason in problems(given(text))]
    assert any(why in each for each in found), found


def test_the_schema_refuses_what_keys_and_kinds_forbid() -> None:
    schema = budget_schema()
    for text, why in BAD:
        if not any(part in why for part in BEYOND_SCHEMA):
            assert not allows(schema, given(text)), text


def test_every_key_and_metric_is_in_the_schema() -> None:
    items = budget_schema()["properties"]["budget"]["items"]
    assert list(items["properties"]) == [key.name for key in KEYS]
    assert [kind["title"] for kind in items["oneOf"]] == list(BUDGET_KINDS.values())
    listed = items["properties"]["metric"]["anyOf"][0]["enum"]
    assert listed == list(metric_names())[:-1]


def test_all_errors_of_a_file_are_told_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "tailgate.toml"
    file.write_text(
        '[[budget]]\nname = "cart"\nmetric = "p59_ms"\nmaximum = 1\n\n'
        '[[budget]]\nslo = "99.9"\n\n[[budget]]\nmetric = "p95_ms"\nmax = "1"\n'
    )
    with pytest.raises(BadSetting) as caught:
        read_budgets(file)
    lines = str(caught.value).splitlines()
    assert [line.removeprefix(f"{file}:").split(": ")[:3] for line in lines] == [
        ["3", "budget 1 (cart)", "metric"],
        ["4", "budget 1 (cart)", "maximum"],
        ["11", "budget 3", "max"],
    ]


def test_the_command_prints_the_schema_and_explains_without_a_lake(tmp_path: Path) -> None:
    file = tmp_path / "tailgate.toml"
    file.write_text(f"[[budget]]\n{GOOD[6]}\n[[budget]]\n{GOOD[2]}\n")
    printed = CliRunner().invoke(command, ["--schema"])
    assert json.loads(printed.output) == budget_schema()
    asked = CliRunner().invoke(command, ["--config", str(file), "--explain"])
    assert asked.output.splitlines() == [
        "budget 1: 99.9 % of the requests of every service must succeed over 30d: the error budget "
        "must keep 10 % of itself and must burn at most 6 times as fast as allowed",
        "budget 2: cache_hit_ratio of every cache of every service must not fall below that of "
        "the judge's baseline by 0.1 (weighs 2)",
    ]
