"""Files of OTLP requests: what the OpenTelemetry Collector's file exporter and others write."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from collectors.collector import Collector, Head, Reading, Reject, Rows

if TYPE_CHECKING:
    from collectors.expand import Content

_SIGNALS = ("traces", "metrics", "logs", "profiles")


def _sniff(framing: str, head: Head) -> bool:
    """Tell whether a file begins as one with this framing."""
    from collectors import otlp_file_sniff

    sniffs = {
        "lines": otlp_file_sniff.is_lines,
        "document": otlp_file_sniff.is_document,
        "length_prefixed": otlp_file_sniff.is_length_prefixed,
        "delimited": otlp_file_sniff.is_delimited,
        "message": otlp_file_sniff.is_message,
    }
    return sniffs[framing](head)


def _read(framing: str, content: "Content", reading: Reading) -> Iterator[Rows | Reject]:
    """Read a file with this framing."""
    from collectors.otlp_file_rows import read

    return read(framing, content, reading)


def _collector(name: str, framing: str, summary: str, *suffixes: str) -> Collector:
    """Give the collector of one framing."""
    return Collector(
        format=name,
        summary=summary,
        signals=_SIGNALS,
        suffixes=suffixes,
        sniff=partial(_sniff, framing),
        read=partial(_read, framing),
    )


# The stricter come first: a message after its length could be no other, while a lone message is
# known by its fields only.
OTLP_FILES = (
    _collector("otlp-json-lines", "lines", "OTLP/JSON, a request a line", ".jsonl", ".json"),
    _collector("otlp-json", "document", "OTLP/JSON, one request over many lines", ".json"),
    _collector(
        "otlp-proto",
        "length_prefixed",
        "requests, each behind its length in 4 bytes, big endian",
        ".otlp",
        ".pb",
    ),
    _collector(
        "otlp-delimited", "delimited", "protobuf, each behind its length as a varint", ".pb"
    ),
    _collector("otlp-message", "message", "protobuf, one request", ".otlp", ".pb", ".bin"),
)
