"""A judgement as a page: whole, harmless, bounded, and drawn where the numbers are."""

import base64
import hashlib
import html.parser
import io
import json
import math
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipeline.report
from pipeline.gate.verdict import VERDICTS, Check, Measure
from pipeline.jobs.judge_pictures import Picture
from pipeline.report.judgement import tell
from pipeline.report.judgement_page import MOST_DRAWN, write_page
from pipeline.report.judgement_rows import Told
from pipeline.report.page_axes import Axis, log_ticks, ticks
from pipeline.report.page_distributions import distributions
from pipeline.report.page_intervals import intervals
from pipeline.report.page_minutes import minutes
from tests.report.two_sides import HOSTILE, NOON_MINUTE, inputs_of, judged, why

SCRIPT = Path(str(pipeline.report.__file__)).with_name("page") / "judgement.js"
MEASURE = Measure(100.0, 150.0, (900.0, 900.0), 0.5, 0.4, 0.6, 0.1, 1e-9, 0.08, "blocks")


class Page(html.parser.HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def told(lake, span_rows) -> Told:
    """Give a judgement with pictures, and with what explains it."""
    inputs = inputs_of(lake, span_rows)
    return tell(judged(inputs), inputs, (why(), why(HOSTILE)), drawn=True)


def page_of(told: Told) -> str:
    out = io.BytesIO()
    write_page(told, out)
    return out.getvalue().decode()


def pictures_in(text: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(found) for found in re.findall(r"<svg.*?</svg>", text, re.S)]


def test_a_page_opens_with_the_verdict_and_draws_first_what_decides(told: Told) -> None:
    text = page_of(told)
    assert text.index('class="verdict v-fail"') < text.index("<table")
    articles = re.findall(r"<article.*?</article>", text, re.S)
    assert "shop · POST /pay" in articles[0]
    # Two kinds of distribution, the tail, the intervals and the course of it.
    assert len(pictures_in(articles[0])) == 5
    assert "db &lt;b&gt;4&lt;/b&gt; times" in articles[0]
    assert "ab" * 16 in articles[0]
    assert "2026-03-01 12:00:00.000" in articles[0]
    for setting in ("latency minutes version", "alpha", "relative margin", "tailgate"):
        assert f"<dt>{setting}</dt>" in text


def test_a_page_loads_nothing_and_runs_its_own_script_alone(told: Told) -> None:
    text = page_of(told)
    page = Page(text)
    assert not {name for name, _ in page.attributes} & {"src", "srcset", "action", "style"}
    assert all(str(value).startswith("#o") for name, value in page.attributes if name == "href")
    assert not re.search(r"https?://|@import|url\(", text)
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in text


def test_names_of_strangers_are_text_and_nothing_else(told: Told) -> None:
    page = Page(page_of(told))
    assert page.tags.count("script") == 1
    assert not {"b", "img"} & set(page.tags)
    assert not any(name.startswith("on") for name, _ in page.attributes)
    shown = HOSTILE.replace("\u202e", "\\u202e")
    assert shown in page.texts
    assert "\u202e" not in "".join(page.texts)


def test_the_same_judgement_is_the_same_page(told: Told) -> None:
    assert page_of(told) == page_of(replace(told))


def test_budgets_have_a_page_without_pictures() -> None:
    limit = replace(MEASURE, baseline=120.0, effect=150.0, low=140.0, high=160.0, margin=120.0)
    check = Check("shop", "POST /pay", "p95_ms", "ms", "limit", True, limit, verdict="fail")
    sql = Check("", "", "sql", "", "limit", reason="no rows", verdict="no_data", name="queries")
    told = Told("budgets", "tailgate check", "fail", (sql, replace(check, name="fast")), 0.0, {})
    text = page_of(told)
    assert '<th scope="col">budget</th>' in text
    (drawn,) = pictures_in(text)
    assert "value, ms" in "".join(drawn.itertext())


def test_a_thousand_operations_make_a_page_below_two_megabytes(told: Told) -> None:
    names = [f"GET /a/rather/long/path/{{id}}/{number:04d}" for number in range(1000)]
    checks = tuple(
        Check(
            "a-service-with-a-name",
            name,
            metric,
            "ms",
            "ratio",
            True,
            MEASURE,
            "worse, perhaps by less than the margin",
            verdict=VERDICTS[number % 5],
            advice="about 2493 more minutes at this traffic",
        )
        for number, name in enumerate(names)
        for metric in ("p50", "p95", "p99", "error_ratio")
    )
    drawn = tuple(
        replace(told.pictures[0], service_name="a-service-with-a-name", operation=name)
        for name in names
    )
    text = page_of(replace(told, checks=checks, pictures=drawn))
    assert len(text.encode()) < 2_000_000
    articles = text.count("<article")
    assert 10 < articles <= MOST_DRAWN
    assert f"{1000 - articles} more operations are in the table above" in text
    left = re.search(r"(\d+) more checks, which decide least", text)
    assert text.count("<tr data-v") + (int(left[1]) if left else 0) == 4000


def test_a_distribution_passes_through_its_quantiles_and_a_histogram_holds_all(
    told: Told,
) -> None:
    picture = told.pictures[0]
    assert picture.operation == "POST /pay"
    cumulative, tail, histogram = pictures_in(distributions(picture))
    marks = {
        str(mark.findtext("title"))[:12]: float(re.split("[MV ]", mark.attrib["d"])[1])
        for mark in cumulative.iter("path")
        if mark.attrib["class"].startswith("q")
    }
    curves = [
        np.array([point.split() for point in re.split("[ML]", path.attrib["d"])[1:]], dtype=float)
        for path in cumulative.iter("path")
        if path.attrib["class"].startswith("l")
    ]
    # The middle of the drawing's height is the median.
    top, bottom = curves[0][:, 1].min(), curves[0][:, 1].max()
    for curve, name in zip(curves, ("p50 baseline", "p50 canary: "), strict=True):
        crossing = np.interp(-(top + bottom) / 2, -curve[:, 1], curve[:, 0])
        assert crossing == pytest.approx(marks[name], abs=4)
    assert "took longer" in "".join(tail.itertext())
    shares = [
        [float(share) for share in re.findall(r"([\d.e-]+) %", str(bar.findtext("title")))]
        for bar in histogram.iter("path")
        if bar.attrib["class"] == "h"
    ]
    assert np.sum(shares, axis=0).tolist() == pytest.approx([100, 100], abs=1)


def test_the_course_tells_time_requests_and_errors_of_both_sides(told: Told) -> None:
    picture: Picture = told.pictures[0]
    assert (picture.first_minute, picture.step_minutes) == (NOON_MINUTE, 1)
    (drawn,) = pictures_in(minutes(picture))
    tips = [str(tip.text) for tip in drawn.iter("title")]
    assert len(tips) == 12
    assert tips[0].startswith("12:00\np50 ")
    assert "requests a minute 20.0 → 20.0" in tips[0]
    assert "failed 5.00 → 5.00" in tips[0]


def test_an_operation_of_one_side_is_drawn_with_what_there_is(told: Told) -> None:
    picture = told.pictures[0]
    nothing = replace(
        picture.sides[1],
        counts=np.zeros_like(picture.sides[1].counts),
        log_quantiles=np.full(3, np.nan),
        step_log_quantiles=np.full_like(picture.sides[1].step_log_quantiles, np.nan),
        error_ratios=np.full_like(picture.sides[1].error_ratios, np.nan),
    )
    alone = replace(picture, sides=(picture.sides[0], nothing))
    text = distributions(alone) + minutes(alone)
    assert len(pictures_in(text)) == 4
    assert "nan" not in text
    assert "canary: no durations" in text


def test_intervals_lie_between_their_bounds_and_unknown_ones_reach_the_edge() -> None:
    check = Check("shop", "op", "p50", "ms", "ratio", True, MEASURE, verdict="fail")
    (drawn,) = pictures_in(intervals([check]))
    group = drawn.find("g")
    assert group is not None
    assert "p50: +50 [+40, +60] %; let through: 10.0 %; fail" in str(group.findtext("title"))
    paths = {path.attrib["class"]: path.attrib["d"] for path in group.iter("path")}
    low, high = map(float, re.findall(r"^M([\d.]+) [\d.]+H([\d.]+)", paths["i v-fail"])[0])
    margin = float(re.split("[MV ]", paths["a"])[1])
    circle = group.find("circle")
    assert circle is not None
    assert margin < low < float(circle.attrib["cx"]) < high
    unbounded = replace(check, measure=replace(MEASURE, high=math.inf))
    assert "nan" not in intervals([unbounded])
    disagreeing = replace(check, measure=replace(MEASURE, low=0.6, high=0.4))
    assert 'class="i v-fail n"' in intervals([disagreeing])
    assert intervals([replace(check, measure=None)]) == ""


@given(st.floats(1e-6, 1e9), st.floats(1.0001, 1e9), st.integers(2, 7))
def test_ticks_lie_between_the_ends_and_rise(low: float, times: float, most: int) -> None:
    high = low * times
    for found in (ticks(low, high, most), log_ticks(low, high)):
        assert found == sorted(set(found))
        assert all(low * 0.99 <= value <= high * 1.01 for value in found)
        assert 1 <= len(found) <= 20


@given(st.lists(st.floats(1e-3, 1e6), min_size=2, unique=True))
def test_an_axis_keeps_order_and_stays_between_its_ends(values: list[float]) -> None:
    axis = Axis(1e-3, 1e6, 46.0, 370.0, logarithmic=True)
    places = axis.place(sorted(values))
    assert (np.diff(places) >= 0).all()
    assert ((places >= 46) & (places <= 370)).all()


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run the page's script")
def test_the_table_sorts_verdicts_by_what_decides_and_numbers_as_numbers() -> None:
    cells = [
        ["✓ pass", "✕ fail", "! warn", "∅ no_data", "? inconclusive"],
        ["+9 [+1, +20] %", "–", "-3 [-4, -2] %", "+100 [+90, +110] %"],
        ["shop", "cart"],
    ]
    program = (
        f"const page = require({json.dumps(str(SCRIPT))});"
        f"const all = {json.dumps(cells)};"
        "console.log(JSON.stringify(all.map((cells) => cells.sort(page.compare))));"
    )
    done = subprocess.run(["node", "-e", program], capture_output=True, check=True, timeout=30)
    assert json.loads(done.stdout) == [
        ["✕ fail", "! warn", "? inconclusive", "∅ no_data", "✓ pass"],
        ["-3 [-4, -2] %", "+9 [+1, +20] %", "+100 [+90, +110] %", "–"],
        ["cart", "shop"],
    ]
