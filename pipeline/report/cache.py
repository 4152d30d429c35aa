"""Caches in every form: text and Markdown here, JSON and a page beside."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import BinaryIO

from pipeline.jobs.cache import CacheResult
from pipeline.report.cache_beside import sections
from pipeline.report.cache_json import write_json
from pipeline.report.cache_lines import heading, tables, told_lines
from pipeline.report.cache_page import write_page
from pipeline.report.capacity import markdown_table, plain
from pipeline.report.tables import print_table
from pipeline.report.visible import folded, visible

NOTHING = (
    "no lookups of a cache: send spans with cache.hit (and cache.key), or name the attribute with "
    "--hit-attribute; or counters such as redis.keyspace.hits and cache.gets"
)


def write_text(result: CacheResult, out: BinaryIO) -> None:
    """Write sentences and tables a cache."""
    if result.exit_status:
        out.write(f"{NOTHING}\n".encode())
    for place, answer in enumerate(result.caches):
        lines = [folded(visible(line), "  ") for line in told_lines(answer, result.request)]
        out.write((b"\n" if place else b"") + f"{visible(heading(answer))}\n".encode())
        out.write("".join(f"{line}\n" for line in lines).encode())
        for names, numbers, rows in tables(answer):
            out.write(b"\n")
            shown = [[visible(cell) for cell in row] for row in rows]
            print_table(names, shown, numbers, out)
        out.write(_notes(answer.notes))
    for place, (title, (names, numbers, rows)) in enumerate(sections(result)):
        out.write((b"\n" if place or result.caches else b"") + f"{title}\n".encode())
        print_table(names, [[visible(cell) for cell in row] for row in rows], numbers, out)
    out.write(_notes(result.notes))
    out.flush()


def _notes(notes: tuple[str, ...]) -> bytes:
    """Write what a reader should know."""
    return "".join(f"{folded(f'note: {visible(note)}')}\n" for note in notes).encode()


def write_markdown(result: CacheResult, out: BinaryIO) -> None:
    """Write the same as Markdown, for a comment on a change."""
    parts = [f"# Caches\n\n{NOTHING}\n"] if result.exit_status else ["# Caches\n"]
    for answer in result.caches:
        parts.append(f"\n## {plain(heading(answer))}\n\n")
        parts += [f"- {plain(line)}\n" for line in told_lines(answer, result.request)]
        parts += [markdown_table(table) for table in tables(answer)]
        parts += [f"\n> {plain(note)}\n" for note in answer.notes]
    for title, table in sections(result):
        parts += [f"\n## {title}\n", markdown_table(table)]
    parts += [f"\n> {plain(note)}\n" for note in result.notes]
    out.write("".join(parts).encode())


WRITERS: Mapping[str, Callable[[CacheResult, BinaryIO], None]] = MappingProxyType(
    {"text": write_text, "json": write_json, "markdown": write_markdown, "html": write_page}
)
