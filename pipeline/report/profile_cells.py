"""How numbers and names of profiles are written for people."""

from pipeline.report.text import MISSING, significant

_SCALES = {
    "nanoseconds": ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns")),
    "bytes": ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")),
}
_LONGEST_NAME = 100


def amount(value: float, unit: str) -> str:
    """Write a value in a unit that suits its size.

    >>> amount(2_500_000_000, "nanoseconds"), amount(-2048, "bytes"), amount(7, "count")
    ('2.500 s', '-2.000 KiB', '7')
    """
    if value == 0:
        return "0"
    for scale, name in _SCALES.get(unit, ()):
        if abs(value) >= scale:
            return f"{significant(value / scale)} {name}"
    return f"{value:.0f}" if unit in ("count", "") else f"{value:.0f} {unit}"


def percent(share: float | None) -> str:
    """Write a share in per cent.

    >>> percent(0.1234), percent(None)
    ('12.34', '–')
    """
    return MISSING if share is None else f"{share * 100:.2f}"


def shown_name(name: str) -> str:
    """Write a function's name: what would steer a terminal as its escape, its middle cut.

    >>> shown_name("a\\x1b[2Jb")
    'a\\\\x1b[2Jb'
    """
    text = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in name
    )
    half = _LONGEST_NAME // 2
    return text if len(text) <= _LONGEST_NAME else f"{text[:half]}…{text[-half:]}"
