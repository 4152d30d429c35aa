"""What counters and token usage tell of caches, beside spans: tables for every form of report."""

from typing import Any

from pipeline.jobs.cache import CacheResult
from pipeline.jobs.cache_counters import CounterRatio
from pipeline.jobs.cache_tokens import TokenRatio
from pipeline.report.capacity_lines import Table, figure, interval

_PER_CENT = 100.0


def sections(result: CacheResult) -> list[tuple[str, Table]]:
    """Give titles and tables of what is told beside spans; those without rows are left out."""
    found = [
        ("Hit ratios by counters", _counter_table(result.counters)),
        ("Prompt tokens from a provider's cache", _token_table(result.tokens)),
    ]
    return [(title, table) for title, table in found if table[2]]


def _counter_table(counters: tuple[CounterRatio, ...]) -> Table:
    names = ("service", "counter", "cache", "instances", "lookups", "hits % [90 %]", "left out")
    rows = [
        [
            f"{each.service_name} {each.service_version}".strip() or "–",
            each.source,
            each.cache or "–",
            str(each.instances),
            figure(each.lookups),
            interval(each.hit_ratio, _PER_CENT),
            _left_out(each),
        ]
        for each in counters
    ]
    return names, (False, False, False, True, True, True, False), rows


def _left_out(each: CounterRatio) -> str:
    told = [f"{each.left_out} points"] if each.left_out else []
    return ", ".join([*told, f"{figure(each.pending)} pending"] if each.pending else told) or "–"


def _token_table(tokens: tuple[TokenRatio, ...]) -> Table:
    names = ("service", "model", "operation", "calls", "tokens", "cached % [90 %]", "untold")
    rows = [
        [
            f"{each.service_name} {each.service_version}".strip() or "–",
            f"{each.provider} {each.model}".strip() or "–",
            each.operation,
            str(each.calls),
            figure(each.tokens),
            interval(each.hit_ratio, _PER_CENT),
            str(each.untold) if each.untold else "–",
        ]
        for each in tokens
    ]
    return names, (False, False, False, True, True, True, True), rows


def documents(result: CacheResult) -> dict[str, Any]:
    """Give the same for programs: plain values, intervals as they are."""
    return {
        "counters": [vars(each) for each in result.counters],
        "tokens": [vars(each) for each in result.tokens],
        "untold": [vars(each) for each in result.untold],
        "notes": list(result.notes),
    }
