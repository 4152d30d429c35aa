"""A request that cannot be answered is refused where it is made, with what is known."""

import pytest

from pipeline.errors import BadWindow, UsageError
from pipeline.jobs.baseline_request import BaselineRequest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"where": (("colour", "red"),)}, "colour: not a dimension; known: service.name"),
        ({"group_by": ("service.name; DROP TABLE spans",)}, "not a dimension"),
        ({"kind": "web"}, "kind web: not a kind of span; known: requests, all"),
        ({"where": (("kind", "web"),)}, "kind web"),
        ({"group_by": ("operation", "operation")}, "group by operation: given twice"),
        (
            {"where": (("service.version", "1"), ("service_version", "2"))},
            "where service.version: given twice",
        ),
        ({"confidence": 95}, "confidence 95: not between 0 and 1"),
    ],
)
def test_what_does_not_exist_is_named(arguments, message):
    with pytest.raises(UsageError, match=message):
        BaselineRequest(**arguments)


def test_an_empty_window_is_refused():
    with pytest.raises(BadWindow, match="empty window"):
        BaselineRequest(since_unix_nano=5, until_unix_nano=5)


def test_attribute_and_column_names_mean_the_same():
    by_column = BaselineRequest(where=(("service_version", "v1"),), group_by=("service_name",))
    by_attribute = BaselineRequest(where=(("service.version", "v1"),), group_by=("service.name",))
    assert by_column.values() == by_attribute.values()
    assert by_column.grouped == by_attribute.grouped


def test_a_request_is_what_came_in_from_outside_unless_another_kind_is_asked():
    assert BaselineRequest().kinds == (2, 5)
    assert BaselineRequest(kind="all").kinds == (0, 1, 2, 3, 4, 5)
    assert BaselineRequest(where=(("kind", "client"),)).kinds == (3,)
