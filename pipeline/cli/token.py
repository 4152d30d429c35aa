"""``tailgate token``: a new bearer token and the entry that lets it in."""

import hashlib
import json
import secrets

import click


@click.command(short_help="Make a bearer token and its entry for the tokens file.")
@click.argument("name")
@click.option(
    "--service",
    "services",
    multiple=True,
    metavar="PATTERN",
    help="A service.name it may send for, * allowed; may be given again.  [default: all]",
)
@click.option(
    "--requests-per-second",
    type=click.FloatRange(0),
    default=0.0,
    help="Most requests a second; 0 is no limit.",
)
def command(name: str, services: tuple[str, ...], requests_per_second: float) -> None:
    """Make a bearer token for NAME.

    The token goes to standard error, for its sender; the entry, which holds only its hash, to
    standard output, for the file that [receiver] tokens_file names. A running receiver reads the
    file again when it changes.

    \b
    Examples:
      tailgate token checkout-team --service 'checkout*' >> tokens.toml
      TAILGATE_RECEIVER_TOKENS_FILE=tokens.toml tailgate serve
    """
    # 256 random bits: no dictionary helps against the hash, so a fast one is enough.
    token = secrets.token_urlsafe(32)
    entry = [
        "[[token]]",
        # JSON texts are TOML texts.
        f"name = {json.dumps(name)}",
        f'sha256 = "{hashlib.sha256(token.encode()).hexdigest()}"',
    ]
    if services:
        entry.append(f"services = {json.dumps(list(services))}")
    if requests_per_second:
        entry.append(f"requests_per_second = {requests_per_second:g}")
    click.echo("\n".join(entry))
    click.echo(f"token for {name}, shown once: {token}", err=True)
