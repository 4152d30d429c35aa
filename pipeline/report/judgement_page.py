"""A judgement as one HTML page that needs nothing else: no server, no network, no other file."""

import base64
import hashlib
import string
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pipeline
from pipeline.gate.verdict import PASS, Check
from pipeline.jobs.judge_pictures import Picture
from pipeline.jobs.why_answer import Why
from pipeline.report.judgement_rows import (
    ORDER,
    Told,
    cells,
    counts_text,
    headings,
    operations,
    ordered,
    summary,
)
from pipeline.report.judgement_why import why_html
from pipeline.report.page_distributions import distributions
from pipeline.report.page_intervals import intervals
from pipeline.report.page_minutes import minutes
from pipeline.report.text import MISSING
from pipeline.report.visible import escaped

_PAGE = Path(__file__).with_name("page")

# Drawn in full: a reader looks at no more, and a page must open on a phone.
MOST_DRAWN = 60
# What the table leaves of a page is for drawings; style, script and settings need little.
_MOST_BYTES = 1_920_000
_MOST_TABLE_BYTES = 1_250_000
_LINK_BYTES = 24
_MOST_LETTERS = 160
_MOST_NAMED = 6

# A verdict is told by its sign and its word; its colour only helps.
_SIGNS = {"fail": "✕", "warn": "!", "inconclusive": "?", "no_data": "∅", "pass": "✓"}
_WORDS = {"no_data": "no data"}

_MINUTES = ("first_minute", "end_minute", "baseline_last_minute", "canary_last_minute")


def drawn_first(told: Told) -> list[tuple[str, str]]:
    """Give service and operation of those that a page draws, what decides first."""
    return operations(ordered(told))[:MOST_DRAWN]


def write_page(told: Told, out: BinaryIO) -> None:
    """Write a judgement as a page; the same judgement gives the same bytes.

    Args:
        told: the judgement; operations without a picture get their intervals alone.
        out: where; it gets UTF-8, less than 2 MB.
    """
    style, script = _part("css"), _part("js")
    # The page may run this script and have this style and no other, and load nothing at all.
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    checks = ordered(told)
    table = len(_rows(told, checks, {})[0].encode()) + _LINK_BYTES * len(checks)
    articles = list(_articles(told, checks, _MOST_BYTES - table))
    drawn = {named: place for place, (named, _) in enumerate(articles)}
    rows, cut = _rows(told, checks, drawn)
    page = string.Template(_part("html")).substitute(
        policy=policy,
        title=escaped(summary(told)),
        style=style,
        verdict=told.verdict,
        sign=_SIGNS[told.verdict],
        verdict_words=_WORDS.get(told.verdict, told.verdict),
        heading=escaped(told.title),
        counts=escaped(counts_text(told)),
        decided=_decided(told.verdict, checks),
        notes="".join(f'<p class="note">{escaped(_short(note))}</p>' for note in told.notes),
        filters=_filters(checks),
        names="".join(f'<th scope="col">{escaped(name)}</th>' for name in headings(told)),
        rows=rows,
        cut=cut,
        operations="".join(text for _, text in articles) + _undrawn(checks, drawn),
        settings=_settings(told.head),
        script=script,
    )
    out.write(page.encode())


