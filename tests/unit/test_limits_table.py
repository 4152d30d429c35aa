"""ARCHITECTURE.md's table of settings is what pipeline/settings.py has."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.settings import MIB, Settings

TEXT = (Path(__file__).parents[2] / "ARCHITECTURE.md").read_text(encoding="utf-8")

# What the end of a name says its numbers are counted in.
_UNITS = ("seconds", "hours", "days")


def declared() -> Iterator[tuple[str, str, str]]:
    """Give every setting with its default and its meaning, as the table has them."""
    for section in dataclasses.fields(Settings):
        for field in dataclasses.fields(getattr(Settings(), section.name)):
            name = f"{section.name}.{field.name}"
            yield name, shown(field.name, field.default), field.metadata["meaning"]


def shown(name: str, default: Any) -> str:
    """Write a default for people.

    >>> shown("max_message_bytes", 64 * MIB), shown("drain_seconds", 20.0), shown("keys", ())
    ('64 MiB', '20 seconds', 'none')
    >>> shown("grpc_port", 4317), shown("retry_window_requests", 200_000), shown("insecure", False)
    ('4317', '200,000', 'false')
    """
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, str | tuple):
        return (default if isinstance(default, str) else ", ".join(default)) or "none"
    if name.endswith("_bytes") and default % MIB == 0:
        gib, rest = divmod(default, 1024 * MIB)
        return f"{gib} GiB" if not rest else f"{default // MIB} MiB"
    number = str(default) if name.endswith("_port") else f"{default:,}".removesuffix(".0")
    unit = name.rpartition("_")[2]
    if unit not in _UNITS:
        return number
    return f"{number} {unit if number != '1' else unit[:-1]}"


def table() -> list[list[str]]:
    """Read the table that begins with ``| setting | default |``."""
    found = re.search(r"^\| setting \| default \|[^\n]*\n\|[-|]+\n((?:\|[^\n]*\n)+)", TEXT, re.M)
    assert found, "ARCHITECTURE.md has no table that begins with | setting | default |"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]


def test_every_setting_stands_in_the_table_with_its_default_and_its_meaning() -> None:
    told = [tuple(row[:3]) for row in table()]
    assert told == list(declared())


def test_every_row_of_the_table_says_what_happens_beyond_it() -> None:
    assert [row[0] for row in table() if len(row) != 4 or not row[3]] == []
