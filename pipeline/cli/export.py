"""``tailgate export``: profiles of the lake as files of other tools."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import lake_option
from pipeline.cli.output import write_file
from pipeline.cli.profile_options import profile_options, profile_request


@click.command(short_help="Write profiles as pprof, folded stacks or speedscope JSON.")
@lake_option
@click.option(
    "--format",
    "form",
    type=click.Choice(("pprof", "folded", "speedscope")),
    default="pprof",
    show_default=True,
    help="What is written; pprof is gzipped.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Where; - for standard output.",
)
@profile_options
def command(lake: Path, form: str, out: Path, **choice: Any) -> int:
    """Write the profiles of the lake that match, summed, for other tools to open.

    pprof has every type of value of these profiles, with labels, inlined functions and mappings;
    go tool pprof opens it. The others have one type of value. The same lake and the same options
    give the same bytes. Ends with status 3 when nothing matches.

    \b
    Examples:
      tailgate export --where service.name=checkout --since 2h --out cpu.pb.gz
      tailgate export --format folded --profile-type wall --out - | flamegraph.pl > wall.svg
      tailgate export --format speedscope --where service.version=1.4.2 --out cpu.speedscope.json
    """
    from pipeline.jobs.profile_selection import select
    from pipeline.lake import open_lake
    from pipeline.report import folded, pprof, speedscope

    request = profile_request(**choice)
    whole = form == "pprof"
    selection = select(
        open_lake(lake), request, by_thread=form != "folded", by_labels=whole, all_types=whole
    )
    writers = {
        "pprof": pprof.write_pprof,
        "folded": folded.write_folded,
        "speedscope": speedscope.write_speedscope,
    }
    write_file(out, partial(writers[form], selection))
    for note in selection.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(
        f"{out}: {selection.profiles.num_rows} profiles, {len(selection.depths)} stacks, "
        f"{selection.profile_type} {selection.total} {selection.sample_unit}",
        err=True,
    )
    return 0
