"""A flame graph as one HTML page that needs nothing else: no server, no network, no other file."""

import base64
import hashlib
import json
import string
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.report.flame_functions import changed, gone, heaviest, share
from pipeline.report.flame_tree import Place
from pipeline.report.flamegraph import FlameGraph, human, percent
from pipeline.report.visible import escaped, visible

_PAGE = Path(__file__).with_name("page")

_MOST_FUNCTIONS = 40

# Widest share that keeps its own colour: a change of ten points is as red as it gets.
_LARGEST_CHANGE = 0.1


def write_html(graph: FlameGraph, out: BinaryIO) -> None:
    """Write a flame graph as a page; the same graph gives the same bytes.

    Args:
        graph: the flame graph.
        out: where; it gets UTF-8.
    """
    script = _part("js")
    # The page may run this script and no other, and load nothing at all.
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )
    page = string.Template(_part("html")).substitute(
        policy=policy,
        title=escaped(graph.title),
        style=_part("css"),
        facts=_facts("facts", graph.facts),
        baseline=_facts("facts baseline", graph.baseline_facts),
        notes="".join(f'<p class="note">{escaped(note)}.</p>' for note in graph.notes),
        legend=_legend(graph),
        tables=_tables(graph),
        data=_json(graph_data(graph)),
        script=script,
    )
    out.write(page.encode())


def _part(suffix: str) -> str:
    """Read one of the page's own files."""
    return (_PAGE / f"flamegraph.{suffix}").read_text(encoding="utf-8")


def graph_data(graph: FlameGraph) -> dict[str, Any]:
    """Give what the page's script draws.

    Returns:
        places (function, file, lines, mapping, kind, shade) and, for each node in preorder from
        the node of everything on, place, depth and value; samples and base where they are known.
    """
    tree = graph.tree
    values, base = tree.values[:, 0], tree.values[:, 1]
    data: dict[str, Any] = {
        "unit": graph.unit,
        "places": [["all", "", "", "", "unknown", 128], *map(_place, tree.places)],
        "place": [0, *(tree.place + 1).tolist()],
        "depth": [0, *(tree.depth + 1).tolist()],
        "value": [tree.totals[0], *values.tolist()],
    }
    if tree.samples is not None:
        roots = tree.depth == 0
        data["samples"] = [int(tree.samples[roots].sum()), *tree.samples.tolist()]
    if graph.compared:
        data["base"] = [tree.totals[1], *base.tolist()]
        data["scale"] = change_scale(graph)
    return data


def change_scale(graph: FlameGraph) -> float:
    """Give the change of share that has the strongest colour."""
    values = graph.tree.values
    shares = values / [max(total, 1) for total in graph.tree.totals]
    largest = float(abs(shares[:, 0] - shares[:, 1]).max(initial=0.0))
    return min(max(largest, 0.001), _LARGEST_CHANGE)


def _place(place: Place) -> list[Any]:
    lines = str(place.line_first or "")
    if place.line_last > place.line_first:
        lines += f"–{place.line_last}"
    texts = (place.function, place.file, lines, place.mapping)
    return [*map(visible, texts), place.kind, place.shade]


def _facts(name: str, facts: Sequence[tuple[str, str]]) -> str:
    pairs = "".join(
        f"<div><dt>{escaped(name)}</dt><dd>{escaped(text)}</dd></div>" for name, text in facts
    )
    return f'<dl class="{name}">{pairs}</dl>' if pairs else ""


def _legend(graph: FlameGraph) -> str:
    if graph.compared:
        scale = f"{100 * change_scale(graph):.2g} points of share"
        return (
            f"<span>shrank by {scale} "
            f'<i class="scale"></i> '
            f"grew by {scale}</span><span>width: the new side</span>"
        )
    kinds = sorted({graph.tree.places[place].kind for place in graph.tree.place.tolist()})
    return "".join(f'<span><i data-kind="{kind}"></i>{kind}</span>' for kind in kinds)


def _tables(graph: FlameGraph) -> str:
    totals, unit = graph.tree.totals, graph.unit
    if not graph.compared:
        rows = [
            (
                percent(share(each.own, totals[0])),
                human(each.own, unit),
                percent(share(each.total, totals[0])),
                each.name,
            )
            for each in heaviest(graph.functions, _MOST_FUNCTIONS)
        ]
        return _table(
            "Functions by what they took themselves", "of total,self,with callees,function", rows
        )
    moved = [
        (
            f"{100 * change:+.2f}",
            percent(share(each.base_own, totals[1])),
            percent(share(each.own, totals[0])),
            each.name,
        )
        for each, change in changed(graph.functions, totals, _MOST_FUNCTIONS)
    ]
    left = gone(graph.functions)
    lost = [
        (percent(share(each.base_total, totals[1])), human(each.base_total, unit), each.name)
        for each in left[:_MOST_FUNCTIONS]
    ]
    more = f", the first {_MOST_FUNCTIONS} of {len(left)}" if len(left) > _MOST_FUNCTIONS else ""
    return _table(
        "Functions whose share of their own changed", "points,baseline,now,function", moved
    ) + _table(f"Functions that are gone{more}", "of baseline,with callees,function", lost)


def _table(title: str, names: str, rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return f"<section><h2>{escaped(title)}</h2><p>None.</p></section>"
    head = "".join(f'<th scope="col">{name}</th>' for name in names.split(","))
    body = "".join(f"<tr>{''.join(_cells(row))}</tr>" for row in rows)
    return (
        f"<section><h2>{escaped(title)}</h2><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></section>"
    )


def _cells(row: tuple[str, ...]) -> Iterable[str]:
    """Write a row: numbers, then a function, which a click searches for."""
    for text in row[:-1]:
        sign = {"+": ' class="grew"', "-": ' class="shrank"'}.get(text[0], "")
        yield f"<td{sign}>{escaped(text)}</td>"
    yield f'<td><button type="button" dir="auto">{escaped(row[-1])}</button></td>'


def _json(data: dict[str, Any]) -> str:
    """Write JSON that can stand in a script element, whatever its texts are."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _digest(script: str) -> str:
    """Give a script's hash as a policy names it."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
