"""Caches of a baseline and a canary in every form: text, Markdown, JSON."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, BinaryIO

from pipeline.jobs.cache_compare import NAMES as SIDES
from pipeline.jobs.cache_compare import CacheComparison, CompareResult
from pipeline.jobs.cache_pictures import CachePicture
from pipeline.report.cache_compare_page import write_page
from pipeline.report.cache_json import plain_values
from pipeline.report.cache_moved import NOTHING, counter_table, heading, told_lines
from pipeline.report.capacity import markdown_table, plain
from pipeline.report.tables import print_table
from pipeline.report.visible import folded, visible

# The number rises when a key changes its meaning or goes; new keys leave it as it is.
COMPARE_SCHEMA = "tailgate.cache-compare/1"


def write_text(result: CompareResult, out: BinaryIO) -> None:
    """Write sentences a cache, then counters."""
    if result.exit_status:
        out.write(f"{NOTHING}\n".encode())
    for place, found in enumerate(result.caches):
        out.write((b"\n" if place else b"") + f"{visible(heading(found))}\n".encode())
        told = [folded(visible(line), "  ") for line in told_lines(found)]
        told += [folded(f"note: {visible(note)}") for note in found.notes]
        out.write("".join(f"{line}\n" for line in told).encode())
    names, numbers, rows = counter_table(result)
    if rows:
        out.write((b"\n" if result.caches else b"") + b"Hit ratios by counters\n")
        print_table(names, [[visible(cell) for cell in row] for row in rows], numbers, out)
    out.write("".join(f"note: {visible(note)}\n" for note in result.alone).encode())
    out.flush()


def write_markdown(result: CompareResult, out: BinaryIO) -> None:
    """Write the same as Markdown, for a comment on a change."""
    parts = ["# Caches, canary beside baseline\n"]
    parts += [f"\n{NOTHING}\n"] if result.exit_status else []
    for found in result.caches:
        parts.append(f"\n## {plain(heading(found))}\n\n")
        parts += [f"- {plain(line)}\n" for line in told_lines(found)]
        parts += [f"\n> {plain(note)}\n" for note in found.notes]
    table = counter_table(result)
    parts += ["\n## Hit ratios by counters\n", markdown_table(table)] if table[2] else []
    parts += [f"\n> {plain(note)}\n" for note in result.alone]
    out.write("".join(parts).encode())


def write_json(result: CompareResult, out: BinaryIO) -> None:
    """Write one JSON document; durations in ns, null for what is not known."""
    asked = result.request
    document = {
        "schema": COMPARE_SCHEMA,
        "since_unix_nano": asked.since_unix_nano,
        "until_unix_nano": asked.until_unix_nano,
        "baseline": dict(result.sides[0]),
        "canary": dict(result.sides[1]),
        "exit_status": result.exit_status,
        "caches": [_cache(each) for each in result.caches],
        "counters": [vars(each) | {"hit_ratio": vars(each.hit_ratio)} for each in result.counters],
        "alone": list(result.alone),
    }
    text = json.dumps(plain_values(document), indent=2, allow_nan=False)
    out.write(text.encode("ascii") + b"\n")


def _cache(found: CacheComparison) -> dict[str, Any]:
    change = found.change
    return {
        "service_name": found.service_name,
        "cache": found.cache,
        "lookups": found.lookups,
        "requests": found.requests,
        "instances": found.instances,
        "sides": [_side(name, each) for name, each in zip(SIDES, found.pictures, strict=True)],
        "hit_ratio": vars(change.hit_ratio),
        "miss_penalty_ns": vars(change.penalty),
        "mean_ns": vars(change.mean),
        "mean_by_miss_rate_ns": change.mean_by_rate,
        "mean_by_miss_cost_ns": change.mean_by_cost,
        "p95_ns": vars(change.p95),
        "p95_by_misses_ns": change.p95_by_misses,
        "notes": found.notes,
    }


def _side(name: str, found: CachePicture) -> dict[str, Any]:
    return {
        "side": name,
        "hit_ratio": found.hit_ratio,
        "miss_penalty_ns": found.penalty,
        "reason": found.reason,
        "hits": found.hits.lookups,
        "misses": found.misses.lookups,
    }


WRITERS: Mapping[str, Callable[[CompareResult, BinaryIO], None]] = MappingProxyType(
    {"text": write_text, "json": write_json, "markdown": write_markdown, "html": write_page}
)
