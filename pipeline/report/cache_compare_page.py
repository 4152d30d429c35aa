"""Caches of a baseline and a canary as one HTML page that needs nothing else."""

import math
from typing import BinaryIO

from pipeline.jobs.cache_compare import CacheComparison, CompareResult
from pipeline.jobs.cache_pictures import CachePicture
from pipeline.report.cache_compare_charts import (
    course_chart,
    hit_ratio_chart,
    latency_charts,
    penalty_chart,
)
from pipeline.report.cache_moved import NOTHING, counter_table, heading, signed, told_lines
from pipeline.report.cache_page import MOST_DRAWN, counted, page
from pipeline.report.capacity_lines import Table, figure, interval
from pipeline.report.capacity_page import html_table
from pipeline.report.judgement_rows import side_text
from pipeline.report.text import MISSING
from pipeline.report.visible import escaped
from pipeline.stats.bootstrap import Interval
from pipeline.stats.cache_change import Moved

_PER_CENT, _MS = 100.0, 1e-6
_LEGEND = '<span class="b">baseline</span> <span class="c">canary</span>'


def write_page(result: CompareResult, out: BinaryIO) -> None:
    """Write a comparison as a page; the same answer gives the same bytes.

    Args:
        result: the answer; caches beyond MOST_DRAWN are counted, not drawn.
        out: where; it gets UTF-8.
    """
    drawn = result.caches[:MOST_DRAWN]
    left = len(result.caches) - len(drawn)
    parts = [f"<p>{escaped(NOTHING)}</p>"] if result.exit_status else []
    parts += [_article(found) for found in drawn]
    parts += [f'<p class="note">{left} more caches are in the JSON.</p>'] if left else []
    table = counter_table(result)
    if table[2]:
        title = "Hit ratios by counters"
        parts.append(f"<article><h2>{title}</h2>{html_table(table, title)}</article>\n")
    parts += [f'<p class="note">{escaped(note)}</p>' for note in result.alone]
    sides = " beside ".join(side_text(side) for side in reversed(result.sides))
    counts = f"{sides}; {counted(len(result.caches))}"
    page("Caches, canary beside baseline", counts, _LEGEND, "".join(parts), out)


def _article(found: CacheComparison) -> str:
    """Draw one cache."""
    title = f"{found.service_name}: {found.cache}"
    told = "".join(f"<li>{escaped(line)}</li>" for line in told_lines(found))
    notes = "".join(f'<p class="note">{escaped(note)}</p>' for note in found.notes)
    charts = (
        hit_ratio_chart(found)
        + penalty_chart(found)
        + course_chart(found.pictures)
        + latency_charts(found.pictures)
    )
    seen = escaped(heading(found).removeprefix(f"{title}: "))
    return (
        f'<article><h2>{escaped(title)}</h2><p class="counts">{seen}</p>'
        f'<ul class="told">{told}</ul>{notes}<div class="charts">{charts}</div>'
        f"{html_table(figure_table(found), 'Figures of both sides')}</article>\n"
    )


def figure_table(found: CacheComparison) -> Table:
    """Give a row a figure: both sides with 90 % intervals where these are known, and the change."""
    change = found.change
    names = ("figure", "baseline [90 %]", "canary [90 %]", "change [90 %]")
    of_sides = [_intervals(each) for each in found.pictures]
    rows = [
        ["hit ratio, %", *(interval(each[0], _PER_CENT) for each in of_sides)],
        ["miss penalty, ms", *(interval(each[1], _MS) for each in of_sides)],
        ["requests, mean, ms", *_plain(change.mean)],
        ["requests, p95, ms", *_plain(change.p95)],
    ]
    moved = (change.hit_ratio, change.penalty, change.mean, change.p95)
    for row, each, factor in zip(rows, moved, (_PER_CENT, _MS, _MS, _MS), strict=True):
        row.append(MISSING if math.isnan(each.change.estimate) else signed(each.change, factor))
    return names, (False, True, True, True), rows


def _intervals(picture: CachePicture) -> tuple[Interval, Interval]:
    return picture.hit_ratio, picture.penalty


def _plain(moved: Moved) -> tuple[str, str]:
    return figure(_MS * moved.baseline), figure(_MS * moved.canary)
