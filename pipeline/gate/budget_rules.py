"""What keys of a budget say beside one another: rules that a table of keys cannot tell."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.errors import UsageError
from pipeline.gate.budget_keys import LATENCY_METRICS, RELATIVE, SLO
from pipeline.gate.runtime_signals import IS_SAVED, NOT_SAVED
from pipeline.jobs.judge_request import SAVED, JudgeRequest, parse_baseline, parse_selector
from pipeline.jobs.named_metrics import (
    INCREASE,
    PROFILE,
    PROMPT_TOKENS,
    NamedMetric,
    named_metric,
)

# What data points and profiles know of who sent them.
_COLUMNS = ("service_name", "service_version", "service_instance_id", "deployment_environment")
_OF_PROFILES = ("function", "cumulative", "profile_type", "sample_type")
_WILD = "*?["


def broken_rules(given: Mapping[str, Any], kind: str) -> Iterator[tuple[str, str]]:
    """Give the keys whose values do not go together, with why.

    Args:
        given: keys that are known, of the right types and for this kind of budget.
        kind: of the budget.
    """
    if kind == RELATIVE:
        yield from _of_sides(given)
    if kind == SLO:
        yield from _of_chosen(given, ("where",), (*_COLUMNS, "operation"), "an error budget")
    metric = given.get("metric", "")
    named = named_metric(metric)
    if metric in LATENCY_METRICS:
        yield from _of_latency(given, metric, kind)
    elif named:
        yield from _of_named(given, named)
    for low, high in (("min", "max"), ("warn_max", "max")):
        if low in given and high in given and given[low] > given[high]:
            yield low, f"{given[low]} is above {high}, {given[high]}; give less"
    if "warn_max" in given and "max" not in given:
        yield "warn_max", "there is no max that it stands before; give max"


def _of_sides(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Check the sides of a relative budget and which way it looks."""
    if "baseline" in given and "where" not in given:
        yield "where", "which requests to compare with the baseline; give where"
    elif "where" in given and "baseline" not in given:
        yield "baseline", "what to compare with; give baseline, or neither for tailgate judge"
    elif "where" in given:
        try:
            JudgeRequest(parse_baseline(given["baseline"]), parse_selector(given["where"]))
        except UsageError as error:
            yield "where", str(error).removeprefix("judge: ")
    grown = [name for name in ("max_increase_percent", "max_increase") if name in given]
    other = [name for name in ("tolerance_percent", "tolerance") if name in given]
    if grown and other:
        yield other[0], f"says the same as {grown[0]}; give one kind of the two"
    if grown and given.get("direction", INCREASE) != INCREASE:
        yield grown[0], f"not with direction {given['direction']}; give tolerance_percent"


def _of_latency(given: Mapping[str, Any], metric: str, kind: str) -> Iterator[tuple[str, str]]:
    """Check a budget on latency, errors or rate."""
    if kind == RELATIVE and metric == "requests_per_second":
        yield "metric", "requests_per_second depends on the traffic; give max or min"
    if given.get("direction", INCREASE) != INCREASE:
        yield "direction", f"{metric} is worse only when it rises; leave it out"
    for name in ("attributes", "call", "cache", "cpu_price", *_OF_PROFILES):
        if name in given:
            yield name, f"not for {metric}; leave it out"


def _of_named(given: Mapping[str, Any], named: NamedMetric) -> Iterator[tuple[str, str]]:
    """Check a budget on a named metric."""
    if named.needs and named.needs not in given:
        value = "0.04, say" if named.needs == "cpu_price" else "PATTERN"
        yield named.needs, f"{named.name} needs it; give {named.needs} = {value}"
    if named.needs == "cpu_price" and given.get("cpu_price") == 0:
        yield "cpu_price", "0 makes everything free; give what a core costs for an hour"
    if named.needs != "cpu_price" and "cpu_price" in given:
        yield "cpu_price", f"not for {named.name}; leave it out"
    if not named.per_operation and "operation" in given:
        yield "operation", f"{named.name} is of a service as a whole; leave it out"
    is_of_spans = named.is_hit_ratio and named.statement != PROMPT_TOKENS
    if named.needs != "call" and not is_of_spans and "call" in given:
        yield "call", f"not for {named.name}; leave it out"
    if not named.is_hit_ratio and "cache" in given:
        yield "cache", f"not for {named.name}, only for hit ratios; leave it out"
    if not named.sources and "attributes" in given:
        yield "attributes", f"{named.name} is made of no data points; leave it out"
    for name in _OF_PROFILES:
        if name in given and named.kind != PROFILE:
            yield name, f"not for {named.name}, only for profile_share; leave it out"
    if named.kind == PROFILE and any(sign in given.get("service", "*")[1:] for sign in _WILD):
        yield "service", "of profiles, one service by its whole name; leave the signs out"
    allowed = (*_COLUMNS, "operation") if named.per_operation else _COLUMNS
    yield from _of_saved(given, named)
    yield from _of_chosen(given, ("where", "baseline"), allowed, named.name)


def _of_saved(given: Mapping[str, Any], named: NamedMetric) -> Iterator[tuple[str, str]]:
    """Check a budget on a named metric beside saved levels, which are of all points."""
    if not given.get("baseline", "").startswith(f"{SAVED}:"):
        return
    if named.name not in IS_SAVED:
        yield "baseline", f"{named.name} {NOT_SAVED}; choose some that are in the lake"
    elif "attributes" in given:
        yield (
            "attributes",
            f"not beside {SAVED}:, which is of all points; choose a baseline in the lake",
        )


def _of_chosen(
    given: Mapping[str, Any], keys: tuple[str, ...], allowed: tuple[str, ...], what: str
) -> Iterator[tuple[str, str]]:
    """Check that what a budget is for can be chosen by these columns."""
    for key in keys:
        for column, _ in parse_baseline(given[key]) if key in given else ():
            if column not in allowed and column != SAVED:
                yield key, f"{column}: cannot choose {what}; known: {', '.join(allowed)}"
