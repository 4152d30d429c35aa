"""What a line of a bcc stack is: a frame, whose the stack is, or what divides it."""

import re
from functools import lru_cache
from typing import NamedTuple

from collectors.bcc_tools import is_noise
from collectors.frames_and_stacks import Frame

NOISE, FRAME, DIVIDER, COMM, NAMED, WAKER, TARGET, TEXT = range(8)

_OWNER = re.compile(r"\s+-\s+(?P<comm>.*?) \((?P<pid>\d{1,18})\)\s*$")
_NAMED = re.compile(r"\s+(?P<comm>\S.*?) \[(?P<pid>\d{1,18})\]\s*$")
_SIDE = re.compile(r"\s+(?P<side>waker|target):\s+(?P<comm>\S.*?)(?: (?P<pid>\d{1,18}))?\s*$")
_DIVIDER = re.compile(r"\s+-{2,}(?P<twice>\s+-{2,})?\s*$")
_FRAME = re.compile(
    r"(?:#\d+\s+)?(?:(?:0x)?(?P<address>[0-9a-f]{8,16})\s+)?(?P<name>\S.*?)"
    r"(?:\+0x[0-9a-f]+)?(?:\s+\[(?P<mapping>[^\[\]]+)\])?"
)
_ADDRESS = re.compile(r"0x([0-9a-f]{1,16})|([0-9a-f]{16})")

# profile -a and offcputime -a mark what the kernel ran.
_IN_KERNEL = "_[k]"


class Line(NamedTuple):
    """A line of a stack.

    Attributes:
        role: FRAME, or COMM for ``-  comm (pid)``, NAMED for ``comm [pid]``, …; TEXT for none.
        comm, pid: whose; empty and -1 for unknown.
        frame: the frame that it is.
    """

    role: int
    comm: str = ""
    pid: int = -1
    frame: Frame = Frame()


@lru_cache(maxsize=1 << 16)
def line_of(text: str) -> Line:
    """Tell what a line is.

    >>> line_of("    -                sh (12)")[:3] == (COMM, "sh", 12)
    True
    >>> line_of("    main+0x6d [shop]").frame[0], line_of("    main+0x6d [shop]").frame.mapping
    ('main', 'shop')
    """
    if is_noise(text):
        return Line(NOISE)
    if not text[:1].isspace():
        return Line(TEXT)
    if match := _OWNER.match(text):
        return Line(COMM, match["comm"].strip(), int(match["pid"]))
    if match := _SIDE.match(text):
        role = WAKER if match["side"] == "waker" else TARGET
        return Line(role, match["comm"], int(match["pid"] or -1))
    if match := _DIVIDER.match(text):
        # Two dashes twice are between a waker's stack and its target's, of which each is both.
        return Line(NOISE if match["twice"] else DIVIDER)
    frame = frame_of(text.strip())
    if match := _NAMED.match(text):
        return Line(NAMED, match["comm"], int(match["pid"]), frame)
    return Line(FRAME, frame=frame)


def frame_of(text: str) -> Frame:
    """Give a frame.

    >>> frame_of("ffffffff81000001 wake_up_all").function, frame_of("read_[k]").kind
    ('wake_up_all', 'kernel')
    >>> frame_of("[Missed User Stack]").function, frame_of("0x7f00").address
    ('[Missed User Stack]', 32512)
    """
    if match := _ADDRESS.fullmatch(text):
        return Frame(address=int(match[1] or match[2], 16))
    match = _FRAME.fullmatch(text)
    if not match:
        return Frame(function=text)
    name, mapping = match["name"], match["mapping"] or ""
    kernel = name.endswith(_IN_KERNEL) or mapping == "kernel"
    name = name.removesuffix(_IN_KERNEL)
    address = int(match["address"] or "0", 16)
    kind = "kernel" if kernel else "unknown"
    return Frame(function=name, mapping=mapping, address=address, kind=kind)
