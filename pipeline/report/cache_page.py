"""Caches as one HTML page that needs nothing else: no server, no script, no other file."""

import base64
import hashlib
import string
from pathlib import Path
from typing import BinaryIO

import pipeline
from pipeline.jobs.cache import CacheAnswer, CacheResult
from pipeline.report.cache_beside import sections
from pipeline.report.cache_charts import course_chart, curve_chart, latency_chart
from pipeline.report.cache_lines import heading, tables, told_lines
from pipeline.report.capacity_page import html_table
from pipeline.report.visible import escaped

_PAGE = Path(__file__).with_name("page")
# A page must open on a phone; the JSON has all caches.
MOST_DRAWN = 40
_LEGEND = (
    '<span class="b">hits</span> <span class="c">misses</span> '
    '<span class="safe-line">size today</span>'
)


def write_page(result: CacheResult, out: BinaryIO) -> None:
    """Write caches as a page; the same answer gives the same bytes.

    Args:
        result: the answer; caches beyond MOST_DRAWN are counted, not drawn.
        out: where; it gets UTF-8.
    """
    drawn = result.caches[:MOST_DRAWN]
    left = len(result.caches) - len(drawn)
    more = f'<p class="note">{left} more caches are in the JSON.</p>' if left else ""
    body = "".join(_article(result, answer) for answer in drawn) + more + _beside(result)
    page("Caches", counted(len(result.caches)), _LEGEND, body, out)


def page(title: str, counts: str, legend: str, body: str, out: BinaryIO) -> None:
    """Write a page of caches.

    Args:
        title: of it.
        counts: what it is of, as text.
        legend: of its charts, as HTML.
        body: articles, as HTML.
        out: where; it gets UTF-8.
    """
    style = "".join(
        (_PAGE / name).read_text(encoding="utf-8")
        for name in ("judgement.css", "capacity.css", "cache.css")
    )
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    # The page may have this style and no other, and load nothing at all.
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    text = string.Template((_PAGE / "cache.html").read_text(encoding="utf-8")).substitute(
        policy=policy,
        title=escaped(title),
        style=style,
        counts=escaped(f"{counts}; tailgate {pipeline.__version__}"),
        legend=legend,
        caches=body,
    )
    out.write(text.encode())


def counted(caches: int) -> str:
    """Say how many caches there are."""
    return "1 cache" if caches == 1 else f"{caches} caches"


def _beside(result: CacheResult) -> str:
    """Draw what is told beside spans."""
    tables = "".join(html_table(table, title) for title, table in sections(result))
    notes = "".join(f'<p class="note">{escaped(note)}</p>' for note in result.notes)
    if not tables:
        return notes
    return f"<article><h2>Beside spans</h2>{tables}{notes}</article>\n"


def _article(result: CacheResult, answer: CacheAnswer) -> str:
    """Draw one cache."""
    told = "".join(f"<li>{escaped(line)}</li>" for line in told_lines(answer, result.request))
    notes = "".join(f'<p class="note">{escaped(note)}</p>' for note in answer.notes)
    charts = curve_chart(answer) + latency_chart(answer) + course_chart(answer)
    seen = escaped(heading(answer).removeprefix(f"{answer.rows.name}: "))
    titles = ("Hit ratio by operation", "Hit ratio by class of keys", "Staleness")
    written = "".join(
        html_table(table, title) for table, title in zip(tables(answer), titles, strict=False)
    )
    return (
        f"<article><h2>{escaped(answer.rows.name)}</h2>"
        f'<p class="counts">{seen}</p><ul class="told">{told}</ul>{notes}'
        f'<div class="charts">{charts}</div>{written}</article>\n'
    )
