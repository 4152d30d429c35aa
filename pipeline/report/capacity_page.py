"""A capacity as one HTML page that needs nothing else: no server, no script, no other file."""

import base64
import hashlib
import string
from pathlib import Path
from typing import BinaryIO

import pipeline
from pipeline.jobs.capacity_answer import CapacityResult, ServiceCapacity
from pipeline.report.capacity_charts import latency_chart, throughput_chart, utilisation_chart
from pipeline.report.capacity_lines import (
    Table,
    heading,
    limit_table,
    operation_table,
    told_lines,
)
from pipeline.report.visible import escaped

_PAGE = Path(__file__).with_name("page")

# A page must open on a phone; the JSON has all versions.
MOST_DRAWN = 40


def write_page(result: CapacityResult, out: BinaryIO) -> None:
    """Write a capacity as a page; the same answer gives the same bytes.

    Args:
        result: the answer; versions beyond MOST_DRAWN are counted, not drawn.
        out: where; it gets UTF-8.
    """
    style = "".join(
        (_PAGE / name).read_text(encoding="utf-8") for name in ("judgement.css", "capacity.css")
    )
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    # The page may have this style and no other, and load nothing at all.
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    drawn = result.services[:MOST_DRAWN]
    left = len(result.services) - len(drawn)
    more = f'<p class="note">{left} more versions are in the JSON.</p>' if left else ""
    versions = "1 version" if len(result.services) == 1 else f"{len(result.services)} versions"
    names = ", ".join(service.name for service in drawn[:3]) + (" …" if len(drawn) > 3 else "")
    page = string.Template((_PAGE / "capacity.html").read_text(encoding="utf-8")).substitute(
        policy=policy,
        title=escaped(f"Capacity of {names}"),
        style=style,
        counts=escaped(f"{versions}; tailgate {pipeline.__version__}"),
        services="".join(_article(result, service) for service in drawn) + more,
    )
    out.write(page.encode())


def _article(result: CapacityResult, service: ServiceCapacity) -> str:
    """Draw one version."""
    told = "".join(f"<li>{escaped(line)}</li>" for line in told_lines(result, service))
    notes = "".join(f'<p class="note">{escaped(note)}</p>' for note in service.notes)
    charts = (
        utilisation_chart(service)
        + throughput_chart(service)
        + latency_chart(service, result.request)
    )
    seen = escaped(heading(service).removeprefix(f"{service.name}: "))
    return (
        f"<article><h2>{escaped(service.name)}</h2>"
        f'<p class="counts">{seen}</p><ul class="told">{told}</ul>{notes}'
        f'<div class="charts">{charts}</div>'
        f"{html_table(limit_table(service), 'Limits of an instance')}"
        f"{html_table(operation_table(service), 'Operations')}</article>\n"
    )


def html_table(table: Table, title: str) -> str:
    """Write a table that scrolls by itself where it is too wide."""
    names, numbers, rows = table
    kinds = ['class="n"' if number else "" for number in numbers]
    head = "".join(
        f'<th scope="col" {kind}>{escaped(name)}</th>'
        for name, kind in zip(names, kinds, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td {kind}>{escaped(cell)}</td>" for cell, kind in zip(row, kinds, strict=True))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escaped(title)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
