"""Texts that a value may be written as: equal to every right one, however it is written."""

import json
import math
import re
from typing import Any


class Shortest:
    """Equal to any text that gives this double back and needs no more digits than it must."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Shortest):
            return repr(self.value) == repr(other.value)
        if not isinstance(other, str) or float(other) != self.value:
            return False
        signs = math.copysign(1, float(other)) == math.copysign(1, self.value)
        return signs and digits(other) <= digits(repr(self.value))

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return f"Shortest({self.value!r})"


def digits(number: str) -> int:
    """Count the significant digits of a decimal text."""
    return len(re.sub(r"[-+.]", "", number.split("e")[0]).strip("0"))


class Json:
    """Equal to any compact JSON text of this value, keys in this order."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Json):
            return bool(self.value == other.value)
        if not isinstance(other, str):
            return False
        read = json.loads(other, object_pairs_hook=Pairs)
        spaces = re.sub(r'"(\\.|[^"\\])*"', "", other)
        return same(read, self.value) and " " not in spaces

    def __hash__(self) -> int:
        return hash(str(self.value))

    def __repr__(self) -> str:
        return f"Json({self.value!r})"


class Joined:
    """Equal to the text of one value, what stands between, and the text of another."""

    def __init__(self, before: Any, between: str, after: Any) -> None:
        self.parts = (before, between, after)

    def __eq__(self, other: object) -> bool:
        before, between, after = self.parts
        if not isinstance(other, str):
            return isinstance(other, Joined) and self.parts == other.parts
        return any(
            equal(other[:place], before) and equal(other[place + len(between) :], after)
            for place in range(len(other))
            if other.startswith(between, place)
        )

    def __hash__(self) -> int:
        return hash(str(self.parts))

    def __repr__(self) -> str:
        return f"Joined{self.parts!r}"


def equal(text: str, value: Any) -> bool:
    """Compare a part of a text, which need not be a number or JSON at all."""
    try:
        return bool(value == text)
    except ValueError:
        return False


class Pairs(list[Any]):
    """The entries of a JSON object, in order."""


def same(left: Any, right: Any) -> bool:
    """Compare without taking True for 1, or an object for an array."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)
