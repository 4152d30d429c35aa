"""tailgate.toml and TAILGATE_* values, checked once, as one frozen dataclass.

Later wins: the defaults here, then tailgate.toml, then the environment, then command-line flags.
A key ``backlog_bytes`` of section ``[journal]`` is TAILGATE_JOURNAL_BACKLOG_BYTES outside.
"""

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import BadSetting

MIB = 1 << 20


def _setting(default: Any, meaning: str, low: float = 0, high: float = float("inf")) -> Any:
    """Declare a setting: its default, what it means and the values it may take."""
    return field(default=default, metadata={"meaning": meaning, "low": low, "high": high})


@dataclass(frozen=True)
class Receiver:
    """Where the receiver listens and what it refuses."""

    host: str = _setting("127.0.0.1", "address to listen on")
    grpc_port: int = _setting(4317, "OTLP/gRPC port; 0 takes a free one", 0, 65535)
    http_port: int = _setting(4318, "OTLP/HTTP port; 0 takes a free one", 0, 65535)
    grpc_handshake_seconds: float = _setting(
        10.0, "longest time a gRPC connection may take to be set up", 0.05, 3600
    )
    grpc_idle_seconds: float = _setting(
        300.0, "a gRPC connection without a request is closed after this", 0.05, 86400
    )
    grpc_connection_seconds: float = _setting(
        600.0, "a gRPC connection takes no more requests after this; senders open another", 0.05
    )
    grpc_request_seconds: float = _setting(
        60.0, "requests under way on it then may take this long", 0.05, 3600
    )
    grpc_max_connections: int = _setting(1024, "open gRPC connections; more are closed", 1, 65536)
    http_header_seconds: float = _setting(
        10.0, "longest time a request's header may take to arrive", 0.05, 3600
    )
    http_body_seconds: float = _setting(
        60.0, "longest time a request's body may take to arrive", 0.05, 3600
    )
    http_idle_seconds: float = _setting(
        75.0, "a connection without a request is closed after this", 0.05, 86400
    )
    http_max_connections: int = _setting(1024, "open HTTP connections; more are refused", 1, 65536)
    http_cors_origins: tuple[str, ...] = _setting(
        (), "origins of pages that may send; * is any of them"
    )
    max_message_bytes: int = _setting(
        64 * MIB, "largest request, before and after decompression", 1024, 1024 * MIB
    )
    max_concurrent_requests: int = _setting(256, "requests in flight; more wait or retry", 1, 65536)
    max_waiting_bytes: int = _setting(
        256 * MIB, "requests in flight, in bytes; beyond it senders are told to wait", 1024
    )
    max_memory_bytes: int = _setting(
        1024 * MIB, "memory of the receiver; beyond it senders are told to wait", 64 * MIB
    )
    tls_cert: str = _setting("", "PEM file of the server's certificate chain; turns TLS on")
    tls_key: str = _setting("", "PEM file of its key")
    tls_client_ca: str = _setting("", "PEM file of who signs clients' certificates; turns mTLS on")
    tokens_file: str = _setting("", "file of bearer tokens; one of them is then needed")
    insecure: bool = _setting(False, "listen beyond loopback without TLS and tokens all the same")
    drain_seconds: float = _setting(20.0, "longest time a stop may take", 0.1, 3600)


@dataclass(frozen=True)
class Journal:
    """How requests are kept between their acknowledgement and the lake."""

    segment_bytes: int = _setting(32 * MIB, "a segment is sealed at this size", 4096, 1024 * MIB)
    segment_seconds: float = _setting(1.0, "a segment is sealed at this age", 0.01, 3600)
    backlog_bytes: int = _setting(
        2048 * MIB, "journaled and not yet landed; beyond it senders are told to wait", 4096
    )
    retry_window_seconds: float = _setting(
        600.0, "a byte-identical request is stored once within this time", 0, 86400
    )
    retry_window_requests: int = _setting(200_000, "requests remembered for that", 0, 10_000_000)


@dataclass(frozen=True)
class Landing:
    """How sealed segments become Parquet."""

    batch_bytes: int = _setting(48 * MIB, "segments decoded in one commit, in bytes", 4096)
    decode_bytes: int = _setting(12 * MIB, "requests decoded at once, in bytes", 4096)
    max_attributes: int = _setting(
        1024, "attributes kept on one item; the rest is cut and counted", 1, 10_000_000
    )
    max_characters: int = _setting(
        65_536, "longest text kept whole; longer ones are cut and counted", 16, 1 << 30
    )


@dataclass(frozen=True)
class Redact:
    """What is taken out of requests before anything touches the disk."""

    keys: tuple[str, ...] = _setting((), "attribute keys whose values are replaced")


