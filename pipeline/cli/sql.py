"""``tailgate sql``: one read-only question to the lake."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from pipeline.cli.options import lake_option

if TYPE_CHECKING:
    from pipeline.lake.query import Answer

_FORMATS = ("table", "json", "csv", "parquet", "arrow")


@click.command(short_help="Ask the lake one SQL question.")
@click.argument("statement", required=False)
@lake_option
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Read the statement from a file.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default="table",
    show_default=True,
    help="How the answer is written.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the answer to a file.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    help="Most rows of a table; other formats are whole.",
)
def command(
    statement: str | None,
    lake: Path,
    file: Path | None,
    form: str,
    output: Path | None,
    limit: int,
) -> None:
    """Ask the lake one question in SQL (DuckDB's dialect).

    Tables: spans, latency_minutes, latency_hours, baselines. Views: span_facts, otel_traces,
    otel_traces_trace_id_ts, otlp_traces. SHOW TABLES and DESCRIBE spans tell more.

    \b
    Examples:
      tailgate sql "SELECT service_name, count(*) FROM spans GROUP BY ALL"
      tailgate sql --format json "FROM span_facts WHERE duration_ms > 500 LIMIT 5"
      tailgate sql --file slow.sql --format parquet --output slow.parquet
    """
    from pipeline.lake import open_lake
    from pipeline.lake.query import ask

    if (statement is None) == (file is None):
        raise click.UsageError("give a statement, or --file with one")
    text = file.read_text(encoding="utf-8") if file else str(statement)
    with ask(open_lake(lake), text) as answer:
        if output:
            with output.open("wb") as out:
                _write(answer, form, limit, out)
        else:
            if form in ("parquet", "arrow") and sys.stdout.isatty():
                raise click.UsageError(f"{form} is not for a terminal: give --output FILE, or pipe")
            _write(answer, form, limit, sys.stdout.buffer)


def _write(answer: "Answer", form: str, limit: int, out: BinaryIO) -> None:
    """Write an answer in a format."""
    from pipeline.report import rows, tables

    if form != "table":
        rows.WRITERS[form](answer.schema, answer.batches, out)
        return
    cells, numbers, more = rows.first_rows(answer.schema, answer.batches, limit)
    tables.print_table(answer.schema.names, cells, numbers, out)
    if more:
        click.echo(
            f"… more than {limit} rows: --limit shows more, --format csv all of them", err=True
        )
