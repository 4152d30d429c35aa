"""A judgement as SARIF, which code hosts show beside the change: a metric is a rule.

Source: OASIS Static Analysis Results Interchange Format, version 2.1.0.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, BinaryIO

import pipeline
from pipeline.gate.verdict import FAIL, INCONCLUSIVE, NO_DATA, PASS, WARN, Check
from pipeline.report.judgement_rows import (
    Told,
    check_document,
    effect_text,
    ordered,
    summary,
    values_text,
    why_text,
)
from pipeline.report.judgement_why import why_sentences
from pipeline.report.visible import visible

# Of SARIF; what is not sure is worth a note, for a release that waits on it.
_LEVELS = {FAIL: "error", WARN: "warning", INCONCLUSIVE: "note", NO_DATA: "note"}

# GitHub shows this many results of a run and drops the rest.
_MOST_RESULTS = 5000

_METRICS = {
    "error_ratio": "The share of requests that failed",
    "error_5xx_ratio": "The share of requests answered with a 5xx status",
    "error_4xx_ratio": "The share of requests answered with a 4xx status",
    "error_percent": "The share of requests that failed",
    "requests_per_second": "Requests a second",
    "sql": "The answer to a budget's SQL statement",
}


def write_sarif(told: Told, out: BinaryIO) -> None:
    """Write one run; a check that did not pass is a result.

    Latency has no line of code. Results name service and operation as logical locations; as code
    hosts want a file too, each points at the one that asked (``told.source``).
    """
    found = [check for check in ordered(told) if check.verdict != PASS]
    rules = sorted({check.metric for check in told.checks})
    run = {
        "tool": {
            "driver": {
                "name": "tailgate",
                "version": pipeline.__version__,
                "semanticVersion": pipeline.__version__,
                "rules": [_rule(metric) for metric in rules],
            }
        },
        "automationDetails": {"id": f"{told.suite}/"},
        "columnKind": "unicodeCodePoints",
        "results": [_result(check, rules, told) for check in found[:_MOST_RESULTS]],
        "properties": {
            "summary": visible(summary(told)),
            "left_out": max(len(found) - _MOST_RESULTS, 0),
            **told.head,
        },
    }
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    text = json.dumps(document, indent=2, allow_nan=False)
    out.write(text.encode("ascii") + b"\n")


def _rule(metric: str) -> dict[str, Any]:
    """Give a metric as a rule."""
    what = _METRICS.get(metric)
    if what is None and metric.startswith("p") and metric[1:2].isdigit():
        what = f"The {metric.removesuffix('_ms')} of the requests' durations"
    what = visible(what or metric)
    return {
        "id": metric,
        "name": "".join(part.capitalize() for part in metric.split("_")),
        "shortDescription": {"text": what},
        "fullDescription": {"text": f"{what}, judged with an interval: see the message."},
        "defaultConfiguration": {"level": "error"},
        "help": {
            "text": "error: worse beyond the margin, for sure. warning: worse, but perhaps within "
            "the margin, or not to be defended as a failure. note: too little data to tell."
        },
        "properties": {"tags": ["performance"]},
    }


def _result(check: Check, rules: Sequence[str], told: Told) -> dict[str, Any]:
    """Give a check as a result."""
    about = " ".join(part for part in (check.service_name, check.operation) if part)
    message = f"{about}: {check.metric} {check.verdict}: {values_text(check)}"
    message += f", worse by {effect_text(check)}"
    message += f"; {why_text(check)}" if why_text(check) else ""
    lines = [f"{check.name}: {message}" if check.name else message]
    if check.verdict in (FAIL, WARN):
        lines += [
            sentence
            for why in told.why
            if (why.service_name, why.operation) == (check.service_name, check.operation)
            for sentence in why_sentences(why)
        ]
    return {
        "ruleId": check.metric,
        "ruleIndex": rules.index(check.metric),
        # What does not count for the whole stops no release.
        "level": _LEVELS[check.verdict if check.critical or check.verdict != FAIL else WARN],
        "message": {"text": "\n".join(visible(line) for line in lines)},
        "locations": [_location(check, told.source)],
        "partialFingerprints": {"check/v1": _fingerprint(check, told.suite)},
        "properties": check_document(check),
    }


def _location(check: Check, source: str) -> dict[str, Any]:
    """Say where a result belongs: the file that asked, and the operation."""
    full = "/".join(part for part in (check.service_name, check.operation) if part)
    logical: list[dict[str, Any]] = []
    if check.service_name:
        logical.append({"name": visible(check.service_name), "kind": "module"})
    if check.operation:
        logical.append(
            {
                "name": visible(check.operation),
                "fullyQualifiedName": visible(full),
                "kind": "function",
            }
        )
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": source, "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": 1},
        }
    }
    return location | ({"logicalLocations": logical} if logical else {})


def _fingerprint(check: Check, suite: str) -> str:
    """Name a check the same in every run, so that a host knows it again."""
    parts = (suite, check.name, check.service_name, check.operation, check.metric)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
