"""A table for a person: ruled on a terminal, plain columns in a pipe."""

from collections.abc import Sequence
from typing import BinaryIO

from pipeline.report.rows import align


def print_table(
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Sequence[bool],
    out: BinaryIO,
    title: str = "",
) -> None:
    """Print cells as a table.

    Args:
        names: the headings.
        rows: the cells, one text a column.
        numbers: for each column whether it is set to the right.
        out: where; a terminal gets rules and colours.
        title: a line above the table.
    """
    if not out.isatty():
        text = align(names, rows, numbers) if names else ""
        out.write(f"{title}\n{text}\n".encode() if title else f"{text}\n".encode())
        return
    # Imported here: a pipe needs none of it, and it is a tenth of a second.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    out.flush()
    table = Table(title=title or None, title_justify="left")
    for name, number in zip(names, numbers, strict=True):
        table.add_column(Text(name), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
