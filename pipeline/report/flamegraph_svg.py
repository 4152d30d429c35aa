"""A flame graph as a still SVG picture, to be put into documents: no script, nothing to load."""

import math
from collections.abc import Iterator
from typing import BinaryIO
from unicodedata import east_asian_width

from pipeline.report.flame_functions import share
from pipeline.report.flamegraph import FlameGraph, human, percent
from pipeline.report.flamegraph_html import change_scale
from pipeline.report.visible import escaped, visible

_WIDTH = 1200
_ROW = 18
_MARGIN = 12

# Of the fonts named below, at 12 pixels.
_LETTER = 7.25

# Narrower frames are no more than noise in a picture that cannot be zoomed.
_LEAST_WIDTH = 0.3

# Hue, its spread over modules, and saturation of each kind, as on the page.
_KINDS = {
    "native": (30, 16, 78),
    "kernel": (352, 8, 66),
    "jit": (128, 14, 42),
    "python": (208, 14, 62),
    "java": (172, 12, 48),
    "js": (56, 7, 76),
    "inlined": (276, 14, 50),
    "unknown": (34, 20, 60),
}

_STYLE = (
    ".b{fill:#fbfaf8}text{font:12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
    "fill:#1a1916}.h{font:600 16px system-ui,'DejaVu Sans',sans-serif}.q{font:12px system-ui,"
    "'DejaVu Sans',sans-serif;fill:#5d5a54}@media(prefers-color-scheme:dark){.b{fill:#16171a}"
    ".h{fill:#ecebe8}.q{fill:#a5a39d}}"
)

# Node (-1 for everything), row, left side and width.
Box = tuple[int, int, float, float]


def write_svg(graph: FlameGraph, out: BinaryIO) -> None:
    """Write a flame graph as SVG, roots at the top; the same graph gives the same bytes.

    Args:
        graph: the flame graph.
        out: where; it gets UTF-8.
    """
    boxes = list(_boxes(graph))
    lines = list(_lines(graph))
    above = 34 + 16 * len(lines)
    rows = max(row for _, row, _, _ in boxes) + 1
    height = above + rows * _ROW + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-labelledby="title">',
        f'<title id="title">{escaped(graph.title)}</title>',
        f"<desc>{escaped('. '.join(lines))}</desc>",
        f'<style>{_STYLE}</style><rect class="b" width="{_WIDTH}" height="{height}"/>',
        f'<text class="h" x="{_MARGIN}" y="24">{escaped(_cut(graph.title, 120))}</text>',
    ]
    parts += [
        f'<text class="q" x="{_MARGIN}" y="{42 + 16 * number}">{escaped(_cut(line, 190))}</text>'
        for number, line in enumerate(lines)
    ]
    scale = change_scale(graph)
    parts += [_drawn(graph, scale, above, box) for box in boxes]
    out.write(("\n".join([*parts, "</svg>"]) + "\n").encode())


def _lines(graph: FlameGraph) -> Iterator[str]:
    """Give the lines below the title."""
    *facts, version = (f"{name} {text}" for name, text in graph.facts)
    yield " · ".join(facts)
    if graph.compared:
        yield "baseline: " + " · ".join(f"{name} {text}" for name, text in graph.baseline_facts)
        yield "red: the share of the total grew · blue: it shrank · width: the new side"
    yield " · ".join([*graph.notes, version])


def _boxes(graph: FlameGraph) -> Iterator[Box]:
    """Give all frames that are wide enough, and the box of everything above them."""
    tree = graph.tree
    scale = (_WIDTH - 2 * _MARGIN) / tree.totals[0]
    values, depths = tree.values[:, 0].tolist(), tree.depth.tolist()
    yield -1, 0, _MARGIN, tree.totals[0] * scale
    next_left = [0]
    for node, (value, depth) in enumerate(zip(values, depths, strict=True)):
        del next_left[depth + 1 :]
        left = next_left[depth]
        next_left[depth] = left + value
        next_left.append(left)
        if value * scale >= _LEAST_WIDTH:
            yield node, depth + 1, _MARGIN + left * scale, value * scale


def _drawn(graph: FlameGraph, scale: float, above: int, box: Box) -> str:
    """Draw one frame: a box, its name where there is room, and all of it as a title."""
    node, row, left, width = box
    tree = graph.tree
    name = "all" if node < 0 else tree.places[int(tree.place[node])].function
    value = tree.totals[0] if node < 0 else int(tree.values[node, 0])
    now = share(value, tree.totals[0])
    about = f"{name} — {human(value, graph.unit)}, {percent(now)}"
    if graph.compared and node >= 0:
        change = now - share(int(tree.values[node, 1]), tree.totals[1])
        about += f", change {100 * change:+.2f} points"
    y = above + row * _ROW
    drawn = (
        f'<rect x="{left:.2f}" y="{y}" width="{max(width - 0.5, 0.3):.2f}" height="{_ROW - 1}" '
        f'rx="1.5" fill="{_fill(graph, scale, node)}"/>'
    )
    room = int((width - 8) / _LETTER)
    text = ""
    if room >= 3:
        shown = escaped(_cut(name, room))
        text = f'<text x="{left + 4:.2f}" y="{y + 13}" direction="ltr">{shown}</text>'
    return f"<g><title>{escaped(about)}</title>{drawn}{text}</g>"


def _fill(graph: FlameGraph, scale: float, node: int) -> str:
    """Give a frame's colour: what kind it is, or how its share changed."""
    tree = graph.tree
    if node < 0:
        return "hsl(40,10%,84%)"
    if graph.compared:
        now = share(int(tree.values[node, 0]), tree.totals[0])
        change = now - share(int(tree.values[node, 1]), tree.totals[1])
        # By the square root, so that small changes can be told from none.
        strength = math.sqrt(min(abs(change) / scale, 1))
        return f"hsl({6 if change > 0 else 216},{82 * strength:.0f}%,{94 - 30 * strength:.0f}%)"
    place = tree.places[int(tree.place[node])]
    hue, spread, saturation = _KINDS.get(place.kind, _KINDS["unknown"])
    shade = place.shade / 255 - 0.5
    lightness = 75 + 10 * ((place.shade * 7 % 256) / 255 - 0.5)
    return f"hsl({hue + 2 * spread * shade:.0f},{saturation}%,{lightness:.0f}%)"


def _cut(text: str, letters: int) -> str:
    """Cut a text to so many letters, as it is shown; letters of the East are two wide."""
    shown = visible(text)
    room = letters
    for place, letter in enumerate(shown):
        room -= 2 if east_asian_width(letter) in "WF" else 1
        if room < 0:
            return shown[: max(place - 1, 0)] + "…"
    return shown
