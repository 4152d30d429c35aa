"""``tailgate flamegraph``: profiles of the lake as a picture."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import lake_option
from pipeline.cli.output import write_file
from pipeline.cli.profile_options import profile_options, profile_request


@click.command(short_help="Draw profiles, or how they differ from others, as a flame graph.")
@lake_option
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Where; - for standard output.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(("html", "svg")),
    default=None,
    help="A page to search and zoom in, or a still picture.  [default: svg for *.svg, else html]",
)
@click.option(
    "--diff-baseline",
    metavar="SELECTOR",
    help="Compare with these: KEY=VALUE[,KEY=VALUE], in place of --where with the same keys.",
)
@click.option(
    "--least-percent",
    type=click.FloatRange(0, 100),
    default=0.01,
    show_default=True,
    help="Leave out frames that took less of the total.",
)
@profile_options
def command(
    lake: Path,
    out: Path,
    form: str | None,
    diff_baseline: str | None,
    least_percent: float,
    **choice: Any,
) -> int:
    """Draw the profiles of the lake that match, summed, as a flame graph.

    The page is one file and loads nothing: search, zoom, tooltips and keyboard work from a disk.
    With --diff-baseline widths are shares of what matches, and the colour says whether a share
    grew (red) or shrank (blue) against the baseline. Ends with status 3 when nothing matches.

    \b
    Examples:
      tailgate flamegraph --where service.name=checkout --since 2h --out cpu.html
      tailgate flamegraph --profile-type off_cpu --out waiting.svg
      tailgate flamegraph --where service.version=1.4.2 --diff-baseline service.version=1.4.1 \\
        --out diff.html
    """
    from pipeline.jobs.profile_selection import select
    from pipeline.lake import open_lake
    from pipeline.report.flamegraph import make_flamegraph
    from pipeline.report.flamegraph_html import write_html
    from pipeline.report.flamegraph_svg import write_svg

    request = profile_request(**choice)
    opened = open_lake(lake)
    selection = select(opened, request)
    baseline = None
    if diff_baseline is not None:
        # The same type of value, also where the other profiles have another default.
        like = replace(
            request, profile_type=selection.profile_type, sample_type=selection.sample_type
        )
        baseline = select(opened, like.other(diff_baseline))
    graph = make_flamegraph(selection, baseline, least_percent / 100)
    drawn = form or ("svg" if out.suffix == ".svg" else "html")
    writers = {"html": write_html, "svg": write_svg}
    write_file(out, partial(writers[drawn], graph))
    for note in graph.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{out}: {graph.title}; {len(graph.tree.place):,} frames drawn", err=True)
    return 0
