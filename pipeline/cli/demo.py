"""``tailgate demo``: the main job on the recorded sample, from the wire to the answer."""

import contextlib
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

_START_SECONDS = 30.0
_LAND_SECONDS = 60.0

_QUESTION = """\
SELECT
  service_version AS version,
  count(*) FILTER (WHERE db_system IS NOT NULL) AS db_calls,
  count(DISTINCT trace_id) AS traces,
  round(db_calls / traces, 1) AS db_calls_a_trace
FROM spans
GROUP BY ALL
ORDER BY version"""

# In per cent. A version has two or three hosts of a service, and hosts differ by 3 %: from that
# a smaller margin cannot be told, however many requests there are.
_TOLERANCE = "20"

_JUDGE = (
    *("judge", "--baseline", "service.version=1.4.1", "--canary", "service.version=1.4.2"),
    *("--tolerance", _TOLERANCE),
)

# What of 1.4.2 nothing is wrong with, for the sample's faults are in checkout and orders.
_HEALTHY = ("--where", "service.name=pricing")

# A judgement's own; any other says that there is none.
_VERDICT_STATUSES = (0, 1, 3)


@dataclass(frozen=True)
class _Receiver:
    """A receiver that runs.

    Attributes:
        port: where it takes OTLP/gRPC.
        lake: where it lands.
    """

    port: int
    lake: Path


@click.command(short_help="Replay the recorded sample through a receiver and look at the result.")
@click.option(
    "--lake",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="Keep the lake there, new or empty.  [default: a temporary folder]",
)
@click.option(
    "--page",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    metavar="FILE",
    help="Write the judgement's page there.  [default: a file that stays in a temporary folder]",
)
def command(lake: Path | None, page: Path | None) -> None:
    """Start a receiver, replay the sample through it, wait until it landed, ask and judge.

    Version 1.4.2 fails, and its pricing, in which nothing is wrong, passes alone. Everything that
    the demo starts it stops, and its port is a free one on loopback. Verdicts are shown with their
    exit statuses; the demo itself ends with 0.

    \b
    Examples:
      tailgate demo
      tailgate demo --lake ./demo-lake --page judgement.html
    """
    from pipeline.assets import sample_dir

    files = sorted((sample_dir() / "otlp").glob("*.otlp.gz"))
    if not files:
        raise click.UsageError(f"{sample_dir()}: no recorded sample; run 'make sample'")
    if lake is not None and lake.exists() and any(lake.iterdir()):
        raise click.UsageError(f"{lake}: not empty; give a new folder")
    with contextlib.ExitStack() as stack:
        folder = lake or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tailgate-")))
        receiver = stack.enter_context(_receiver(folder))
        _replay(files, receiver)
        _show(receiver.lake)
        page = page or Path(tempfile.mkdtemp(prefix="tailgate-demo-")) / "judgement.html"
        _judge(receiver.lake, page)
    click.echo(f"\nThe first judgement as a page: {page}")
    if lake is not None:
        click.echo(f'The lake is in {lake}: tailgate sql --lake {lake} "SHOW TABLES"')


@contextlib.contextmanager
def _receiver(folder: Path) -> Iterator[_Receiver]:
    """Run a receiver as a process of its own, and stop it however the block ends."""
    with tempfile.TemporaryDirectory(prefix="tailgate-") as scratch:
        ready, log = Path(scratch) / "ready.json", Path(scratch) / "log"
        arguments = [
            "--lake",
            str(folder),
            "--grpc-port",
            "0",
            "--http-port",
            "0",
            "--ready-file",
            str(ready),
        ]
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603  (our own interpreter and command)
                [sys.executable, "-m", "pipeline.cli.main", "serve", *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise click.ClickException(f"the receiver did not start:\n{log.read_text()}")
                time.sleep(0.02)
            yield _Receiver(json.loads(ready.read_text())["grpc_port"], folder)
        finally:
            process.terminate()
            try:
                process.wait(_LAND_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _replay(files: list[Path], receiver: _Receiver) -> None:
    """Send the sample and wait until all of it can be asked for."""
    from rich.console import Console
    from rich.progress import Progress

    from collectors.otlp.replay import read_requests, send
    from pipeline.lake import open_lake, take_snapshot
    from pipeline.schema import SPANS

    started = time.monotonic()
    with Progress(console=Console(file=sys.stderr), transient=True) as progress:
        requests = [request for file in files for request in read_requests(file)]
        task = progress.add_task("sending", total=len(requests))
        sent = send(f"127.0.0.1:{receiver.port}", requests, lambda: progress.advance(task))
        acknowledged = time.monotonic()
        waiting = progress.add_task("landing", total=sent)
        lake = open_lake(receiver.lake)
        while (rows := take_snapshot(lake, SPANS).rows) < sent:
            progress.update(waiting, completed=rows)
            if time.monotonic() - acknowledged > _LAND_SECONDS:
                raise click.ClickException(f"{rows} of {sent} spans landed in {_LAND_SECONDS} s")
            time.sleep(0.05)
    landed = time.monotonic()
    click.echo(
        f"{sent:,} spans in {len(requests):,} requests: acknowledged in "
        f"{acknowledged - started:.1f} s, landed {landed - acknowledged:.1f} s later."
    )


def _show(folder: Path) -> None:
    """Print the baseline of each version and one SQL answer."""
    from pipeline.cli.run import write_baseline
    from pipeline.jobs.baseline import run
    from pipeline.jobs.baseline_request import BaselineRequest
    from pipeline.lake import open_lake
    from pipeline.lake.query import ask
    from pipeline.report.rows import first_rows
    from pipeline.report.tables import print_table

    lake = open_lake(folder)
    click.echo("\n$ tailgate run baseline")
    sys.stdout.flush()
    write_baseline(run(lake, BaselineRequest()), "text", sys.stdout.buffer)
    click.echo(f'\n$ tailgate sql "{_QUESTION}"')
    sys.stdout.flush()
    with ask(lake, _QUESTION) as answer:
        cells, numbers, _ = first_rows(answer.schema, answer.batches, 20)
    print_table(answer.schema.names, cells, numbers, sys.stdout.buffer)


def _judge(lake: Path, page: Path) -> None:
    """Judge the canary, then the service of it that is sound, as a person would."""
    for about, more in (
        (
            "All of 1.4.2, which has a slower checkout and an N+1 in orders:",
            ("--html", str(page)),
        ),
        ("Its pricing alone, in which nothing is wrong:", _HEALTHY),
    ):
        arguments = (*_JUDGE, *more)
        click.echo(f"\n{about}\n$ tailgate {shlex.join(arguments)}")
        sys.stdout.flush()
        # A process of its own, on the same terminal, as a person would run it.
        done = subprocess.run(  # noqa: S603  (our own interpreter and command)
            [sys.executable, "-m", "pipeline.cli.main", *arguments, "--lake", str(lake)],
            check=False,
        )
        # A failed canary ends with 1, and so does what breaks off: but that writes no page.
        if done.returncode not in _VERDICT_STATUSES or not page.exists():
            raise click.ClickException(f"the judge ended with status {done.returncode}")
        click.echo(f"exit status {done.returncode}")
