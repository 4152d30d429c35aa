"""A capacity in every form: text and Markdown here, JSON and a page beside."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import BinaryIO

from pipeline.jobs.capacity_answer import CapacityResult
from pipeline.report.capacity_json import write_json
from pipeline.report.capacity_lines import (
    Table,
    heading,
    limit_table,
    operation_table,
    told_lines,
)
from pipeline.report.capacity_page import write_page
from pipeline.report.tables import print_table
from pipeline.report.visible import visible


def write_text(result: CapacityResult, out: BinaryIO) -> None:
    """Write sentences and two tables a version."""
    for place, service in enumerate(result.services):
        lines = [visible(line) for line in told_lines(result, service)]
        out.write((b"\n" if place else b"") + f"{visible(heading(service))}\n".encode())
        out.write("".join(f"  {line}\n" for line in lines).encode())
        for names, numbers, rows in (limit_table(service), operation_table(service)):
            out.write(b"\n")
            shown = [[visible(cell) for cell in row] for row in rows]
            print_table(names, shown, numbers, out)
        out.write("".join(f"note: {visible(note)}\n" for note in service.notes).encode())
    out.flush()


def write_markdown(result: CapacityResult, out: BinaryIO) -> None:
    """Write the same as Markdown, for a comment on a change."""
    parts = ["# Capacity\n"]
    for service in result.services:
        parts.append(f"\n## {plain(service.name)}\n\n{plain(heading(service))}\n\n")
        parts += [f"- {plain(line)}\n" for line in told_lines(result, service)]
        parts += [markdown_table(limit_table(service)), markdown_table(operation_table(service))]
        parts += [f"\n> {plain(note)}\n" for note in service.notes]
    out.write("".join(parts).encode())


WRITERS: Mapping[str, Callable[[CapacityResult, BinaryIO], None]] = MappingProxyType(
    {"text": write_text, "json": write_json, "markdown": write_markdown, "html": write_page}
)


def markdown_table(table: Table) -> str:
    """Write a table, numbers to the right."""
    names, numbers, rows = table
    lines = [names, tuple("---:" if number else "---" for number in numbers), *rows]
    told = ("| " + " | ".join(plain(cell) for cell in line) + " |" for line in lines)
    return "\n" + "\n".join(told) + "\n"


def plain(text: str) -> str:
    """Keep a text from being taken for markup."""
    return visible(text).replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")
