"""What stands around a bcc histogram: its heading, its labels, its average, or all in a dict."""

import ast
import re
import warnings
from functools import lru_cache
from typing import NamedTuple

# Python's parser takes some hundred bytes of memory for one of text.
MOST_DICT_BYTES = 1 << 20

# Also written for RE2.
HEADING = r"^\s*(?P<of>\S.*?)\s*: count\s+distribution\s*$"
ROW = r"^\s*(?P<low>-?[0-9]+)(?:\s*->\s*(?P<high>-?[0-9]+))?\s*: (?P<count>[0-9]+)\s*(?:\|.*)?$"
_HEADING = re.compile(HEADING)
_LABEL = re.compile(r"(?P<key>[A-Za-z][\w .]*?) = (?P<value>.*\S)\s*$")
_AVERAGE = re.compile(
    r"\s*avg = (?P<average>\d+) (?P<unit>\w+), total: (?P<total>\d+) \w+, count: (?P<count>\d+)\s*$"
)
_UNITS = {
    "nsecs": "ns",
    "usecs": "us",
    "msecs": "ms",
    "secs": "s",
    "kbytes": "kbytes",
    "bytes": "bytes",
}
_IN_BRACKETS = re.compile(r"(?P<of>.+) \((?P<unit>ns|us|ms|s|kB|KB|B)\)$")
_PID = re.compile(r"(?P<id>\d{1,18})(?: (?P<comm>.+))?$")


class Labels(NamedTuple):
    """What a histogram is of.

    Attributes:
        keys: names and values.
        pid, comm: of the process; None for none.
    """

    keys: tuple[tuple[str, str], ...] = ()
    pid: int | None = None
    comm: str | None = None


class Bucket(NamedTuple):
    """A row of a histogram, both bounds in it; None for an open end."""

    low: int | None
    high: int | None
    number: int


@lru_cache(maxsize=4096)
def heading(line: str) -> tuple[str, str] | None:
    """Give the metric and the unit of a heading; an empty metric where only a unit is told.

    >>> heading("     usecs       : count     distribution"), heading("len : count    distribution")
    (('', 'us'), ('len', 'len'))
    """
    match = _HEADING.match(line)
    if not match:
        return None
    of = match["of"]
    if of in _UNITS:
        return "", _UNITS[of]
    if bracketed := _IN_BRACKETS.match(of):
        return bracketed["of"], bracketed["unit"]
    # The values of an argument or of a length: of a unit that only the program knows.
    return of, of


@lru_cache(maxsize=4096)
def is_label(line: str) -> bool:
    """Tell ``name = value`` above a histogram."""
    return bool(_LABEL.match(line))


def labels(lines: tuple[str, ...]) -> Labels:
    """Give what the lines above a histogram say it is of.

    >>> labels(("disk = b'sda'", "pid = 12 sh")).keys
    (('disk', 'sda'), ('pid', '12'), ('comm', 'sh'))
    >>> labels(("r:c:read()",))
    Labels(keys=(('label', 'r:c:read()'),), pid=None, comm=None)
    """
    keys: dict[str, str] = {}
    pid: int | None = None
    for line in lines:
        match = _LABEL.match(line)
        if not match:
            keys["label"] = line.strip()
            continue
        key, value = match["key"], unquoted(match["value"])
        found = _PID.match(value) if key in ("pid", "tid") else None
        if not found:
            keys[key] = value
            continue
        keys[key] = found["id"]
        pid = int(found["id"]) if key == "pid" else pid
        if found["comm"]:
            keys["comm"] = found["comm"]
    return Labels(tuple(keys.items()), pid, keys.get("comm"))


def unquoted(value: str) -> str:
    """Take away the quotes that Python prints around text.

    >>> unquoted("b'sda'"), unquoted("'read'"), unquoted("Read")
    ('sda', 'read', 'Read')
    """
    return match[1] if (match := re.fullmatch(r"b?'(.*)'", value)) else value


def average(line: str) -> tuple[tuple[str, int, str], ...] | None:
    """Give metric, value and unit of each figure of a line under a histogram.

    >>> average("avg = 5 nsecs, total: 50 nsecs, count: 10")
    (('average', 5, 'ns'), ('total', 50, 'ns'), ('count', 10, 'count'))
    """
    match = _AVERAGE.match(line)
    if not match:
        return None
    unit = _UNITS.get(match["unit"], match["unit"])
    told = (("average", unit), ("total", unit), ("count", "count"))
    figures = tuple((name, int(match[name][:40]), unit) for name, unit in told)
    return tuple(figure for figure in figures if figure[1] < 2**63)


def from_dict(line: str) -> tuple[str, str, Labels, list[Bucket]] | str:
    """Read what ``-j`` prints: time, unit, labels and rows; or what is wrong with it.

    >>> from_dict("{'ts': '', 'val_type': 'msecs', 'data': [{'value': 2, 'count': 1}]}")
    ('', 'ms', Labels(keys=(), pid=None, comm=None), [Bucket(low=2, high=2, number=1)])
    """
    if len(line) > MOST_DICT_BYTES:
        return f"a dict of more than {MOST_DICT_BYTES} bytes"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            told = ast.literal_eval(line)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return "no Python dict"
    if not isinstance(told, dict) or not isinstance(told.get("data"), list):
        return "a dict without data"
    rows = [_bucket(row) for row in told["data"]]
    if any(row is None for row in rows):
        return "a dict with a row that is no bucket"
    unit = str(told.get("val_type", ""))
    above = [
        f"{key} = {value.decode('utf-8', 'replace') if isinstance(value, bytes) else value}"
        for key, value in told.items()
        if key not in ("ts", "val_type", "data")
    ]
    own = labels(tuple(above))
    return str(told.get("ts", "")), _UNITS.get(unit, unit), own, [row for row in rows if row]


def _bucket(row: object) -> Bucket | None:
    """Give a row of a dict; None where it is none."""
    if not isinstance(row, dict):
        return None
    low = _whole(row.get("interval-start", row.get("value")))
    high = _whole(row.get("interval-end", row.get("value")))
    number = _whole(row.get("count"))
    if low is None or high is None or number is None:
        return None
    if number < 0 or number >= 2**63 or low >= 2**63:
        return None
    return Bucket(low, high if high < 2**63 else None, number)


def _whole(value: object) -> int | None:
    """Give a whole number of at most 64 bits, with a sign or without; None where it is none."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if -(2**63) <= value < 2**64 else None
