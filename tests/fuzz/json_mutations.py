"""OTLP/JSON spoilt by structure: other types, huge numbers, keys twice, too deep; and by byte."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fuzz.wire_mutations import spoil_bytes


@dataclass(frozen=True)
class Raw:
    """A text that is written as it stands, JSON or not."""

    text: str


@dataclass(frozen=True)
class Pairs:
    """An object's keys and values, of which a key may come twice."""

    pairs: tuple[tuple[str, Any], ...]


OTHERS: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    2**63 - 1,
    2**64,
    10**400,
    "",
    "0",
    "NaN",
    "-Infinity",
    "9223372036854775808",
    "1e3",
    "１２",
    "zz",
    "0" * 31 + "1",
    "AAE=",
    "é\x00",
    [],
    [[]],
    {},
    {"": {}},
    Raw("NaN"),
    Raw("1e999"),
    Raw("-0"),
    Raw("1E400000000"),
    Raw("0.1e-400"),
    Raw('"\\ud800"'),
    Raw('"\\ud834\\udd1e"'),
    Raw("9" * 5000),
    Raw("01"),
    Raw("'x'"),
    Raw(""),
    Raw("[1,]"),
)
DEPTHS = (5, 30, 49, 50, 51, 97, 100, 101, 5000, 40_000)


def spoil_document(document: Any, rng: random.Random) -> bytes:
    """Change a document in one or several places and write it."""
    for _ in range(rng.choice((1, 1, 2, 5))):
        document = _spoil(document, rng)
    written = write(document).encode("utf-8", "surrogatepass")
    if rng.random() < 0.2:
        written = spoil_bytes(written, rng)
    if rng.random() < 0.03:
        written = rng.choice(
            (b"\xef\xbb\xbf" + written, written.decode("utf-8", "replace").encode("utf-16"))
        )
    return written


def write(value: Any) -> str:
    """Write a document with Raw and Pairs in it."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        value = Pairs(tuple(value.items()))
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(key)}:{write(each)}" for key, each in value.pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    if isinstance(value, int) and not isinstance(value, bool) and value > 2**65:
        return f"1{'0' * 400}"
    return json.dumps(value, ensure_ascii=False)


def _spoil(value: Any, rng: random.Random) -> Any:
    """Change a value, or more often one inside it."""
    inside = value.pairs if isinstance(value, Pairs) else value
    if isinstance(inside, dict) and inside and rng.random() < 0.88:
        key = rng.choice(list(inside))
        return inside | {key: _spoil(inside[key], rng)}
    if isinstance(inside, list) and inside and rng.random() < 0.88:
        at = rng.randrange(len(inside))
        return [*inside[:at], _spoil(inside[at], rng), *inside[at + 1 :]]
    if isinstance(inside, dict) and rng.random() < 0.7:
        return rng.choice(_OBJECT_FAULTS)(inside, rng)
    if isinstance(inside, list) and rng.random() < 0.5:
        return rng.choice((inside * 2, inside[:-1], [*inside, None], {"values": inside}))
    return _another(value, rng)


def _another(value: Any, rng: random.Random) -> Any:
    if rng.random() < 0.1:
        depth = rng.choice(DEPTHS)
        opening, closing = rng.choice(
            (
                ("[", "]"),
                ('{"arrayValue":{"values":[', "]}}"),
                ('{"kvlistValue":{"values":[{"key":"k","value":', "}]}}"),
            )
        )
        middle = '{"intValue":"1"}' if "V" in opening else "1"
        return Raw(opening * depth + middle + closing * depth)
    if isinstance(value, str) and rng.random() < 0.4:
        return rng.choice((value + value, value[:-1], value.upper(), f" {value}", value[::-1]))
    if isinstance(value, int) and rng.random() < 0.4:
        return rng.choice((str(value), Raw(f"{value}.0"), -value, value + 2**32, [value]))
    return rng.choice(OTHERS)


def _gone(value: dict[str, Any], rng: random.Random) -> Any:
    key = rng.choice([*value, ""])
    return {name: each for name, each in value.items() if name != key}


def _twice(value: dict[str, Any], rng: random.Random) -> Any:
    pairs = list(value.items())
    if pairs:
        key, each = rng.choice(pairs)
        pairs.insert(rng.randrange(len(pairs) + 1), (key, rng.choice((each, None, *OTHERS))))
    return Pairs(tuple(pairs))


def _unknown(value: dict[str, Any], rng: random.Random) -> Any:
    return {rng.choice(("new", "", "trace_id", "é", "__proto__")): rng.choice(OTHERS)} | value


def _snake(value: dict[str, Any], rng: random.Random) -> Any:
    return {
        "".join(f"_{c.lower()}" if c.isupper() else c for c in name): each
        for name, each in value.items()
    }


def _second_choice(value: dict[str, Any], rng: random.Random) -> Any:
    """Set one more field of those of which a message holds one."""
    names = ("stringValue", "intValue", "doubleValue", "boolValue", "asInt", "asDouble", "gauge")
    return value | {rng.choice(names): rng.choice(("7", 7, 1.5, True, {}))}


_OBJECT_FAULTS: tuple[Callable[[dict[str, Any], random.Random], Any], ...] = (
    _gone,
    _twice,
    _unknown,
    _snake,
    _second_choice,
)
