"""Lines of perf stat in its three layouts, each as the counter it tells."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

_SEPARATORS = (",", ";", "\t", "|")
_LINES_LOOKED_AT = 16
_LINE_BYTES = 4096
# A command may print much before its counters come.
_TABLE_BEGINS = re.compile(
    r"^\s*Performance counter stats for |^#\s+time\s+.*counts\s+unit\s+events"
)

_STATUS = {"<not counted>": "not_counted", "<not supported>": "not_supported"}
_VALUE = r"<not counted>|<not supported>|-?[\d.,]*\d"
_TIME = re.compile(r"^\s*\d{1,9}\.\d{9}$")
# What a counter is of: a processor, a part of the machine, or a thread.
_PART = re.compile(
    r"^(?:(?P<cpu>CPU-?\d+)|(?P<core>[SND]\d+(?:-[A-Z]+\d+)*)|(?P<thread>.*\S-\d+))$"
)
_NUMBER = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?")
_WHOLE = re.compile(r"\d{1,30}")
_PERCENT = re.compile(r"(\d{1,6}(?:\.\d{1,9})?)%")
_EVENT = re.compile(r"[A-Za-z]\S*")

_COUNTER = re.compile(
    r"^\s*(?:(?P<time>\d{1,9}\.\d{9})\s+)?"
    r"(?:(?P<part>CPU\d+|[SND]\d+(?:-[A-Z]+\d+)*|\S.*?-\d+)\s+(?:\d{1,6}\s+)?)?"
    rf"(?P<value>{_VALUE})\s+(?:(?P<unit>[A-Za-z%/]\S*)\s+)?(?P<event>[A-Za-z]\S*)"
    r"\s*(?P<rest>[#(].*)?$"
)
_ELAPSED = re.compile(
    r"^\s*(?P<value>\d[\d.,]*)\s+(?:\+-\s+[\d.,]+\s+)?seconds (?P<of>time elapsed|user|sys)"
    r"\s*(?P<rest>\(.*)?$"
)
_OF_TIME = {"time elapsed": "duration_time", "user": "user_time", "sys": "system_time"}
_SPREAD = re.compile(r"\( \+-\s*([\d.]{1,20})% \)")
_RUNNING = re.compile(r"\(\s*(\d{1,3}\.\d{1,4})%\)\s*$")
_NOISE = re.compile(
    r"^\s*$|^\s*#|^\s*Performance counter stats for |^Some events weren't counted|^\s*echo \d > "
    r"|^\s*perf stat \.\.\.|^\s*\(.*\)$|^(?:time|counts|unit|events|\s)+$"
)


class StrangeLineError(Exception):
    """A line is none that perf stat writes."""


@dataclass(frozen=True)
class Counter:
    """One value of one counter.

    Attributes:
        event: its name with modifiers.
        unit: as printed.
        value: as a decimal number; empty where there is none.
        status: ok, not_counted or not_supported.
        running: the share of the time it was counted in; None for unknown.
        spread: the standard deviation of repeated runs, in percent of the mean; None for one run.
        second: when it was printed, in seconds since the start, of -I; empty for the end.
        keys: what it is of.
    """

    event: str
    unit: str
    value: str
    status: str = "ok"
    running: float | None = None
    spread: float | None = None
    second: str = ""
    keys: dict[str, str] = field(default_factory=dict)


ParseLine = Callable[[str], Counter | None]


def layout_of(content: bytes, is_whole: bool) -> ParseLine | None:
    """Tell how a text of perf stat is laid out by its beginning; None if it is none.

    >>> layout_of(b"62,,page-faults,48674802,100.00,1.274,K/sec\\n", True)("7,,faults,1,50").running
    0.5
    >>> layout_of(b"name,value\\nshop,7\\n", True) is None
    True
    """
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").replace("\r\n", "\n")
    lines = text.split("\n")
    if not is_whole or text.endswith("\n"):
        # It is cut off, or nothing.
        lines = lines[:-1]
    told = [line for line in lines if line.strip() and not line.startswith("#")][:_LINES_LOOKED_AT]
    for parse in (parse_json, *map(csv_parser, _SEPARATORS)):
        if _is_sure(parse, told):
            return parse
    is_table = any(_TABLE_BEGINS.match(line[:_LINE_BYTES]) for line in lines)
    return parse_table if is_table and b"\0" not in content else None


def _is_sure(parse: ParseLine, lines: list[str]) -> bool:
    """Tell whether lines are perf's beyond doubt: its keys, or how long each was counted."""
    counters, strange = [], 0
    for line in lines:
        try:
            counter = parse(line)
        except StrangeLineError:
            strange += 1
            continue
        if counter:
            counters.append(counter)
    # A line may be damaged or cut off.
    if strange > len(counters) // 2:
        return False
    return bool(counters) and all(
        parse is parse_json or counter.running is not None or counter.status != "ok"
        for counter in counters
    )