@dataclass(frozen=True)
class Maintenance:
    """What ``tailgate serve`` does beside receiving."""

    rollup_seconds: float = _setting(15.0, "how often rollups are brought up to date", 0.1, 86400)
    compact_seconds: float = _setting(300.0, "how often small files are merged", 1, 604800)
    compact_file_bytes: int = _setting(
        256 * MIB, "files of at least this size are left alone", 1024
    )
    spans_days: float = _setting(30.0, "age at which spans go; 0 keeps them", 0, 36500)
    metrics_days: float = _setting(30.0, "age at which data points go; 0 keeps them", 0, 36500)
    logs_days: float = _setting(30.0, "age at which log records go; 0 keeps them", 0, 36500)
    profiles_days: float = _setting(
        30.0, "age at which profiles and eBPF rows go; 0 keeps them", 0, 36500
    )
    latency_minutes_days: float = _setting(90.0, "age at which minutes go; 0 keeps them", 0, 36500)
    latency_hours_days: float = _setting(800.0, "age at which hours go; 0 keeps them", 0, 36500)
    vacuum_hours: float = _setting(
        24.0, "how long replaced files stay for readers that still hold them", 0.0, 87600
    )


@dataclass(frozen=True)
class Settings:
    """Everything that can be set.

    >>> Settings().receiver.grpc_port
    4317
    """

    receiver: Receiver = field(default_factory=Receiver)
    journal: Journal = field(default_factory=Journal)
    landing: Landing = field(default_factory=Landing)
    redact: Redact = field(default_factory=Redact)
    maintenance: Maintenance = field(default_factory=Maintenance)


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Args:
        path: a tailgate.toml; None takes ./tailgate.toml where there is one.
        environ: the environment; None takes the process's own.

    Returns:
        The settings, each value checked.

    Raises:
        BadSetting: a key that does not exist, or a value of the wrong type or range.
    """
    environ = os.environ if environ is None else environ
    document = _read_toml(path)
    sections = {}
    for section in dataclasses.fields(Settings):
        kind = type(getattr(Settings(), section.name))
        given = document.pop(section.name, {})
        if not isinstance(given, dict):
            raise BadSetting(f"tailgate.toml: {section.name} is a section: write [{section.name}]")
        given = given | _from_environment(section.name, kind, environ)
        sections[section.name] = _section(section.name, kind, given)
    # Budgets and the names of caches stand in the same file; the commands that use them read them.
    for others in ("budget", "cache"):
        document.pop(others, None)
    if document:
        known = ", ".join(f"[{section.name}]" for section in dataclasses.fields(Settings))
        raise BadSetting(f"tailgate.toml: unknown section {min(document)}; known: {known}")
    return Settings(**sections)


def _read_toml(path: Path | None) -> dict[str, Any]:
    """Read the file, or give an empty document where none was asked for and none is there."""
    chosen = path or Path("tailgate.toml")
    try:
        with chosen.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        if path is None:
            return {}
        raise BadSetting(f"{chosen}: no such file; give the path of a tailgate.toml") from None
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadSetting(f"{chosen}: {error}") from error


def _from_environment(section: str, kind: type, environ: Mapping[str, str]) -> dict[str, Any]:
    """Collect a section's TAILGATE_* values, as the types that the section declares."""
    found: dict[str, Any] = {}
    for key in dataclasses.fields(kind):
        name = f"TAILGATE_{section}_{key.name}".upper()
        if name in environ:
            kind_of_value = type(key.default)
            try:
                found[key.name] = _READERS.get(kind_of_value, kind_of_value)(environ[name])
            except (ValueError, KeyError):
                wanted = kind_of_value.__name__
                raise BadSetting(f"{name}: {environ[name]!r} is not {wanted}") from None
    return found


# How a value of the environment is read where its type's own reading would mislead.
_READERS: dict[type, Any] = {
    bool: lambda text: {"true": True, "1": True, "false": False, "0": False}[text.lower()],
    tuple: lambda text: tuple(part.strip() for part in text.split(",") if part.strip()),
}


def _section(name: str, kind: type, given: dict[str, Any]) -> Any:
    """Build one section, checking every key, type and range."""
    declared = {key.name: key for key in dataclasses.fields(kind)}
    for key, value in given.items():
        if key not in declared:
            raise BadSetting(f"[{name}] {key}: no such setting; known: {', '.join(declared)}")
        default, limits = declared[key].default, declared[key].metadata
        if isinstance(default, tuple):
            if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
                raise BadSetting(f"[{name}] {key}: {value!r} is not a list of texts")
            given[key] = tuple(value)
            continue
        wanted = (int, float) if isinstance(default, float) else type(default)
        if not isinstance(value, wanted) or isinstance(value, bool) != isinstance(default, bool):
            raise BadSetting(f"[{name}] {key}: {value!r} is not {type(default).__name__}")
        if isinstance(value, str | bool):
            continue
        if isinstance(value, int | float) and not limits["low"] <= value <= limits["high"]:
            span = f"{limits['low']:g} to {limits['high']:g}"
            raise BadSetting(f"[{name}] {key}: {value!r} is outside {span}")
    return kind(**given)
