"""Judgements and budgets written: for people, programs, CI servers and pull requests."""

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import BinaryIO
from xml.etree import ElementTree

from pipeline.gate.verdict import FAIL, INCONCLUSIVE, NO_DATA, Check
from pipeline.report.judgement_rows import (
    Told,
    document,
    effect_text,
    values_text,
    why_text,
)
from pipeline.report.tables import print_table

_HEADINGS = ("verdict", "service", "operation", "metric", "baseline → canary", "worse by", "why")

# What decides comes first.
_ORDER = (FAIL, "warn", INCONCLUSIVE, NO_DATA, "pass")


def write_text(told: Told, out: BinaryIO) -> None:
    """Write a table, what decides first, then the verdict on a line of its own."""
    rows = [_cells(check) for check in ordered(told)]
    headings = _headings(told)
    print_table(headings, rows, [False] * len(headings), out)
    out.write(f"{_summary(told)}\n".encode())
    out.flush()


def write_json(told: Told, out: BinaryIO) -> None:
    """Write one JSON document; the same judgement gives the same bytes."""
    text = json.dumps(document(told), indent=2, allow_nan=False)
    out.write(text.encode("ascii") + b"\n")


def write_markdown(told: Told, out: BinaryIO) -> None:
    """Write a table for a pull request."""
    lines = [f"### tailgate: {_summary(told)}", ""]
    headings = _headings(told)
    lines += [_line(headings), _line(["---"] * len(headings))]
    lines += [_line(_cells(check)) for check in ordered(told)]
    out.write(("\n".join(lines) + "\n").encode())


def write_junit(told: Told, out: BinaryIO) -> None:
    """Write JUnit XML: a check a test case; what is not sure is skipped, unless all hangs on it."""
    checks = ordered(told)
    found = [check.verdict for check in checks]
    suite = ElementTree.Element(
        "testsuite",
        name=told.suite,
        tests=str(len(checks)),
        failures=str(found.count(FAIL)),
        skipped=str(found.count(INCONCLUSIVE) + found.count(NO_DATA)),
    )
    for check in checks:
        name = check.name or f"{check.operation} {check.metric}".strip()
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


WRITERS: Mapping[str, Callable[[Told, BinaryIO], None]] = MappingProxyType(
    {"text": write_text, "json": write_json, "markdown": write_markdown, "junit": write_junit}
)


def ordered(told: Told) -> list[Check]:
    """Give the checks, those that decide first and among them the largest effect."""

    def rank(check: Check) -> tuple[int, float]:
        effect = check.measure.effect if check.measure else 0.0
        return _ORDER.index(check.verdict), -effect

    return sorted(told.checks, key=rank)


def _headings(told: Told) -> tuple[str, ...]:
    """Give the headings: budgets have names and limits, judgements two sides."""
    if any(check.name for check in told.checks):
        return (_HEADINGS[0], "budget", *_HEADINGS[1:4], "value", "interval", _HEADINGS[-1])
    return _HEADINGS


def _summary(told: Told) -> str:
    """Say it in a line."""
    found = [check.verdict for check in told.checks]
    counts = [f"{found.count(each)} {each}" for each in _ORDER if each in found]
    scored = "" if told.score is None else f"; score {told.score:.0f}"
    return f"{told.verdict}: {told.title} ({', '.join(counts) or 'nothing to judge'}{scored})"


def _cells(check: Check) -> list[str]:
    named = [check.name] if check.name else []
    return [
        check.verdict,
        *named,
        check.service_name,
        check.operation,
        check.metric,
        values_text(check),
        effect_text(check),
        why_text(check),
    ]


def _line(cells: Sequence[str]) -> str:
    """Give a line of a Markdown table; what would end a cell is escaped."""
    escaped = [cell.replace("\\", "\\\\").replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(' '.join(text.split()) for text in escaped)} |"


def _xml(text: str) -> str:
    """Leave out what XML cannot hold."""
    return "".join(c if c in "\t\n" or " " <= c <= "\ufffd" or c > "\uffff" else "�" for c in text)
