"""Units of data points: what one of them is, in the base unit of its dimension.

Source: The Unified Code for Units of Measure, case-sensitive symbols, and the words that Micrometer
and older senders write in their place.
"""

from collections.abc import Mapping
from types import MappingProxyType

TIME, BYTES, SHARE, COUNT = "time", "bytes", "share", "count"
# Of each dimension, as UCUM writes it.
BASE_UNITS: Mapping[str, str] = MappingProxyType({TIME: "s", BYTES: "By", SHARE: "1", COUNT: "1"})

_KILO, _KIBI = 1e3, 2.0**10
_NANO, _MICRO, _MILLI, _MINUTE, _HOUR, _DAY = 1e-9, 1e-6, 1e-3, 60.0, 3600.0, 86_400.0
_TIMES = {
    1.0: ("s", "sec", "second", "seconds"),
    _MILLI: ("ms", "millisecond", "milliseconds"),
    _MICRO: ("us", "\u00b5s", "\u03bcs", "microsecond", "microseconds"),
    _NANO: ("ns", "nanosecond", "nanoseconds"),
    _MINUTE: ("min", "minutes"),
    _HOUR: ("h", "hours"),
    _DAY: ("d", "days"),
}
_SIZES = {
    1.0: ("By", "B", "byte", "bytes"),
    0.125: ("bit",),
    _KILO: ("kBy",),
    _KILO**2: ("MBy",),
    _KILO**3: ("GBy",),
    _KILO**4: ("TBy",),
    _KIBI: ("KiBy", "KiB"),
    _KIBI**2: ("MiBy", "MiB"),
    _KIBI**3: ("GiBy", "GiB"),
    _KIBI**4: ("TiBy", "TiB"),
}
_SHARES = {1.0: ("1", "ratio"), 0.01: ("%", "percent")}
_FACTORS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        dimension: {unit: factor for factor, units in named.items() for unit in units}
        for dimension, named in ((TIME, _TIMES), (BYTES, _SIZES), (SHARE, _SHARES))
    }
)


def dimension_of(unit: str) -> str:
    """Give what a unit measures; COUNT for everything that is counted, and for no unit.

    >>> dimension_of("ms"), dimension_of("KiBy"), dimension_of("%"), dimension_of("{message}")
    ('time', 'bytes', 'share', 'count')
    """
    if unit == "1":
        return COUNT
    return next((name for name, factors in _FACTORS.items() if unit in factors), COUNT)


def factor_to_base(unit: str, dimension: str) -> float | None:
    """Give what one of a unit is in the base unit of a dimension; None where it is none of it.

    Args:
        unit: as it was sent; empty and an annotation in braces are the number 1.
        dimension: TIME, BYTES, SHARE or COUNT.

    >>> factor_to_base("ms", "time"), factor_to_base("tasks", "count")
    (0.001, 1.0)
    >>> factor_to_base("ms", "count") is None, factor_to_base("pages", "bytes") is None
    (True, True)
    """
    if dimension == COUNT:
        return 1.0 if dimension_of(unit) == COUNT else None
    is_number = unit in ("", "1") or (unit.startswith("{") and unit.endswith("}"))
    if dimension == SHARE and is_number:
        return 1.0
    return _FACTORS[dimension].get(unit)