def _part(suffix: str) -> str:
    """Read one of the page's own files."""
    return (_PAGE / f"judgement.{suffix}").read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """Give the hash of a script or a style as a policy names it."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _decided(verdict: str, checks: Sequence[Check]) -> str:
    """Name the operations that the verdict hangs on, with their metrics."""
    metrics: dict[tuple[str, str], list[str]] = {}
    for check in checks:
        if check.critical and check.verdict == verdict != PASS:
            own = metrics.setdefault((check.service_name, check.operation), [])
            own.append(check.name or check.metric)
    told = [
        escaped(_short(f"{' '.join(each for each in named if each)} ({', '.join(own)})"))
        for named, own in metrics.items()
    ]
    if not told:
        return ""
    more = f", and {len(told) - _MOST_NAMED} more" if len(told) > _MOST_NAMED else ""
    return f"<p>Decided by {'; '.join(told[:_MOST_NAMED])}{more}.</p>"


def _filters(checks: Sequence[Check]) -> str:
    """Give a button for each verdict that there is."""
    found = [check.verdict for check in checks]
    return "".join(
        f'<button type="button" data-verdict="{each}" aria-pressed="true" class="v-{each}">'
        f"{_SIGNS[each]} {found.count(each)} {_WORDS.get(each, each)}</button>"
        for each in ORDER
        if each in found
    )


def _rows(
    told: Told, checks: Sequence[Check], drawn: Mapping[tuple[str, str], int]
) -> tuple[str, str]:
    """Give the table's rows, and what to say where there were too many."""
    parts: list[str] = []
    size = 0
    names = headings(told)
    operation = names.index("operation")
    for check in checks:
        shown = [escaped(_short(text)) for text in cells(check, "budget" in names)]
        shown[0] = f"{_SIGNS[check.verdict]} {check.verdict}"
        article = drawn.get((check.service_name, check.operation))
        if article is not None:
            shown[operation] = f'<a href="#o{article}">{shown[operation]}</a>'
        # Ends of rows and cells may be left out in HTML; with thousands of them they are.
        row = f"<tr data-v={check.verdict}><td class=v-{check.verdict}>{'<td>'.join(shown)}\n"
        size += len(row.encode())
        if size > _MOST_TABLE_BYTES:
            left = len(checks) - len(parts)
            return "".join(parts), (
                f'<p class="note">{left} more checks, which decide least, are left out here; '
                "the JSON has all of them.</p>"
            )
        parts.append(row)
    return "".join(parts), ""


def _short(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"


def _articles(
    told: Told, checks: Sequence[Check], most_bytes: int
) -> Iterator[tuple[tuple[str, str], str]]:
    """Draw operations while there is room: service and operation, and what is drawn."""
    by_operation: dict[tuple[str, str], list[Check]] = {}
    for check in checks:
        by_operation.setdefault((check.service_name, check.operation), []).append(check)
    pictures = {(each.service_name, each.operation): each for each in told.pictures}
    why = {(each.service_name, each.operation): each for each in told.why}
    size = 0
    for place, named in enumerate(drawn_first(told)):
        own = by_operation[named]
        text = _article(place, named, own, pictures.get(named), why.get(named))
        size += len(text.encode())
        if size > most_bytes:
            return
        yield named, text


def _article(
    place: int,
    named: tuple[str, str],
    checks: Sequence[Check],
    picture: Picture | None,
    why: Why | None,
) -> str:
    """Draw one operation."""
    title = escaped(" · ".join(_short(each) for each in named if each) or "all requests")
    told = "".join(
        f'<li class="v-{check.verdict}">{_SIGNS[check.verdict]} '
        f"{escaped(_short(check.name or check.metric))} {check.verdict}</li>"
        for check in checks
    )
    charts = intervals(checks)
    if picture:
        # The course is the tallest; last, it leaves no hole in the grid.
        charts = distributions(picture) + charts + minutes(picture)
    else:
        charts += '<p class="quiet">No distribution of its own: no request here has a duration.</p>'
    return (
        f'<article id="o{place}"><h3>{title}</h3><ul class="own">{told}</ul>'
        f'{why_html(why) if why else ""}<div class="charts">{charts}</div></article>\n'
    )


def _undrawn(checks: Sequence[Check], drawn: Mapping[tuple[str, str], int]) -> str:
    """Say how many operations are in the table alone."""
    left = len(operations(checks)) - len(drawn)
    if not left:
        return ""
    return f'<p class="note">{left} more operations are in the table above and not drawn.</p>'


def _settings(head: Mapping[str, Any]) -> str:
    """List what was asked for, and by what it was made."""
    shown = {"tailgate": pipeline.__version__} | dict(head) | dict(head.get("settings", {}))
    return "".join(
        f"<dt>{escaped(name.replace('_', ' '))}</dt><dd>{escaped(_setting(name, value))}</dd>"
        for name, value in shown.items()
        if name not in ("verdict", "score", "notes", "settings")
    )


def _setting(name: str, value: object) -> str:
    """Write a setting for people."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={each}" for key, each in value.items()) or MISSING
    if isinstance(value, list):
        return ", ".join(str(each) for each in value) or MISSING
    if name in _MINUTES and isinstance(value, int):
        return datetime.fromtimestamp(60 * value, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
