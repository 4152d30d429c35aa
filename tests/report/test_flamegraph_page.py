"""A flame graph as a page and as a picture: whole, harmless, the same every time."""

import html.parser
import io
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipeline.report
from collectors.frames_and_stacks import Frame
from pipeline.jobs.profile_request import ProfileRequest
from pipeline.jobs.profile_selection import select
from pipeline.lake import Lake
from pipeline.report.flamegraph import FlameGraph, make_flamegraph
from pipeline.report.flamegraph_html import write_html
from pipeline.report.flamegraph_svg import write_svg
from pipeline.report.visible import escaped, visible
from tests.report.profile_lake import land

SCRIPT = Path(str(pipeline.report.__file__)).with_name("page") / "flamegraph.js"
SVG = "{http://www.w3.org/2000/svg}"

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!--<script>",
    "\"'&quot; onload=x",
    "שלום \u202egpj.exe",
    "naïve 日本語 \u2028",
    "nul\x00bell\x07",
)


class Page(html.parser.HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "script" and self.cdata_elem == "script":
            self.scripts[-1] += data
        else:
            self.text += data


def hostile(lake: Lake) -> FlameGraph:
    """Make the graph of a lake whose every text is an attack."""
    for number, text in enumerate(HOSTILE):
        clean = text.replace("\x00", "")
        land(
            lake,
            ([Frame(clean, file=clean, mapping=clean), Frame("main")], 10 + number),
            version=clean,
            name=HOSTILE[0],
        )
    return make_flamegraph(select(lake, ProfileRequest()))


def page_of(graph: FlameGraph) -> str:
    out = io.BytesIO()
    write_html(graph, out)
    return out.getvalue().decode()


def picture_of(graph: FlameGraph) -> str:
    out = io.BytesIO()
    write_svg(graph, out)
    return out.getvalue().decode()


def data_of(page: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(Page(page).scripts[0])
    return data


def box_of(group: ElementTree.Element) -> dict[str, str]:
    """Give the attributes of a frame's box."""
    box = group.find(f"{SVG}rect")
    assert box is not None
    return box.attrib


def plain(lake: Lake) -> FlameGraph:
    land(lake, ("main;work;hot", 60), ("main;work", 20), ("main;rest", 20))
    return make_flamegraph(select(lake, ProfileRequest()))


def compared(lake: Lake) -> FlameGraph:
    """Make the graph of version 2 against version 1."""
    new, old = (
        select(lake, ProfileRequest(where=(("service.version", each),))) for each in ("2", "1")
    )
    return make_flamegraph(new, old)


def difference(lake: Lake) -> FlameGraph:
    land(lake, ("main;old", 30), ("main;work", 70))
    land(lake, ("main;work", 40), version="2")
    return compared(lake)


def test_the_page_holds_its_data_and_the_data_the_total(lake: Lake) -> None:
    data = data_of(page_of(plain(lake)))
    names = [data["places"][place][0] for place in data["place"]]
    nodes = list(zip(names, data["depth"], data["value"], strict=True))
    assert nodes == [
        ("all", 0, 100),
        ("main", 1, 100),
        ("rest", 2, 20),
        ("work", 2, 80),
        ("hot", 3, 60),
    ]


def test_pages_and_pictures_are_the_same_every_time(lake: Lake) -> None:
    graph = plain(lake)
    again = make_flamegraph(select(lake, ProfileRequest()))
    assert page_of(graph) == page_of(again)
    assert picture_of(graph) == picture_of(again)


def test_a_page_loads_nothing_and_runs_its_own_script_alone(lake: Lake) -> None:
    text = page_of(plain(lake))
    page = Page(text)
    assert not {name for name, _ in page.attributes} & {"src", "href", "srcset", "action"}
    assert not re.search(r"https?://|@import|url\(", text)
    assert "default-src 'none'; script-src 'sha256-" in text


def test_names_of_strangers_are_text_and_nothing_else(lake: Lake) -> None:
    usual = Page(page_of(plain(lake)))
    text = page_of(hostile(lake))
    page = Page(text)
    assert len(page.scripts) == 2
    assert set(page.tags) <= set(usual.tags)
    assert not any(name.startswith("on") for name, _ in page.attributes)
    shown = {visible(name.replace("\x00", "")) for name in HOSTILE}
    assert {place[0] for place in data_of(text)["places"]} == {"all", "main", *shown}
    assert "\u202e" not in text


def test_a_picture_is_xml_without_a_script_whatever_the_names(lake: Lake) -> None:
    tree = ElementTree.fromstring(picture_of(hostile(lake)))
    tags = {each.tag.removeprefix(SVG) for each in tree.iter()}
    assert tags == {"svg", "title", "desc", "style", "rect", "text", "g"}
    titles = [str(each.text) for each in tree.iter(f"{SVG}title")]
    assert any(title.startswith(HOSTILE[0]) for title in titles)


@given(st.text())
def test_what_is_shown_can_be_seen_and_is_no_markup(text: str) -> None:
    ElementTree.fromstring(f"<a b='{escaped(text)}'>{escaped(text)}</a>")
    assert visible(visible(text)) == visible(text)


def test_boxes_of_a_picture_are_as_wide_as_their_share(lake: Lake) -> None:
    tree = ElementTree.fromstring(picture_of(plain(lake)))
    widths = {
        str(group.findtext(f"{SVG}title")).split(" — ")[0]: float(box_of(group)["width"])
        for group in tree.iter(f"{SVG}g")
    }
    assert {name: round(width / widths["all"], 2) for name, width in widths.items()} == {
        "all": 1.0,
        "main": 1.0,
        "rest": 0.2,
        "work": 0.8,
        "hot": 0.6,
    }


def test_a_difference_has_both_sides_a_legend_and_what_is_gone(lake: Lake) -> None:
    text = page_of(difference(lake))
    data = data_of(text)
    assert (data["value"][0], data["base"][0]) == (40, 100)
    page = Page(text)
    assert "Functions that are gone" in page.text
    assert "old" in page.text
    assert "grew by" in page.text
    assert "Baseline" in text
    assert "+30.00" in page.text


def test_a_difference_is_red_where_a_share_grew_and_blue_where_it_shrank(lake: Lake) -> None:
    land(lake, ("main;up", 10), ("main;down", 30))
    land(lake, ("main;up", 30), ("main;down", 10), version="2")
    graph = compared(lake)
    tree = ElementTree.fromstring(picture_of(graph))
    colours = {
        str(group.findtext(f"{SVG}title")).split(" — ")[0]: box_of(group)["fill"]
        for group in tree.iter(f"{SVG}g")
    }
    assert str(colours["up"]).startswith("hsl(6,82%")
    assert str(colours["down"]).startswith("hsl(216,82%")


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run the page's script")
def test_the_pages_script_lays_out_searches_and_describes(lake: Lake) -> None:
    data = data_of(page_of(plain(lake)))
    program = f"""
        const page = require({json.dumps(str(SCRIPT))});
        const data = {json.dumps(data)};
        const tree = page.layout(data);
        const found = page.search(data, tree, "WORK");
        console.log(JSON.stringify({{
          parent: [...tree.parent], end: [...tree.end], left: [...tree.left],
          share: found.share, functions: found.functions,
          text: page.describe(data, tree, 4),
        }}));
    """
    done = subprocess.run(
        ["node", "-e", program],
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert json.loads(done.stdout) == {
        "parent": [-1, 0, 1, 1, 3],
        "end": [5, 5, 3, 5, 5],
        "left": [0, 0, 0, 20, 20],
        "share": 0.8,
        "functions": 1,
        "text": ["hot", "native", "60 ns · 60.00 % of total · 75.00 % of caller"],
    }
