"""``tailgate``: the commands, each loaded when it is called, and what every one of them shares."""

import importlib
import os
import sys
from typing import Any

import click

import pipeline
from pipeline.errors import TailgateError

# name -> (module below pipeline.cli, summary). The summary stands here so that --help, which is
# asked for most often, imports nothing else.
_COMMANDS = {
    "serve": ("serve", "Receive OTLP and land it in the lake, until stopped."),
    "import": ("import_files", "Import files of telemetry into the lake."),
    "status": ("status", "Show what the receivers do: requests, backlog, lag."),
    "token": ("token", "Make a bearer token and its entry for the tokens file."),
    "run": ("run", "Run a job: baseline."),
    "judge": ("judge", "Judge a canary against a baseline: what got worse, and how sure that is."),
    "watch": ("watch", "Judge a canary while it runs, and stop when it is sure."),
    "why": ("why", "Explain how operations differ: which spans, more calls or slower ones."),
    "replay": ("replay", "Make a kept verdict again, from its bundle alone."),
    "check": ("check", "Check the budgets of tailgate.toml: absolute, relative, SQL."),
    "changes": ("changes", "Find where the history of a metric changed, and how sure that is."),
    "audit": ("audit", "Measure this judge on your own history: false alarms, and what it finds."),
    "capacity": ("capacity", "What a service can take, what binds it, and what more would need."),
    "cache": ("cache", "Tell how often caches hit, what a miss costs, what other sizes do."),
    "runtime": ("runtime", "Measure pauses, queues, pools, loops and memory of services."),
    "export": ("export", "Write profiles as pprof, folded stacks or speedscope JSON."),
    "flamegraph": ("flamegraph", "Draw profiles, or how they differ from others."),
    "sql": ("sql", "Ask the lake one SQL question."),
    "tables": ("tables", "Show what the lake holds: rows, bytes, files, time, freshness."),
    "compact": ("compact", "Merge small files, drop what is too old, free the disk."),
    "rollup": ("rollup", "Bring the rollups up to date, or count days anew."),
    "demo": ("demo", "Replay the recorded sample through a receiver and look at the result."),
}

_STATUSES = """\b
Exit statuses: 0 done, 1 a gate failed, 2 usage or configuration, 3 not enough data."""


class _Lazy(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names, in the order of the table."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        if name not in _COMMANDS:
            return None
        module = importlib.import_module(f"pipeline.cli.{_COMMANDS[name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])


@click.group(
    cls=_Lazy,
    epilog=_STATUSES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(pipeline.__version__, prog_name="tailgate")
def cli() -> None:
    """Gate releases on their latency tail: OTLP in, Parquet kept, an answer you can defend out.

    \b
    Examples:
      tailgate serve --lake ./lake
      tailgate run baseline --since 2h
      tailgate judge --baseline service.version=1.4.1 --canary service.version=1.4.2
      tailgate sql "SELECT count(*) FROM spans"
      tailgate demo
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line and exit with its status."""
    try:
        status = cli.main(arguments, prog_name="tailgate", standalone_mode=False)
        sys.stdout.flush()
    except TailgateError as error:
        click.echo(f"tailgate: {error}", err=True)
        status = error.exit_status
    except click.ClickException as error:
        error.show()
        status = 2
    except click.Abort:
        click.echo("tailgate: interrupted", err=True)
        status = 130
    except BrokenPipeError:
        # The reader has seen enough; Python would complain once more while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    sys.exit(status or 0)


if __name__ == "__main__":
    main()