def parse_json(line: str) -> Counter | None:
    """Read a line of -j; None where it tells a derived metric only.

    Raises:
        StrangeLineError: it is none.
    """
    if not line.strip() or line.startswith("#"):
        return None
    try:
        told = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise StrangeLineError("no JSON object") from error
    if not isinstance(told, dict):
        raise StrangeLineError("no JSON object")
    if "counter-value" not in told and "metric-value" in told:
        return None
    event, value = told.get("event"), told.get("counter-value")
    if not isinstance(event, str) or not event or not isinstance(value, str | int | float):
        raise StrangeLineError("without event and counter-value")
    keys = {
        key: str(told[key])
        for key in ("cpu", "core", "die", "socket", "node", "cache", "cluster", "thread", "cgroup")
        if told.get(key) not in (None, "")
    }
    number, status = _value(str(value).strip())
    second = told.get("interval")
    return Counter(
        event,
        str(told.get("unit") or ""),
        number,
        status,
        _running(told.get("pcnt-running"), status),
        _float(told.get("variance")),
        f"{second:.9f}" if isinstance(second, int | float) and 0 <= second < 1e9 else "",
        keys,
    )


def csv_parser(separator: str) -> ParseLine:
    """Give what reads lines of -x with a separator."""

    def parse_csv(line: str) -> Counter | None:
        if not line.strip() or line.startswith("#"):
            return None
        fields = [field.strip() for field in line.split(separator)]
        second = fields.pop(0) if _TIME.match(fields[0]) else ""
        keys: dict[str, str] = {}
        part = _PART.match(fields[0]) if fields else None
        if part:
            keys = _keys(part)
            # Behind a part of the machine stands how many processors it has.
            del fields[: 2 if part["core"] else 1]
        if len(fields) < 5:
            raise StrangeLineError("too few fields")
        if not any(fields[:3]):
            return None
        number, status = _value(fields[0])
        unit, event = fields[1:3]
        rest = fields[3:]
        while event.count("/") == 1 and rest:
            event += separator + rest.pop(0)
        if not _EVENT.fullmatch(event):
            raise StrangeLineError("no event in its place")
        if len(rest) > 2 and rest[0] and not rest[0][0].isdigit():
            keys["cgroup"] = rest.pop(0)
        spread = _PERCENT.fullmatch(rest[0]) if rest else None
        rest = rest[1:] if spread else rest
        if len(rest) < 2 or not _WHOLE.fullmatch(rest[0]) or not _NUMBER.fullmatch(rest[1]):
            raise StrangeLineError("no time and share of counting behind the event")
        running = _running(rest[1], status)
        part_of_hundred = float(spread[1]) if spread else None
        return Counter(event, unit, number, status, running, part_of_hundred, second, keys)

    return parse_csv


def parse_table(line: str) -> Counter | None:
    """Read a line of the table for people; None where it tells no counter.

    Raises:
        StrangeLineError: it is none.
    """
    elapsed = _ELAPSED.match(line)
    if elapsed:
        number, status = _value(elapsed["value"])
        rest = elapsed["rest"] or ""
        return Counter(_OF_TIME[elapsed["of"]], "seconds", number, status, None, _spread(rest))
    if _NOISE.match(line):
        return None
    found = _COUNTER.match(line[:_LINE_BYTES])
    if not found:
        raise StrangeLineError("no counter of perf stat")
    part = _PART.match(found["part"] or "")
    number, status = _value(found["value"])
    rest = found["rest"] or ""
    running = _RUNNING.search(rest)
    return Counter(
        found["event"],
        found["unit"] or "",
        number,
        status,
        _running(running[1], status) if running else None,
        _spread(rest),
        found["time"] or "",
        _keys(part) if part else {},
    )


def _keys(part: re.Match[str]) -> dict[str, str]:
    """Give what a counter is of."""
    if part["cpu"]:
        return {"cpu": part["cpu"].removeprefix("CPU")}
    return {"core": part["core"]} if part["core"] else {"thread": part["thread"]}


def _value(text: str) -> tuple[str, str]:
    """Read a value: a decimal number without separators of thousands, and its status."""
    if text in _STATUS:
        return "", _STATUS[text]
    plain = text.replace(",", "")
    if plain.count(".") > 1:
        plain = plain.replace(".", "")
    if not _NUMBER.fullmatch(plain):
        raise StrangeLineError("no number where the value should be")
    return plain, "ok"


def _running(text: object, status: str) -> float | None:
    """Give a share of percent; what was not counted has none."""
    share = _float(text)
    return share / 100 if share is not None and status == "ok" and 0 <= share <= 100 else None


def _float(value: object) -> float | None:
    """Read a number that JSON may hold as text."""
    plain = str(value).removesuffix("%") if value is not None else ""
    return float(plain) if _NUMBER.fullmatch(plain) else None


def _spread(rest: str) -> float | None:
    found = _SPREAD.search(rest)
    return _float(found[1]) if found else None
