"""A team's own names of what tells of caches: the section [cache] of tailgate.toml.

[cache]
hit_attribute = ["app.cache_hit", "cacheStatus"]   # one name, or several
miss_values = ["EXPIRED", "BYPASS"]
key_attribute = "app.cache_key"
ttl_attribute = "app.ttl_ms"
ttl_unit = "ms"

What a span tells by a convention counts before what it tells by these names.
"""

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pipeline.errors import BadSetting

# A key's class: what stands before its first digit or second part.
KEY_CLASS = r"^[^0-9:/|]*[:/|]?"
SECTION = "cache"
# What says of a hit and of a miss by convention, in small letters.
HIT_WORDS = ("true", "hit", "1", "yes")
MISS_WORDS = ("false", "miss", "0", "no")
TTL_UNITS: Mapping[str, float] = {"s": 1.0, "ms": 1e-3}
# How alike a key must be to one that is known to be taken for it, from 0 to 1.
_ALIKE = 0.5

Names = tuple[str, ...]


def _said(meaning: str, example: str) -> dict[str, Any]:
    """Say what names mean, with one as an example."""
    return {"meaning": meaning, "example": example}


@dataclass(frozen=True)
class CacheNames:
    """Names of attributes, each none or several of which the first that a span has counts.

    Attributes:
        hit_attribute: of lookups, whether they hit: true, hit, 1, yes, or one of ``hit_values``.
        hit_values, miss_values: what else it says, in any case.
        key_attribute: the key.
        class_attribute: the key's class; where there is none, ``key_class`` makes one of the key.
        cache_attribute: the cache's name, of spans and of counters.
        operation_attribute: write, update, invalidate or delete on spans that change an item.
        version_attribute: the item's version, on reads and writes.
        write_attribute: what marks a write, whatever it says.
        ttl_attribute: how long the entry is kept, in ``ttl_unit``.
        ttl_unit: of it, s or ms.
        key_class: a regular expression; what it matches of a key is the key's class.
    """

    hit_attribute: Names = field(
        default=(), metadata=_said("Of lookups, whether they hit.", "app.cache_hit")
    )
    hit_values: Names = field(
        default=(), metadata=_said("What it says of a hit, beside true, hit, 1 and yes.", "STALE")
    )
    miss_values: Names = field(
        default=(),
        metadata=_said("What it says of a miss, beside false, miss, 0 and no.", "EXPIRED"),
    )
    key_attribute: Names = field(default=(), metadata=_said("The key.", "app.cache_key"))
    class_attribute: Names = field(
        default=(), metadata=_said("The key's class, else key_class makes it.", "app.entity")
    )
    cache_attribute: Names = field(
        default=(), metadata=_said("The cache's name, of spans and counters.", "app.cache")
    )
    operation_attribute: Names = field(
        default=(),
        metadata=_said(
            "write, update, invalidate or delete on spans that change an item.",
            "app.cache_operation",
        ),
    )
    version_attribute: Names = field(
        default=(), metadata=_said("The item's version, on reads and writes.", "app.version")
    )
    write_attribute: Names = field(
        default=(), metadata=_said("Marks a write, whatever it says.", "app.invalidated")
    )
    ttl_attribute: Names = field(
        default=(), metadata=_said("How long the entry is kept, in ttl_unit.", "app.ttl_ms")
    )
    ttl_unit: str = field(
        default="s", metadata={"meaning": "Of ttl_attribute.", "choices": tuple(TTL_UNITS)}
    )
    key_class: str = field(
        default=KEY_CLASS,
        metadata={
            "meaning": "A regular expression: what it matches of a key is its class.",
            "example": "^[a-z]+",
        },
    )

    def bound(self) -> dict[str, object]:
        """Give what statements bind: lists of names, and all words that say of a hit or a miss."""
        lists = {
            key.name: list(value)
            for key in fields(self)
            if isinstance(value := getattr(self, key.name), tuple)
        }
        for name, always in (("hit_values", HIT_WORDS), ("miss_values", MISS_WORDS)):
            lists[name] = [*always, *(value.lower() for value in lists[name])]
        return lists | {"ttl_unit_s": TTL_UNITS[self.ttl_unit]}

    def chosen(self, *names: str) -> dict[str, object]:
        """Give those that a statement binds.

        >>> CacheNames(key_attribute=("app.key",)).chosen("key_attribute")
        {'key_attribute': ['app.key']}
        """
        bound = self.bound()
        return {name: bound[name] for name in names}


