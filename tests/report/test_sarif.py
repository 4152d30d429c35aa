"""A judgement as SARIF and as JSON: what code hosts and programs hold it to."""

import io
import json
from dataclasses import replace
from typing import Any

import pytest

from pipeline.gate.verdict import Check, Measure
from pipeline.report.judgement import WRITERS, tell
from pipeline.report.judgement_rows import Told, schema_text
from tests.report.two_sides import HOSTILE, inputs_of, judged, why

MEASURE = Measure(100.0, 150.0, (900.0, 900.0), 0.5, 0.4, 0.6, 0.1, 1e-9, 0.08, "blocks")
LEVELS = {"fail": "error", "warn": "warning", "inconclusive": "note", "no_data": "note"}


@pytest.fixture
def told(lake, span_rows) -> Told:
    inputs = inputs_of(lake, span_rows)
    return tell(judged(inputs), inputs, (why(), why(HOSTILE)))


def written(told: Told, form: str) -> Any:
    out = io.BytesIO()
    WRITERS[form](told, out)
    return json.loads(out.getvalue())


def run_of(told: Told) -> dict[str, Any]:
    document = written(told, "sarif")
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    assert isinstance(run, dict)
    return run


def test_what_did_not_pass_is_a_result_of_its_metrics_rule(told: Told) -> None:
    run = run_of(told)
    driver = run["tool"]["driver"]
    assert driver["name"] == "tailgate"
    assert [rule["id"] for rule in driver["rules"]] == sorted({c.metric for c in told.checks})
    by_key = {(c.service_name, c.operation, c.metric): c for c in told.checks}
    found = [
        by_key[tuple(result["properties"][key] for key in ("service_name", "operation", "metric"))]
        for result in run["results"]
    ]
    assert len(found) == sum(check.verdict != "pass" for check in told.checks) > 0
    for result, check in zip(run["results"], found, strict=True):
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == check.metric
        assert result["level"] == LEVELS[check.verdict]
    first = run["results"][0]
    assert first["level"] == "error"
    assert first["message"]["text"].startswith("shop POST /pay: p50 fail: ")
    assert "db <b>4</b> times" in first["message"]["text"]


def test_a_result_points_at_a_file_because_hosts_drop_those_that_do_not(told: Told) -> None:
    for result in run_of(replace(told, source="ops/budgets.toml"))["results"]:
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        assert physical["artifactLocation"]["uri"] == "ops/budgets.toml"
        assert physical["region"]["startLine"] == 1
        names = [each["name"] for each in location["logicalLocations"]]
        assert names[0] == "shop"


def test_a_check_is_known_again_by_what_it_is_of_and_not_by_its_numbers(told: Told) -> None:
    def prints(told: Told) -> list[str]:
        return [each["partialFingerprints"]["check/v1"] for each in run_of(told)["results"]]

    usual = prints(told)
    assert len(set(usual)) == len(usual)
    worse = tuple(
        replace(check, measure=check.measure and replace(check.measure, canary=999.0))
        for check in told.checks
    )
    assert prints(replace(told, checks=worse)) == usual


def test_a_fail_that_does_not_count_is_a_warning() -> None:
    check = Check("shop", "op", "p50", "ms", "ratio", False, MEASURE, verdict="fail")
    run = run_of(Told("a", "tailgate judge", "pass", (check,), None, {}))
    assert run["results"][0]["level"] == "warning"


def test_a_canary_that_is_well_has_a_run_without_results(told: Told) -> None:
    well = tuple(replace(check, verdict="pass") for check in told.checks)
    assert run_of(replace(told, checks=well))["results"] == []


def test_names_of_strangers_hide_nothing_in_sarif(told: Told) -> None:
    worse = tuple(replace(check, verdict="fail") for check in told.checks)
    texts = [each["message"]["text"] for each in run_of(replace(told, checks=worse))["results"]]
    assert any("<script>" in text for text in texts)
    assert not any("\u202e" in text for text in texts)


def check_schema(value: Any, schema: dict[str, Any], root: dict[str, Any], path: str = "$") -> None:
    """Hold a value against those words of JSON Schema that ours uses; unknown keys are an error."""
    known = {"$schema", "$id", "$defs", "title", "description", "$ref", "type", "enum", "const"}
    assert set(schema) <= known | {"required", "properties", "additionalProperties", "items"}, path
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    if "enum" in schema:
        assert value in schema["enum"], path
    if "const" in schema:
        assert value == schema["const"], path
    types = schema.get("type", [])
    names = {
        bool: {"boolean"},
        int: {"integer", "number"},
        float: {"number"},
        str: {"string"},
        type(None): {"null"},
        list: {"array"},
        dict: {"object"},
    }[type(value)]
    assert not types or names & set([types] if isinstance(types, str) else types), path
    if isinstance(value, list):
        for number, each in enumerate(value):
            check_schema(each, schema["items"], root, f"{path}[{number}]")
    if isinstance(value, dict):
        assert set(schema.get("required", ())) <= set(value), path
        for key, each in value.items():
            own = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            if own is True and path.startswith("$.why"):
                continue
            assert isinstance(own, dict), f"{path}.{key}: not in the schema"
            check_schema(each, own, root, f"{path}.{key}")


def test_the_json_is_what_its_schema_says_and_the_schema_knows_every_key(told: Told) -> None:
    schema = json.loads(schema_text())
    check_schema(written(told, "json"), schema, schema)
    nothing = replace(told, checks=(), why=())
    check_schema(written(nothing, "json"), schema, schema)


def test_the_schema_refuses_what_is_missing_or_of_another_type(told: Told) -> None:
    schema = json.loads(schema_text())
    usual = written(told, "json")
    for broken in (
        {key: value for key, value in usual.items() if key != "verdict"},
        usual | {"verdict": "good"},
        usual | {"alpha": "0.01"},
        usual | {"surprise": 1},
    ):
        with pytest.raises(AssertionError):
            check_schema(broken, schema, schema)


def test_every_way_of_writing_tells_why(told: Told) -> None:
    document = written(told, "json")
    assert [each["operation"] for each in document["why"]] == ["POST /pay", HOSTILE]
    assert document["why"][0]["causes"][0]["share"] is None
    texts = {}
    for form in ("text", "markdown", "junit"):
        out = io.BytesIO()
        WRITERS[form](told, out)
        texts[form] = out.getvalue().decode()
    assert "why:\n  shop POST /pay\n    - db <b>4</b> times\n" in texts["text"]
    assert "<summary>Why: shop · POST /pay</summary>" in texts["markdown"]
    assert "<li>db &lt;b&gt;4&lt;/b&gt; times</li>" in texts["markdown"]
    assert "db &lt;b&gt;4&lt;/b&gt; times" in texts["junit"]
    assert "\u202e" not in texts["text"] + texts["markdown"]


def test_notes_stand_above_the_verdict_line(told: Told) -> None:
    out = io.BytesIO()
    WRITERS["text"](replace(told, notes=("the newest minute is left out",)), out)
    lines = out.getvalue().decode().splitlines()
    assert lines[-2] == "note: the newest minute is left out"
    assert lines[-1].startswith("fail: ")
