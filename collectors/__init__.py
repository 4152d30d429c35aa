"""Everything that brings telemetry in; COLLECTORS is every file format, in the order tried."""

from collectors.collector import Collector
from collectors.otlp_file import OTLP_FILES

COLLECTORS: tuple[Collector, ...] = OTLP_FILES