def read_cache_names(path: Path | None) -> CacheNames:
    """Read the section [cache] of a settings file.

    Args:
        path: a tailgate.toml; None takes ./tailgate.toml where there is one.

    Raises:
        BadSetting: it cannot be read, or some keys are wrong: a line for each error.
    """
    chosen = path or Path("tailgate.toml")
    try:
        text = chosen.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except FileNotFoundError:
        if path is None:
            return CacheNames()
        raise BadSetting(f"{chosen}: no such file; give the path of a tailgate.toml") from None
    except OSError as error:
        raise BadSetting(f"{chosen}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"{chosen}: {error}") from error
    return names_of(document, chosen, text)


def names_of(document: Mapping[str, Any], path: Path, text: str) -> CacheNames:
    """Give the names of a settings file that is read already.

    Args:
        document: what it says.
        path: of the file, for errors.
        text: of the file, for the lines of errors.

    Raises:
        BadSetting: as for ``read_cache_names``.
    """
    given = document.get(SECTION, {})
    if not isinstance(given, dict):
        where = f"{path}:{_line(text, SECTION)}"
        raise BadSetting(f"{where}: {SECTION} is a section: write [{SECTION}]")
    wrong = [
        f"{path}:{_line(text, key)}: [{SECTION}] {key}: {why}"
        for key, value in given.items()
        if (why := problem(key, value))
    ]
    if wrong:
        raise BadSetting("\n".join(wrong))
    lists = {each.name for each in fields(CacheNames) if isinstance(each.default, tuple)}
    names = CacheNames(**{key: _read(value, key in lists) for key, value in given.items()})
    both = [f"{path}:{_line(text, key)}: [{SECTION}] {key}: {why}" for key, why in _of_both(names)]
    if both:
        raise BadSetting("\n".join(both))
    return names


def _of_both(names: CacheNames) -> Iterator[tuple[str, str]]:
    """Give the keys that say of a hit what says of a miss, in any case, with why."""
    hits, misses = (
        {word.lower() for word in words} for words in (names.hit_values, names.miss_values)
    )
    for word in sorted(hits & misses):
        yield "miss_values", f"{word!r} is in hit_values too; leave it out of one"
    for word in sorted(hits.intersection(MISS_WORDS)):
        yield "hit_values", f"{word!r} always says of a miss; leave it out"
    for word in sorted(misses.intersection(HIT_WORDS)):
        yield "miss_values", f"{word!r} always says of a hit; leave it out"


def problem(key: str, value: Any) -> str:
    """Say what is wrong with a key and its value; empty for nothing."""
    declared = {each.name: each for each in fields(CacheNames)}
    if key not in declared:
        near = difflib.get_close_matches(key, declared, 1, _ALIKE)
        meant = f"did you mean {near[0]}? " if near else ""
        return f"not known; {meant}known: {', '.join(declared)}"
    said = declared[key].metadata
    if isinstance(declared[key].default, tuple):
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            return f'{value!r} is no text; write "{said["example"]}", or several in a list'
        if not all(listed):
            return "an empty text names nothing; leave it out"
        return ""
    if not isinstance(value, str) or not value:
        return f"{value!r} is no text; write one in quotes"
    if "choices" in said and value not in said["choices"]:
        return f"{value!r} is not known; known: {', '.join(said['choices'])}"
    return pattern_problem(value) if key == "key_class" else ""


def pattern_problem(pattern: str) -> str:
    """Say why a text is no regular expression; empty where it is one."""
    try:
        re.compile(pattern)
    except re.error as error:
        return f"{pattern!r}: {error}; write a pattern"
    return ""


def section_schema() -> dict[str, Any]:
    """Give the JSON Schema of the section, draft 2020-12."""
    return {
        "type": "object",
        "description": "Names of attributes that tell of caches, beside those of conventions.",
        "properties": {key.name: _property(key) for key in fields(CacheNames)},
        "additionalProperties": False,
    }


def _property(key: dataclasses.Field[Any]) -> dict[str, Any]:
    """Say what one key takes."""
    text: dict[str, Any] = {"type": "string", "minLength": 1}
    said: dict[str, Any] = {"description": key.metadata["meaning"]}
    if isinstance(key.default, tuple):
        said |= {"anyOf": [text, {"type": "array", "items": text}]}
    else:
        said |= text | {"default": key.default}
    if "choices" in key.metadata:
        said |= {"enum": list(key.metadata["choices"])}
    if "example" in key.metadata:
        said |= {"examples": [key.metadata["example"]]}
    return said


def _read(value: Any, is_list: bool) -> Any:
    """Give one name or several as a tuple, and any other text as it stands."""
    if not is_list:
        return value
    return (value,) if isinstance(value, str) else tuple(value)


def _line(text: str, key: str) -> int:
    """Find the line of a key of the section, else of the section; TOML's reader keeps none."""
    return next(_lines_of(text, key), 1)


def _lines_of(text: str, key: str) -> Iterator[int]:
    """Give lines that a reader may look for a key in, the likeliest first."""
    lines = text.splitlines()
    head = [n for n, line in enumerate(lines) if re.match(rf"\s*\[+\s*{SECTION}\s*\]", line)]
    quoted = rf"[\"']?{re.escape(key)}[\"']?\s*[=.]"
    for start in head:
        for number, line in enumerate(lines[start + 1 :], start + 2):
            if re.match(r"\s*\[", line):
                break
            if re.match(rf"\s*{quoted}", line):
                yield number
    dotted = rf"\s*{SECTION}\s*\.\s*{quoted}|\s*{re.escape(key)}\s*=|\s*{SECTION}\s*="
    yield from (number for number, line in enumerate(lines, 1) if re.match(dotted, line))
    yield from (number + 1 for number in head)
