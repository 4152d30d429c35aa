"""Which tool printed a file, and what tools print besides their data."""

import re
from collections.abc import Iterable

from collectors.collector import Reading


def words(text: str) -> frozenset[str]:
    """Give the words of a text as a set.

    >>> sorted(words("PID COMM"))
    ['COMM', 'PID']
    """
    return frozenset(text.split())


# What is asked of the beginning of a file: its banner stands in the first lines.
BANNER_LINES = 40

# Tools by what they say first; those of several tools come after the file's name.
_BANNERS = (
    (r"Tracing run queue latency", "runqlat"),
    (r"Sampling run queue length", "runqlen"),
    (r"Tracing block device I/O", "biolatency"),
    (r"Tracing off-CPU time \(us\)", "offcputime"),
    (r"Tracing (?:on|off)-CPU time", "cpudist"),
    (r"Tracing blocked time .* waker stack", "offwaketime"),
    (r"Tracing blocked time", "wakeuptime"),
    (r"Tracing soft irq event", "softirqs"),
    (r"Tracing hard irq event", "hardirqs"),
    (r"Tracing (?:failed )?syscalls", "syscount"),
    (r"Sampling at \d+ Hertz", "profile"),
    (r"Tracing TCP RTT", "tcprtt"),
    (r"Tracing SYN backlog", "tcpsynbl"),
    (r"Tracing TCP established connections", "tcptracer"),
    (r"Attaching to (?:pid|kernel allocators)", "memleak"),
    (r"Counting swap ins", "swapin"),
    (r"Display kvm exit", "kvmexit"),
    (r"Tracing MySQL server queries", "mysqld_qslower"),
    (r"Tracing dcache lookups", "dcsnoop"),
    (r"Tracing sync read/writes", "fileslower"),
    (r"Tracing binds", "bindsnoop"),
    (r"Tracing ppc hcalls", "ppchcalls"),
    (r"Tracing open syscalls", "opensnoop"),
    (r"Tracing garbage collections", "ugc"),
    (r"Tracing thread events", "uthreads"),
    (r"Tracing method calls", "uflow"),
    (r"Tracing SSL/TLS handshake", "sslsnoop"),
)
_FILE_SYSTEMS = (
    (r"Tracing (\w+) operation latency", "dist"),
    (r"Tracing (\w+) operations", "slower"),
)
_SHARED_BANNERS = (
    (r"Tracing database queries", "dbstat", "", "dbslower"),
    (r"Tracing (?:\d+ functions|tracepoint) for", "funclatency", "stackcount", "funccount"),
)

# Names that stand in file names: runqlat.txt, shop-runqlat-p.txt.
TOOLS = words(
    """
    argdist bashreadline bindsnoop biolatency biolatpcts biopattern biosnoop biostacks biotop
    bitesize bpflist btrfsdist btrfsslower cachestat cachetop capable compactsnoop cpudist cpufreq
    dbslower dbstat dcsnoop dcstat deadlock dirtop drsnoop execsnoop exitsnoop ext4dist ext4slower
    f2fsslower filegone filelife fileslower filetop fsdist fsslower funccount funcinterval
    funclatency funcslower futexctn gethostlatency hardirqs javagc killsnoop klockstat kvmexit
    llcstat mdflush memleak mountsnoop mysqld_qslower naptime netqtop nfsdist nfsslower numamove
    offcputime offwaketime oomkill opensnoop pidpersec ppchcalls profile readahead runqlat runqlen
    runqslower shmsnoop sigsnoop slabratetop sofdsnoop softirqs solisten sslsniff sslsnoop
    stackcount statsnoop swapin syncsnoop syscount tcpaccept tcpcong tcpconnect tcpconnlat tcpdrop
    tcplife tcppktlat tcpretrans tcprtt tcpstates tcpsubnet tcpsynbl tcptop tcptracer threadsnoop
    trace ttysnoop ucalls uflow ugc undump uobjnew ustat uthreads vfscount vfsstat virtiostat
    wakeuptime wqlat xfsdist xfsslower zfsdist zfsslower
    """
)

CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-6]\d"

# Lines that are of the tool and not of its data. RE2 reads it too.
NOISE = (
    r"^(?:\[\.\.\..*|<screen clears>|\.\.\.|Detaching\.\.\.|#|"
    r"(?:Tracing|Sampling|Counting|Attaching|Display|Summariz|Measuring|Profiling|Running) ?.*"
    r"(?:\.\.\.|Ctrl|probes|pids?\b|slower than|operations|for \d+ sec).*|"
    r".*(?:Hit Ctrl-C|Ctrl[-+]C to (?:end|quit|stop)).*|"
    r"Note: Kernel bpf will report .*|"
    rf"\[?{CLOCK}\]?:?(?: (?:loadavg: |Buffers MB: |Top \d+ stacks).*)?)\s*$"
)
_NOISE = re.compile(NOISE)

# A line of its own for the time of what follows, and those that say more.
TIME_LINE = rf"^\[?(?P<clock>{CLOCK})\]?:?(?: (?:loadavg: |Buffers MB: |Top \d+ stacks).*)?\s*$"
LOST = (
    r"(?i)(?:lost (?P<lost>[0-9]{1,18}) (?:events|samples)"
    r"|\b(?P<stacks>[0-9]{1,18}) stack traces? (?:could|lost))"
)

_LOST = re.compile(LOST)


def is_noise(line: str) -> bool:
    """Tell a line that is of the tool and not of its data.

    >>> is_noise("Tracing run queue latency... Hit Ctrl-C to end."), is_noise("[...]")
    (True, True)
    >>> is_noise("1234  bash  3  0 /etc/passwd")
    False
    """
    return bool(_NOISE.match(line)) or bool(_LOST.search(line))


def tool_of(lines: Iterable[str], family: str, reading: Reading) -> str:
    """Tell which tool printed a file: as was said, as its banner or its name says, else "bcc".

    Args:
        lines: the first of it.
        family: histogram, stacks or table, for banners that several tools have.
        reading: how the file is read.
    """
    if reading.origin.tool:
        return reading.origin.tool
    text = "\n".join(lines)
    for pattern, tool in _BANNERS:
        if re.search(pattern, text):
            return tool
    for pattern, suffix in _FILE_SYSTEMS:
        if match := re.search(pattern, text):
            return match[1].lower() + suffix
    if named := _named(reading.file):
        return named
    place = ("histogram", "stacks", "table").index(family)
    for pattern, *tools in _SHARED_BANNERS:
        if re.search(pattern, text) and tools[place]:
            return tools[place]
    return "bcc"


def _named(file: str) -> str:
    """Give the tool that a file's name tells.

    >>> _named("shop.runqlat-p.txt"), _named("funclatency_u.txt"), _named("out.txt")
    ('runqlat', 'funclatency', '')
    """
    words = re.split(r"[^a-z0-9_]+", file.lower())
    for candidates in (words, [part for word in words for part in word.split("_")]):
        found = [word for word in candidates if word in TOOLS]
        if found:
            return found[-1]
    return ""


def lost_in(line: str) -> int | None:
    """Give how much a line says was lost; None where it says nothing of it.

    >>> lost_in("Possibly lost 7 samples"), lost_in("WARNING: 2 stack traces lost"), lost_in("x")
    (7, 2, None)
    """
    match = _LOST.search(line)
    return int(match["lost"] or match["stacks"]) if match else None
