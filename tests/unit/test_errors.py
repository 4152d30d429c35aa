"""The tree of errors is drawn as it is."""

import inspect
import re

import pipeline.errors
from pipeline.errors import TailgateError


def classes() -> dict[str, type[TailgateError]]:
    """Give every error by name."""
    members = inspect.getmembers(pipeline.errors, inspect.isclass)
    return {name: kind for name, kind in members if issubclass(kind, TailgateError)}


def test_the_drawing_names_every_error_below_its_parent() -> None:
    drawn: dict[str, str] = {}
    parents = {0: "TailgateError"}
    for line in str(pipeline.errors.__doc__).splitlines():
        match = re.match(r"^([│├└─ ]*)([A-Z]\w+)", line)
        if not match or "Every error" in line:
            continue
        depth = len(match[1]) // 4
        parents[depth] = match[2]
        if depth:
            drawn[match[2]] = parents[depth - 1]
    actual = {
        name: kind.__mro__[1].__name__
        for name, kind in classes().items()
        if kind is not TailgateError
    }
    assert drawn == actual


def test_every_error_has_an_exit_status_of_the_documented_ones() -> None:
    assert {kind.exit_status for kind in classes().values()} <= {1, 2, 3}
