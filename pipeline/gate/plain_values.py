"""Frozen dataclasses as plain JSON values, and back again by what their fields are declared as."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any


def plain(value: Any, exact: bool = False) -> Any:
    """Give a value as JSON has it.

    Args:
        value: a dataclass, tuple, mapping, text, number, truth or None, of such.
        exact: whether numbers that are not finite are told apart, by name; null otherwise, as
            readers of other languages expect.

    Returns:
        Objects by field, and lists.

    >>> plain((1, float("nan"), {"a": ()})), plain((float("-inf"),), exact=True)
    ([1, None, {'a': []}], ['-inf'])
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in dataclasses.fields(value)]
        return {name: plain(getattr(value, name), exact) for name in names}
    if isinstance(value, Mapping):
        return {str(key): plain(each, exact) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each, exact) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value) if exact else None
    return value


def rebuilt(kind: Any, value: Any) -> Any:
    """Make again what ``plain`` was given.

    Args:
        kind: the type it had: a dataclass, or what a field of one is declared as.
        value: as JSON gave it.

    Returns:
        An equal value; a number that became null is NaN.

    Raises:
        KeyError, TypeError, ValueError: it is no such thing.

    >>> rebuilt(tuple[tuple[str, float], ...], [["p50", 1]])
    (('p50', 1.0),)
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _dataclass(kind, value)
    if origin in (types.UnionType, typing.Union):
        return _union(inner, value)
    if origin is tuple:
        return _tuple(inner, value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise TypeError(f"{value!r} is not an object")
        return {rebuilt(inner[0], key): rebuilt(inner[1], each) for key, each in value.items()}
    if kind is float:
        return math.nan if value is None else _float(value)
    if not isinstance(kind, type) or not isinstance(value, kind):
        raise TypeError(f"{value!r} is not {kind}")
    return value


def _dataclass(kind: type, value: Any) -> Any:
    """Make a dataclass of its fields; those that are missing take their defaults."""
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is not {kind.__name__}")
    hints = typing.get_type_hints(kind)
    unknown = sorted(value.keys() - hints.keys())
    if unknown:
        raise KeyError(f"{kind.__name__}: {', '.join(unknown)}: not known")
    return kind(**{name: rebuilt(hints[name], each) for name, each in value.items()})


def _union(inner: tuple[Any, ...], value: Any) -> Any:
    """Make the first of several types that the value is one of."""
    if value is None and type(None) in inner:
        return None
    for each in inner:
        if each is not type(None):
            try:
                return rebuilt(each, value)
            except (KeyError, TypeError, ValueError):
                continue
    raise TypeError(f"{value!r} is none of {inner}")


def _tuple(inner: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    """Make a tuple of any length, or of as many as are declared."""
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is not a list")
    if len(inner) == 2 and inner[1] is Ellipsis:
        return tuple(rebuilt(inner[0], each) for each in value)
    return tuple(rebuilt(each, one) for each, one in zip(inner, value, strict=True))


def _float(value: Any) -> float:
    if value in ("nan", "inf", "-inf"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)
