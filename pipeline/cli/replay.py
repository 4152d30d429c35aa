"""``tailgate replay``: a kept verdict made again from its bundle, without the lake."""

from pathlib import Path

import click

from pipeline.cli.judge import FORMATS, answer


@click.command(short_help="Make a kept verdict again, from its bundle alone.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the page as well: one file that needs no network.",
)
def command(folder: Path, form: str, output: Path | None, html: Path | None) -> int:
    """Judge again what ``tailgate judge --bundle DIR`` kept: the same bytes by the same tailgate.

    Every file is held against its SHA-256 first. The answer is worked out anew from the rows, not
    copied; where it is not the one that was kept, as another version of tailgate may find, that is
    said on standard error.

    Ends with status 0 for pass and warn, 1 for fail, 3 for inconclusive and no_data; 1 as well
    for a bundle that is damaged.

    \b
    Examples:
      tailgate replay verdict-1.4.2
      tailgate replay verdict-1.4.2 --format json --output again.json
      tailgate replay verdict-1.4.2 --html verdict.html
    """
    import pipeline
    from pipeline.gate.bundle import read_bundle
    from pipeline.gate.judgement import judge
    from pipeline.jobs.judge import compare
    from pipeline.report.judgement import json_bytes, tell

    kept = read_bundle(folder)
    judgement = judge(compare(kept.inputs, kept.request), kept.tolerance, kept.checks)
    if json_bytes(tell(judgement, kept.inputs, kept.why)) != kept.answer:
        click.echo(
            f"tailgate: {folder}: the answer is not the one that was kept: {kept.verdict} by "
            f"tailgate {kept.version}, {judgement.verdict} by this tailgate "
            f"{pipeline.__version__}; what was kept is in {folder / 'judgement.json'}",
            err=True,
        )
    return answer(judgement, kept.inputs, kept.why, form, output, html)
