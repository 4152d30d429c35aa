"""Output of bpftrace: its JSON (-f json) and its text."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from collectors.collector import Collector, Head, Reading, Reject, Rows

if TYPE_CHECKING:
    from collectors.expand import Content


def _sniff(form: str, head: Head) -> bool:
    """Tell whether a file begins as bpftrace writes in this form."""
    from collectors import bpftrace_sniff

    return {"json": bpftrace_sniff.is_json, "text": bpftrace_sniff.is_text}[form](head)


def _read(form: str, content: "Content", reading: Reading) -> Iterator[Rows | Reject]:
    """Read a file in this form."""
    from collectors.bpftrace_rows import read

    return read(form, content, reading)


# Maps of stacks are profiles, all else is of the ebpf tables.
_SIGNALS = ("ebpf", "profiles")

BPFTRACE_JSON = Collector(
    format="bpftrace-json",
    summary="bpftrace -f json: maps, histograms, stacks, printf",
    signals=_SIGNALS,
    suffixes=(".json", ".jsonl", ".ndjson"),
    sniff=partial(_sniff, "json"),
    read=partial(_read, "json"),
)
BPFTRACE_TEXT = Collector(
    format="bpftrace-text",
    summary="bpftrace as it prints for people: maps, histograms, stacks, printf",
    signals=_SIGNALS,
    suffixes=(".txt", ".out"),
    sniff=partial(_sniff, "text"),
    read=partial(_read, "text"),
)
