"""A judgement written: for people, programs, CI servers and pull requests."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import BinaryIO
from xml.etree import ElementTree

from pipeline.gate.judgement import Judgement
from pipeline.gate.verdict import FAIL, INCONCLUSIVE, NO_DATA, Check
from pipeline.report.judgement_rows import (
    document,
    effect_text,
    side_text,
    values_text,
    why_text,
)
from pipeline.report.tables import print_table

_HEADINGS = ("verdict", "service", "operation", "metric", "baseline → canary", "worse by", "why")

# What decides comes first.
_ORDER = (FAIL, "warn", INCONCLUSIVE, NO_DATA, "pass")


def write_text(judgement: Judgement, out: BinaryIO) -> None:
    """Write a table, what decides first, then the verdict on a line of its own."""
    rows = [_cells(check) for check in ordered(judgement)]
    print_table(_HEADINGS, rows, [False] * len(_HEADINGS), out)
    out.write(f"{_summary(judgement)}\n".encode())
    out.flush()


def write_json(judgement: Judgement, out: BinaryIO) -> None:
    """Write one JSON document; the same judgement gives the same bytes."""
    text = json.dumps(document(judgement), indent=2, allow_nan=False)
    out.write(text.encode("ascii") + b"\n")


def write_markdown(judgement: Judgement, out: BinaryIO) -> None:
    """Write a table for a pull request."""
    lines = [f"### tailgate: {_summary(judgement)}", ""]
    lines += [_line(_HEADINGS), _line(["---"] * len(_HEADINGS))]
    lines += [_line(_cells(check)) for check in ordered(judgement)]
    out.write(("\n".join(lines) + "\n").encode())


def write_junit(judgement: Judgement, out: BinaryIO) -> None:
    """Write JUnit XML: a check a test case; what is not sure is skipped, unless all hangs on it."""
    checks = ordered(judgement)
    found = [check.verdict for check in checks]
    suite = ElementTree.Element(
        "testsuite",
        name="tailgate judge",
        tests=str(len(checks)),
        failures=str(found.count(FAIL)),
        skipped=str(found.count(INCONCLUSIVE) + found.count(NO_DATA)),
    )
    for check in checks:
        name = f"{check.operation} {check.metric}".strip()
        case = ElementTree.SubElement(
            suite, "testcase", classname=_xml(check.service_name), name=_xml(name)
        )
        text = _xml(f"{values_text(check)}, worse by {effect_text(check)}; {why_text(check)}")
        if check.verdict == FAIL:
            ElementTree.SubElement(case, "failure", message=text)
        elif check.verdict in (INCONCLUSIVE, NO_DATA):
            ElementTree.SubElement(case, "skipped", message=text)
    ElementTree.indent(suite)
    out.write(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True) + b"\n")


WRITERS: Mapping[str, Callable[[Judgement, BinaryIO], None]] = MappingProxyType(
    {"text": write_text, "json": write_json, "markdown": write_markdown, "junit": write_junit}
)


def ordered(judgement: Judgement) -> list[Check]:
    """Give the checks, those that decide first and among them the largest effect."""

    def rank(check: Check) -> tuple[int, float]:
        effect = check.measure.effect if check.measure else 0.0
        return _ORDER.index(check.verdict), -effect

    return sorted(judgement.checks, key=rank)


def _summary(judgement: Judgement) -> str:
    """Say it in a line."""
    request = judgement.judged.request
    sides = f"{side_text(request.canary)} against {side_text(request.baseline)}"
    found = [check.verdict for check in judgement.checks]
    told = [f"{found.count(each)} {each}" for each in _ORDER if each in found]
    scored = "" if judgement.score is None else f"; score {judgement.score:.0f}"
    return f"{judgement.verdict}: {sides} ({', '.join(told) or 'nothing to compare'}{scored})"


def _cells(check: Check) -> list[str]:
    return [
        check.verdict,
        check.service_name,
        check.operation,
        check.metric,
        values_text(check),
        effect_text(check),
        why_text(check),
    ]


def _line(cells: object) -> str:
    """Give a line of a Markdown table; what would end a cell is escaped."""
    texts = [str(each) for each in cells]  # type: ignore[attr-defined]
    escaped = [text.replace("\\", "\\\\").replace("|", "\\|") for text in texts]
    return f"| {' | '.join(' '.join(text.split()) for text in escaped)} |"


def _xml(text: str) -> str:
    """Leave out what XML cannot hold."""
    return "".join(c if c in "\t\n" or " " <= c <= "\ufffd" or c > "\uffff" else "�" for c in text)
