"""Judgements and budgets written: for people, programs, CI servers and pull requests."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import BinaryIO
from xml.etree import ElementTree

from pipeline.gate.judgement import Judgement
from pipeline.gate.verdict import FAIL, INCONCLUSIVE, NO_DATA, PASS, Check
from pipeline.jobs.judge import Inputs
from pipeline.jobs.judge_pictures import pictures
from pipeline.jobs.why_answer import Why
from pipeline.report.judgement_page import drawn_first, write_page
from pipeline.report.judgement_rows import (
    Told,
    cells,
    document,
    effect_text,
    headings,
    ordered,
    summary,
    told_of_judgement,
    values_text,
    why_text,
)
from pipeline.report.judgement_why import why_markdown, why_sentences
from pipeline.report.sarif import write_sarif
from pipeline.report.tables import print_table
from pipeline.report.visible import visible
from pipeline.report.why import why_text_lines

_MOST_LETTERS = 60_000
# A pull request's renderer takes HTML too, so names must not be it.
_ESCAPES = str.maketrans({"\\": "\\\\", "|": "\\|", "&": "&amp;", "<": "&lt;"})


def write_text(told: Told, out: BinaryIO) -> None:
    """Write a table, what decides first, then why, then the verdict on a line of its own."""
    names = headings(told)
    rows = [cells(check, "budget" in names) for check in ordered(told)]
    print_table(names, rows, [False] * len(names), out)
    if told.why:
        out.write(b"why:\n")
    out.writelines(f"  {line}\n".encode() for line in why_text_lines(told.why))
    out.writelines(f"note: {visible(note)}\n".encode() for note in told.notes)
    out.write(f"{summary(told)}\n".encode())
    out.flush()


def write_json(told: Told, out: BinaryIO) -> None:
    """Write one JSON document; the same judgement gives the same bytes."""
    out.write(json_bytes(told))


def json_bytes(told: Told) -> bytes:
    """Give the JSON document, which a bundle keeps."""
    return json.dumps(document(told), indent=2, allow_nan=False).encode("ascii") + b"\n"


def write_markdown(told: Told, out: BinaryIO) -> None:
    """Write tables for a pull request: what passed, and why, is folded away.

    Hosts refuse comments beyond 65,536 characters, so what decides least is left out there.
    """
    lines = [f"### tailgate: {_marked(summary(told))}", ""]
    lines += [*(f"- {_marked(note)}" for note in told.notes), ""] if told.notes else []
    why = why_markdown(told.why)
    room = _MOST_LETTERS - sum(map(len, [*lines, *why]))
    checks = ordered(told)
    for title, own in (
        ("", [check for check in checks if check.verdict != PASS]),
        ("pass", [check for check in checks if check.verdict == PASS]),
    ):
        if own or not (title or told.checks):
            table, room = _table(told, own, room)
            folded = ["<details>", f"<summary>{len(own)} {title}</summary>", "", *table]
            lines += [*folded, "", "</details>"] if title else [*table, ""]
    out.write(("\n".join([*lines, *why]) + "\n").encode())


def _table(told: Told, checks: Sequence[Check], room: int) -> tuple[list[str], int]:
    """Give a Markdown table of so many letters, and how many are left."""
    names = headings(told)
    lines = [_line(names), _line(["---"] * len(names))]
    for number, check in enumerate(checks):
        line = _line(cells(check, "budget" in names))
        room -= len(line)
        if room < 0:
            lines += ["", f"{len(checks) - number} more are left out here; the JSON has all."]
            return lines, 0
        lines.append(line)
    return lines, room


def write_junit(told: Told, out: BinaryIO) -> None:
    """Write JUnit XML: a check a test case; what is not sure is skipped, unless all hangs on it."""
    checks = ordered(told)
    found = [check.verdict for check in checks]
    why = {(each.service_name, each.operation): each for each in told.why}
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
            failure = ElementTree.SubElement(case, "failure", message=text)
            if explained := why.get((check.service_name, check.operation)):
                failure.text = _xml("\n".join(why_sentences(explained)))
        elif check.verdict in (INCONCLUSIVE, NO_DATA):
            ElementTree.SubElement(case, "skipped", message=text)
    ElementTree.indent(suite)
    out.write(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True) + b"\n")


def tell(
    judgement: Judgement, inputs: Inputs, why: tuple[Why, ...] = (), drawn: bool = False
) -> Told:
    """Tell of a judgement.

    Args:
        judgement: the judgement.
        inputs: what it was made of.
        why: what explains it.
        drawn: whether a page will be made of it; pictures are work that nothing else needs.
    """
    told = told_of_judgement(judgement, why)
    if not drawn:
        return told
    return replace(told, pictures=pictures(inputs, judgement.judged, drawn_first(told)))


WRITERS: Mapping[str, Callable[[Told, BinaryIO], None]] = MappingProxyType(
    {
        "text": write_text,
        "json": write_json,
        "markdown": write_markdown,
        "junit": write_junit,
        "sarif": write_sarif,
        "html": write_page,
    }
)


def _line(shown: Sequence[str]) -> str:
    """Give a line of a Markdown table; what would end a cell or be markup is escaped."""
    return f"| {' | '.join(map(_marked, shown))} |"


def _marked(text: str) -> str:
    """Write a text so that Markdown takes it for text, on one line."""
    return " ".join(visible(text).translate(_ESCAPES).split())


def _xml(text: str) -> str:
    """Leave out what XML cannot hold."""
    return "".join(c if c in "\t\n" or " " <= c <= "\ufffd" or c > "\uffff" else "�" for c in text)
