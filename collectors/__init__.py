"""Everything that brings telemetry in; COLLECTORS is every file format, in the order tried."""

from collectors.bcc import BCC_HISTOGRAM, BCC_STACKS, BCC_TABLE
from collectors.bpftrace import BPFTRACE_JSON, BPFTRACE_TEXT
from collectors.chrome_trace import CHROME_TRACE
from collectors.collector import Collector
from collectors.folded import FOLDED
from collectors.otlp_file import OTLP_FILES
from collectors.perf_script import PERF_SCRIPT
from collectors.perf_stat import PERF_STAT
from collectors.pprof import PPROF
from collectors.speedscope import SPEEDSCOPE

# The stricter come first: folded stacks are any text whose lines end in a number.
COLLECTORS: tuple[Collector, ...] = (
    PPROF,
    SPEEDSCOPE,
    CHROME_TRACE,
    BPFTRACE_JSON,
    *OTLP_FILES,
    PERF_SCRIPT,
    PERF_STAT,
    BPFTRACE_TEXT,
    BCC_HISTOGRAM,
    BCC_STACKS,
    BCC_TABLE,
    FOLDED,
)
