"""A capacity as a page: whole, harmless, without script, the same every time."""

import io
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from pipeline.jobs.capacity import run
from pipeline.jobs.capacity_answer import CapacityResult
from pipeline.jobs.capacity_request import CapacityRequest
from pipeline.lake import open_lake
from pipeline.report.capacity import WRITERS
from pipeline.stats.capacity_limits import safe_load
from tests.jobs.capacity_lake import land_shop

HOSTILE = "</style><script>alert(1)</script>\u202e|`"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> CapacityResult:
    """Give a capacity with everything but a peak."""
    lake = open_lake(tmp_path_factory.mktemp("capacity") / "lake", create=True)
    land_shop(lake)
    return run(
        lake,
        CapacityRequest(
            objective_s=0.25, memory_bytes=2.0**30, target_per_second=60.0, cpu_price=0.04
        ),
    )


def written(result: CapacityResult, form: str) -> str:
    """Write a capacity in a form."""
    out = io.BytesIO()
    WRITERS[form](result, out)
    return out.getvalue().decode()


def named(result: CapacityResult, name: str) -> CapacityResult:
    """Give the same with another name of the service and its operations."""
    (service,) = result.services
    buckets = replace(service.rows.buckets, operations=(name, "pay"))
    rows = replace(service.rows, service_name=name, buckets=buckets)
    return replace(result, services=(replace(service, rows=rows),))


def test_the_page_shows_three_charts_and_loads_nothing(result: CapacityResult) -> None:
    page = written(result, "html")
    drawn = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawn) == 3
    for each in drawn:
        ElementTree.fromstring(each)
    assert "<script" not in page
    assert not re.search(r"(src|href)=", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page


def test_the_safe_load_stands_in_the_text_and_in_the_chart(result: CapacityResult) -> None:
    page = written(result, "html")
    (safe,) = set(re.findall(r"safe (\d+\.\d)/s", page))
    assert f"safe load: {safe} requests/s an instance" in page
    assert f"safe load: {safe} requests/s an instance" in written(result, "text")
    assert f"- safe load: {safe} requests/s an instance" in written(result, "markdown")


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
def test_the_same_answer_gives_the_same_bytes(result: CapacityResult, form: str) -> None:
    assert written(result, form) == written(result, form)


def test_names_of_strangers_are_no_markup(result: CapacityResult) -> None:
    hostile = named(result, HOSTILE)
    page = written(hostile, "html")
    assert "<script" not in page
    assert page.count("</style>") == 1
    assert "\u202e" not in page + written(hostile, "text") + written(hostile, "markdown")
    assert "<script" not in written(hostile, "markdown")


def test_what_is_not_identified_is_said_and_not_drawn(result: CapacityResult) -> None:
    (service,) = result.services
    limits = tuple(
        replace(each, per_second=service.limits[-1].per_second, reason="no data")
        for each in service.limits
    )
    safe = safe_load(limits, 30.0, 30.0)
    nothing = replace(result, services=(replace(service, limits=limits, safe=safe),))
    page = written(nothing, "html")
    assert "safe load: not identified" in page
    assert page.count("<svg") == 2
    assert "not identified: no data" in written(nothing, "text")
