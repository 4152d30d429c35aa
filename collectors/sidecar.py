"""Sidecar files: what a file does not say of itself, written beside it by who recorded it.

Beside ``cpu.pb.gz`` stands ``cpu.pb.gz.tailgate.toml``, or ``tailgate-import.toml`` for all files
of a folder. What the command line says comes first, then the file's own sidecar, then the folder's:

    service = "checkout"
    time = "2026-11-25T10:00:00Z"
    duration_seconds = 30
    rate_hertz = 100
    unit = "ms"
    comm = true
    tool = "runqlat"

    [attributes]
    "service.version" = "1.4.2"
"""

import dataclasses
import datetime
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from collectors.origin import Origin
from pipeline.errors import BadFile

SUFFIX = ".tailgate.toml"
FOLDER_FILE = "tailgate-import.toml"

UNITS = ("samples", "ns", "us", "ms", "s", "bytes")

# Sidecars are written by hand.
_MOST_BYTES = 1 << 20
_SECOND_NANO = 1_000_000_000


def is_sidecar(path: Path) -> bool:
    """Tell whether a file is about others and holds no telemetry."""
    return path.name.endswith(SUFFIX) or path.name == FOLDER_FILE


def origin_of(path: Path, said: Origin) -> Origin:
    """Give what is known of a file beside what it says itself.

    Args:
        path: the file.
        said: what the caller says; goes before the sidecars.

    Raises:
        BadFile: a sidecar cannot be read or says what it cannot.
    """
    found = said
    for sidecar in (path.with_name(path.name + SUFFIX), path.with_name(FOLDER_FILE)):
        if sidecar.is_file():
            found = _over(found, read_sidecar(sidecar))
    return found


def read_sidecar(path: Path) -> Origin:
    """Read a sidecar file.

    Raises:
        BadFile: it is no TOML, has a key that is not known, or a value that cannot be.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise BadFile(f"{path}: larger than {_MOST_BYTES} bytes; it is no sidecar")
        given = tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise BadFile(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadFile(f"{path}: not TOML: {error}") from error
    known = ("service", "time", "duration_seconds", "rate_hertz", "unit", "comm", "tool")
    for key in given:
        if key not in (*known, "attributes"):
            raise BadFile(f"{path}: {key}: not known; known: {', '.join(known)}, [attributes]")
    try:
        return make_origin(
            service=_typed(given, "service", str, ""),
            attributes=_typed(given, "attributes", dict, {}),
            time=given.get("time", ""),
            duration_seconds=float(_typed(given, "duration_seconds", (int, float), 0)),
            rate_hertz=float(_typed(given, "rate_hertz", (int, float), 0)),
            unit=_typed(given, "unit", str, ""),
            comm=_typed(given, "comm", bool, False),
            tool=_typed(given, "tool", str, ""),
        )
    except ValueError as error:
        raise BadFile(f"{path}: {error}") from error


def make_origin(
    service: str = "",
    attributes: Mapping[str, Any] | None = None,
    time: object = "",
    duration_seconds: float = 0.0,
    rate_hertz: float = 0.0,
    unit: str = "",
    comm: bool = False,
    tool: str = "",
) -> Origin:
    """Make an Origin of what people write.

    Args:
        service: the service's name.
        attributes: others of the resource.
        time: an RFC 3339 time with its offset, or a TOML time; empty for unknown.
        duration_seconds, rate_hertz: 0 for unknown.
        unit: one of UNITS, or empty.
        comm, tool: see ``Origin``.

    Raises:
        ValueError: a value cannot be.

    >>> make_origin("shop", time="2026-11-25T10:00:00Z").time_unix_nano
    1795600800000000000
    """
    if unit and unit not in UNITS:
        raise ValueError(f"unit {unit}: not known; known: {', '.join(UNITS)}")
    if not 0 <= duration_seconds < 1e9 or not 0 <= rate_hertz <= 1e9:
        raise ValueError("duration_seconds and rate_hertz must not be negative or beyond 1e9")
    named = {"service.name": service} if service else {}
    return Origin(
        attributes={key: _text(key, value) for key, value in (attributes or {}).items()} | named,
        time_unix_nano=_time(time),
        duration_nano=round(duration_seconds * _SECOND_NANO),
        rate_hertz=rate_hertz,
        unit=unit,
        comm=comm,
        tool=tool,
    )


def _over(first: Origin, second: Origin) -> Origin:
    """Give what the first says, and of what it does not say what the second says."""
    fields = {
        field.name: getattr(first, field.name) or getattr(second, field.name)
        for field in dataclasses.fields(Origin)
    }
    fields["attributes"] = dict(second.attributes) | dict(first.attributes)
    return Origin(**fields)


def _time(given: object) -> int:
    """Give a time in ns since the epoch; 0 for none."""
    if given == "":
        return 0
    when = given
    if isinstance(given, str):
        try:
            when = datetime.datetime.fromisoformat(given)
        except ValueError:
            raise ValueError(f"time {given}: write it as 2026-11-25T10:00:00Z") from None
    if not isinstance(when, datetime.datetime) or when.tzinfo is None:
        raise ValueError(f"time {given}: has no offset from UTC; write 2026-11-25T10:00:00Z")
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (when - epoch) // datetime.timedelta(microseconds=1) * 1000


def _text(key: str, value: object) -> str:
    """Give an attribute's value as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError(f"attributes.{key}: must be text, a number or true and false")


def _typed(given: Mapping[str, Any], key: str, kind: Any, default: Any) -> Any:
    """Give a value that must be of a type."""
    value = given.get(key, default)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{key}: {value!r} is not what it must be")
    return value
