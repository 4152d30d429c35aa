"""Frames of folded stacks by their text: names, kinds, files; and threads that stand as frames."""

import re
from typing import NamedTuple

from collectors.frames_and_stacks import NO_STACK, UNKNOWN, Frame

# What collapsing tools append to a name. Letters: stackcollapse-perf.pl and async-profiler; digits:
# async-profiler's FrameTypeId.
_KIND_OF_SUFFIX = {
    "k": "kernel",
    "j": "jit",
    "i": "inlined",
    "p": "python",
    "0": "java",
    "1": "jit",
    "2": "inlined",
    "3": "native",
    "4": "native",
    "5": "kernel",
    "6": "jit",
}
_SUFFIX = re.compile(r"(?s)(.+)_\[([kjip0-6])\]")
_KIND_OF_FILE = (
    (("py", "pyx", "pyi"), "python"),
    (("c", "cc", "cpp", "cxx", "h", "hpp", "rs", "go", "s", "S"), "native"),
    (("java", "kt", "scala"), "java"),
    (("js", "mjs", "cjs", "ts", "tsx", "jsx"), "js"),
)
_KIND_OF_ENDING = {ending: kind for endings, kind in _KIND_OF_FILE for ending in endings}

_WITH_LINE = re.compile(r"(?s)(.+) \(([^()]+|<[^<>]*>):(\d{1,18})\)")
_WITH_PLACE = re.compile(r"(?s)(.+) \(([^()]+)\)")

_PROCESS = re.compile(r'(?s)process (\d{1,18}):"(.*)"')
_THREAD = re.compile(r"(?s)thread \((0x[0-9a-fA-F]{1,16}|\d{1,18})\)(?:: (.*))?")
_JAVA_THREAD = re.compile(r"(?s)\[(?:(.*) )?tid=(\d{1,18})\]")
_COMM = re.compile(r"(?s)(.*)-(\d{1,18}|\?)(?:/(\d{1,18}))?")

# Brackets of operators and arrows, which close nothing.
_NO_BRACKETS = re.compile(r"operator(?:<=>|<<=?|>>=?|<=?|>=?|->\*?|\(\))|->|<-|=>|<=|>=")

# A frame in the kernel is another than one of the same name outside.
KERNEL = "[kernel]"


class Owner(NamedTuple):
    """Whose a sample is, as far as leading frames say.

    Attributes:
        pid, thread_id: None for unknown.
        thread_name, comm: empty for unknown.
    """

    pid: int | None = None
    thread_id: int | None = None
    thread_name: str = ""
    comm: str = ""


def kind_of_file(file: str) -> str:
    """Give the kind of a frame by the name of its source file.

    >>> kind_of_file("/srv/app.py"), kind_of_file("<string>"), kind_of_file("libc.so.6")
    ('python', 'python', 'unknown')
    """
    if file.startswith("<") and file.endswith(">"):
        return "python"
    return _KIND_OF_ENDING.get(file.rpartition(".")[2], "unknown")


def read_frame(text: str, py_spy: bool = False, in_kernel: bool = False) -> Frame:
    """Read one frame.

    Args:
        text: between two semicolons, not empty.
        py_spy: whether py-spy wrote it: a name and, in parentheses, a file or binary.
        in_kernel: whether it stands behind the mark where the kernel begins.

    >>> read_frame("vfs_read_[k]")[0::10], read_frame("f (a.py:7)")[0:4:3]
    (('vfs_read', 'kernel'), ('f', 7))
    """
    # The terminal's echo of the key that ended the recording.
    text = text.removeprefix("^C") or text
    if text in (UNKNOWN, NO_STACK):
        return Frame(text, mapping=KERNEL, kind="kernel") if in_kernel else Frame(text)
    kind = ""
    if match := _SUFFIX.fullmatch(text):
        text, kind = match[1], _KIND_OF_SUFFIX[match[2]]
    if in_kernel or kind == "kernel":
        return Frame(text, mapping=KERNEL, kind="kernel")
    inlined = kind == "inlined"
    if match := _WITH_LINE.fullmatch(text):
        kind = kind or kind_of_file(match[2])
        if py_spy and kind == "unknown":
            kind = "python"
        return Frame(match[1], file=match[2], line=int(match[3]), inlined=inlined, kind=kind)
    if py_spy and (match := _WITH_PLACE.fullmatch(text)):
        known = kind_of_file(match[2])
        if known != "unknown":
            return Frame(match[1], file=match[2], inlined=inlined, kind=kind or known)
        return Frame(match[1], mapping=match[2], inlined=inlined, kind=kind or "native")
    return Frame(text, inlined=inlined, kind=kind or "unknown")


def read_owner(text: str) -> Owner | None:
    """Read a frame that is a process or a thread; None if it is none.

    >>> read_owner("thread (0x1F): MainThread")
    Owner(pid=None, thread_id=31, thread_name='MainThread', comm='')
    >>> read_owner("[main tid=7]").thread_id, read_owner("main")
    (7, None)
    """
    if match := _PROCESS.fullmatch(text):
        return Owner(pid=int(match[1]))
    if match := _THREAD.fullmatch(text):
        number = int(match[1], 0) if match[1].startswith("0x") else int(match[1])
        return Owner(thread_id=number if number < 2**63 else None, thread_name=match[2] or "")
    if match := _JAVA_THREAD.fullmatch(text):
        return Owner(thread_id=int(match[2]), thread_name=match[1] or "")
    return None


def read_comm(text: str) -> Owner:
    """Read a first frame that is a command's name, perhaps with its process and thread.

    >>> read_comm("java-12/15"), read_comm("kworker/0:1").comm
    (Owner(pid=12, thread_id=15, thread_name='', comm='java'), 'kworker/0:1')
    """
    if match := _COMM.fullmatch(text):
        pid = None if match[2] == "?" else int(match[2])
        return Owner(pid, int(match[3]) if match[3] else None, comm=match[1])
    return Owner(comm=text)


def merged(outer: Owner, inner: Owner) -> Owner:
    """Give what two leading frames say together; the inner one's word counts."""
    return Owner(
        outer.pid if inner.pid is None else inner.pid,
        outer.thread_id if inner.thread_id is None else inner.thread_id,
        inner.thread_name or outer.thread_name,
        inner.comm or outer.comm,
    )


def open_brackets(text: str) -> tuple[int, int]:
    """Count the parentheses and the angle brackets that a text leaves open.

    >>> open_brackets("f(int"), open_brackets("operator<"), open_brackets("map<a>::b()")
    ((1, 0), (0, 0), (0, 0))
    """
    plain = _NO_BRACKETS.sub("", text)
    return plain.count("(") - plain.count(")"), plain.count("<") - plain.count(">")
