"""Whether a file begins as perf script writes: a sample's header, and a frame below it."""

import re

from collectors.collector import Head

_LINES_LOOKED_AT = 400
_LINE_BYTES = 4096

_COMMENT = re.compile(r"#|\s*$")
_RECORD = re.compile(r".*PERF_RECORD_[A-Z]|.*\blost \d+", re.IGNORECASE)
_FRAME = re.compile(r"[ \t]+(?:0x)?[0-9a-f]{1,16}(?:[ \t]+\S.*|[ \t]*)$")
_PID = r"(?:\S|\S.{0,200}?\S)\s+(?:-?\d{1,10}/)?-?\d{1,10}"
# ftrace writes nearly the same: shop-7 [001].
_OF_FTRACE = r".{0,200}-\d{1,10}\s+(?:\(.{0,20}\)\s+)?\[\d"
# An address and what is there. An address alone looks like a count of py-spy's without a stack.
_NAMED_FRAME = re.compile(r"[ \t]+(?:0x)?[0-9a-f]{1,16}[ \t]+\S")
# With its time and event, a line is sure enough if what follows does not speak against it.
_TIMED = re.compile(
    rf"\s*(?:{_PID}|(?!{_OF_FTRACE})\S.{{0,200}}?)\s+(?:\[\d{{1,4}}\]\s+)?(?:\S{{4,8}}\s+)?\d{{1,10}}\.\d{{3,9}}:"
    r"(?:\s+(?:\d{1,18}\s+)?(?P<event>[A-Za-z][^\s]*):(?P<payload>\s.*)?|\s*\d{0,18}\s*)$"
)
_ALONE = re.compile(r"\s*[0-9a-f]{1,16} (?:\S.* \(.*\)|\[unknown\].*)$|.*[A-Za-z_]\w*(?:=|: )\S")
_PLAIN = re.compile(
    rf"\s*{_PID}\s*(?:\[\d{{1,4}}\]\s*)?(?:(?:\d{{1,18}}\s+)?[A-Za-z]\S*:(?:\s.*)?)?$"
)
_NAMED = re.compile(r"\S.{0,200}?\s+(?:\d{1,18}\s+)?[A-Za-z]\S*:\s*$")


def is_perf_script(head: Head) -> bool:
    """Tell whether it is text of perf script.

    >>> is_perf_script(Head(b"shop 7 1.000001: 9 cycles:u:\\n\\t 401b97 main (shop)\\n", True))
    True
    >>> is_perf_script(Head(b"main;pay 7\\n", True))
    False
    """
    if b"\0" in head.content[:_LINE_BYTES]:
        return False
    text = head.content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    lines = text.split("\n")
    if not head.whole:
        # The last one is cut off.
        lines = lines[:-1]
    seen = 0
    has_samples = False
    for place, line in enumerate(lines):
        if _COMMENT.match(line):
            continue
        line = line[:_LINE_BYTES]
        behind = lines[place + 1][:_LINE_BYTES] if place + 1 < len(lines) else ""
        told = _tells(line.rstrip("\r"), behind.rstrip("\r"))
        if told is not None:
            return told
        has_samples = has_samples or not _RECORD.match(line)
        seen += 1
        if seen > _LINES_LOOKED_AT:
            break
    return has_samples


def _tells(line: str, behind: str) -> bool | None:
    """Tell by a line and the one behind it; None if another has to tell."""
    if _RECORD.match(line):
        return None
    is_frame = _FRAME.match(behind) is not None
    timed = _TIMED.match(line)
    if timed:
        if is_frame or (timed["payload"] and _ALONE.match(timed["payload"])):
            return True
        # A sample without a stack: perf's event is all that stands there.
        return None if timed["event"] else False
    # Without a time many texts look like this, so the frame has to be as perf writes it.
    is_plain = _PLAIN.match(line) or _NAMED.match(line)
    is_sure = is_frame and (";" not in line or _NAMED_FRAME.match(behind))
    return bool(is_plain and is_sure and not line.startswith((" ", "\t")))
