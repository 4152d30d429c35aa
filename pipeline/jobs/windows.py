"""Times as people write them: ``--since 2h``, ``--until 2026-03-01T12:00:00Z``."""

import datetime
import re

from pipeline.errors import BadWindow

_SECOND_NANO = 1_000_000_000
_UNIT_NANO = {
    "s": _SECOND_NANO,
    "m": 60 * _SECOND_NANO,
    "h": 3600 * _SECOND_NANO,
    "d": 86400 * _SECOND_NANO,
}

# Delta and DuckDB keep nanoseconds in 64 bits: up to the year 2262.
_LARGEST_NANO = 2**63 - 1

_FORMS = "a time (2026-03-01T12:00:00Z, 2026-03-01) or an age (90s, 30m, 2h, 7d)"

_AGE = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
_TIME = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:[Tt ](?P<clock>\d{2}:\d{2}(?::\d{2})?)(?:\.(?P<fraction>\d{1,9}))?"
    r"(?P<zone>[Zz]|[+-]\d{2}:\d{2})?)?",
    re.ASCII,
)


def parse_time(text: str, now_unix_nano: int) -> int:
    """Read a point in time.

    Args:
        text: an RFC 3339 time, UTC unless it names a zone; a date, whose midnight in UTC is meant;
            or an age, which counts back from now.
        now_unix_nano: the present.

    Returns:
        Nanoseconds since the epoch.

    Raises:
        BadWindow: the text is none of these, or lies outside 1970 to 2262.

    Source: RFC 3339, section 5.6.

    >>> parse_time("2h", now_unix_nano=7_200_000_000_000)
    0
    >>> parse_time("1970-01-01T01:00:00.5+01:00", now_unix_nano=0)
    500000000
    """
    age = _AGE.fullmatch(text)
    time = _TIME.fullmatch(text)
    if age:
        nanos = now_unix_nano - int(age[1]) * _UNIT_NANO[age[2]]
    elif time:
        nanos = _absolute(text, time)
    else:
        raise BadWindow(f"{text!r}: not a time; write {_FORMS}")
    if not 0 <= nanos <= _LARGEST_NANO:
        raise BadWindow(f"{text!r}: outside the years 1970 to 2262; write {_FORMS}")
    return nanos


def parse_window(
    since: str | None, until: str | None, now_unix_nano: int
) -> tuple[int | None, int | None]:
    """Read both ends of a window; an end that is not given stays open.

    Raises:
        BadWindow: an end cannot be read, or the window is empty.

    >>> parse_window("1970-01-02", None, now_unix_nano=0)
    (86400000000000, None)
    """
    first = None if since is None else parse_time(since, now_unix_nano)
    last = None if until is None else parse_time(until, now_unix_nano)
    if first is not None and last is not None and first >= last:
        raise BadWindow(f"--since {since} --until {until}: an empty window; since must be earlier")
    return first, last


def _absolute(text: str, time: re.Match[str]) -> int:
    """Put the parts of a time together; whole seconds by the calendar, the rest by digits."""
    zone = time["zone"] or "Z"
    zone = "+00:00" if zone in "Zz" else zone
    try:
        moment = datetime.datetime.fromisoformat(f"{time['date']}T{time['clock'] or '00:00'}{zone}")
    except ValueError as error:
        raise BadWindow(f"{text!r}: {error}; write {_FORMS}") from None
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    seconds = (moment - epoch) // datetime.timedelta(seconds=1)
    return seconds * _SECOND_NANO + int((time["fraction"] or "0").ljust(9, "0"))
