"""Spans of one small shop, and landing them."""

import pytest

from pipeline.lake import append
from pipeline.schema import SPANS

_SHOP = {
    "service_name": "shop",
    "service_version": "v1",
    "service_instance_id": "a",
    "name": "GET /cart",
    "duration_nano": 1_000_000,
}


@pytest.fixture
def spans_of(span_rows):
    """Make spans at noon, a millisecond long, unless told otherwise."""
    return lambda *spans: span_rows(*(_SHOP | span for span in spans))


@pytest.fixture
def land(lake, spans_of):
    """Land spans as one version of the lake's spans table."""
    return lambda *spans: append(lake, SPANS, spans_of(*spans))
