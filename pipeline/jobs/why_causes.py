"""Causes in words: parts of the growth that are large and surer than chance, largest first."""

import math
from dataclasses import dataclass, replace

import numpy as np

from pipeline.jobs.why_answer import MEAN, Cause
from pipeline.jobs.why_parts import Floats, Parts, Sums

CAUSES_MOST = 10

# A part below this share of the growth is told with the others.
_LEAST_SHARE = 0.02

_MILLI_NANO = 1e6
_PER_CENT = 100.0
_SEPARATOR = chr(31)
_WAITS = ("3", "4")

# Calls of a database that grow by so much, and to so many, are as a rule one for each item.
_ONE_AN_ITEM_FACTOR, _ONE_AN_ITEM_CALLS = 1.5, 2.0


@dataclass(frozen=True)
class Subject:
    """A group of spans.

    Attributes:
        service, operation: of the spans; the service is empty for that of the request itself
            where the sides are two services.
        waits: whether it calls something: what is its own is network, queues, and the callee
            where that is not traced.
        db_system: empty for what is no database.
        template: of its queries, numbers and texts left out; empty for unknown.
    """

    service: str
    operation: str
    waits: bool = False
    db_system: str = ""
    template: str = ""

    @property
    def text(self) -> str:
        """Give it in a few words.

        >>> Subject("shop", "GET /price", waits=True).text
        'shop GET /price (call)'
        """
        named = " ".join(each for each in (self.service, self.operation) if each)
        return f"{named} (call)" if self.waits and not self.db_system else named

    @property
    def full(self) -> str:
        """Give it with its query, where the name does not tell it."""
        if not self.template or self.template == self.operation:
            return self.text
        return f"{self.text} ({self.template})"


def subject_of(text: str) -> Subject:
    """Read a subject as ``why_spans`` writes it."""
    service, operation, kind, db_system, template = text.split(_SEPARATOR, 4)
    return Subject(service, operation, kind in _WAITS, db_system, template)


def part_causes(
    parts: Parts, sides: tuple[Sums, Sums], subjects: list[Subject], own: Subject, scope: str
) -> list[Cause]:
    """Tell what the growth is made of; the causes add up to it.

    Args:
        parts: of the groups: one a subject, then the request's own time, then what overlaps.
        sides: baseline and canary.
        subjects: the groups but the last two.
        own: the request's own.
        scope: which requests.

    Returns:
        Those in the direction of the growth first, the largest first; small and unsure ones
        together as the last.
    """
    total = parts.growth
    groups = np.arange(len(parts.calls))
    found = [
        *((float(parts.calls[g]), float(parts.calls_margin[g]), g, True) for g in groups),
        *((float(parts.each[g]), float(parts.each_margin[g]), g, False) for g in groups),
    ]
    largest = max([abs(total), *(abs(growth) for growth, *_ in found)])
    sign = -1.0 if total < 0 else 1.0
    told = [
        each
        for each in found
        if abs(each[0]) >= _LEAST_SHARE * largest and not abs(each[0]) <= each[1] and each[0]
    ]
    told.sort(key=lambda each: (-abs(each[0]), each[2], each[3]))
    told = sorted(told[:CAUSES_MOST], key=lambda each: -sign * each[0])
    causes = []
    for growth, margin, group, by_calls in told:
        cause = _part(int(group), by_calls, sides, subjects, own)
        causes.append(_finished(cause, growth, margin, total, scope))
    rest = total - math.fsum(each[0] for each in told)
    if abs(rest) > 1e-9 * max(largest, 1.0):
        count = sum(1 for each in found if each[0]) - len(told)
        values = (math.nan, math.nan, "", math.nan, math.nan)
        text = f"{count} smaller or unsure parts together" if told else "no part is sure by itself"
        other = Cause("other", "other parts", *values, text, additive=True)
        causes.append(_finished(other, rest, math.nan, total, scope))
    return causes


def _part(
    group: int, by_calls: bool, sides: tuple[Sums, Sums], subjects: list[Subject], own: Subject
) -> Cause:
    """Tell of one part, before it is known what it adds."""
    calls = [float(side.calls[group]) for side in sides]
    each = [float(side.each[group]) / _MILLI_NANO for side in sides]
    if group == len(subjects) + 1:
        values = (-each[0], -each[1])
        text = "time in which several calls run at once, which counts once"
        return _cause("parallel", "calls at once", values, "ms", text)
    if group == len(subjects):
        text = f"{own.text}: {_change(*each)} ms of its own time"
        return _cause("self_time", own.text, (each[0], each[1]), "ms", text)
    subject = subjects[group]
    if not by_calls:
        own_time = "a call, in the call itself" if subject.waits else "a call of its own time"
        if subject.db_system:
            own_time = "a call"
        text = f"{subject.full}: {_change(*each)} ms {own_time}"
        return _cause("call_time", subject.text, (each[0], each[1]), "ms", text)
    values = (calls[0], calls[1])
    if calls[0] == 0 or calls[1] == 0:
        side, kind = ("canary", "new") if calls[0] == 0 else ("baseline", "gone")
        many, took = max(calls), max(each)
        text = f"{subject.full}: on the {side} alone, {many:.3g} a request, {took:.3g} ms each"
        return _cause(f"{kind}_operation", subject.text, values, "calls/request", text)
    text = f"{subject.full}: {_change(*calls)} calls a request, {each[0]:.3g} ms each"
    grown = calls[1] >= _ONE_AN_ITEM_FACTOR * calls[0] and calls[1] >= _ONE_AN_ITEM_CALLS
    if subject.db_system and grown:
        text += "; one query for each item?"
    return _cause("calls", subject.text, values, "calls/request", text)


def _cause(kind: str, subject: str, values: tuple[float, float], unit: str, text: str) -> Cause:
    return Cause(kind, subject, *values, unit, math.nan, math.nan, text, additive=True)


def _finished(cause: Cause, growth: float, margin: float, total: float, scope: str) -> Cause:
    """Say what a part adds to the growth."""
    share = growth / total if total else math.nan
    added = f"{growth / _MILLI_NANO:+.3g}"
    if not math.isnan(margin):
        added += f" ± {margin / _MILLI_NANO:.2g}"
    of = "the mean request" if scope == MEAN else f"the {scope}"
    text = f"{cause.text}: {added} ms of {of}"
    if not math.isnan(share):
        text += f", {_PER_CENT * share:.0f} % of the growth"
    return replace(
        cause,
        growth_ms=growth / _MILLI_NANO,
        share=share,
        text=text,
        scope=scope,
        margin_ms=margin / _MILLI_NANO,
    )


def _change(before: float, after: float) -> str:
    """Write two numbers with an arrow."""
    return f"{before:.3g} → {after:.3g}"


def error_causes(
    sides: tuple[Sums, Sums], names: list[tuple[str, str]], most: int = 3
) -> list[Cause]:
    """Tell where more requests fail than before: the deepest span that failed, and with what.

    Args:
        sides: baseline and canary: calls are failures a request.
        names: subject and type of error of each group.
        most: how many are told.
    """
    growth, margin = _difference(sides)
    causes = []
    for group in np.argsort(-growth, kind="stable")[:most].tolist():
        if growth[group] <= 0 or growth[group] <= margin[group]:
            continue
        subject, error = names[group]
        before, after = (float(side.calls[group]) for side in sides)
        text = (
            f"{subject} fails first{f' with {error}' if error else ''}, in "
            f"{_change(_PER_CENT * before, _PER_CENT * after)} % of the requests"
        )
        named = f"{subject}: {error}" if error else subject
        values = (before, after, "ratio", math.nan, math.nan)
        causes.append(Cause("errors", named, *values, text))
    return causes


def cache_causes(sides: tuple[Sums, Sums], subjects: list[Subject]) -> list[Cause]:
    """Tell of caches that miss more often by a point or more, the largest growth first.

    Args:
        sides: baseline and canary: calls are reads a request, time a call the ratio of hits.
        subjects: the groups.
    """
    baseline, canary = sides
    drop = baseline.each - canary.each
    margin = 1.96 * np.sqrt(baseline.each_variance + canary.each_variance)
    causes = []
    for group in np.argsort(-drop, kind="stable").tolist():
        read = min(baseline.calls[group], canary.calls[group]) > 0
        if not read or drop[group] < 0.01 or drop[group] <= margin[group]:
            continue
        before, after = float(baseline.each[group]), float(canary.each[group])
        text = (
            f"{subjects[group].text}: {_change(_PER_CENT * before, _PER_CENT * after)} % of reads "
            f"hit; {_change(*(_misses(side, group) for side in sides))} misses a request"
        )
        values = (before, after, "ratio", math.nan, math.nan)
        causes.append(Cause("cache", subjects[group].text, *values, text))
    return causes


def _misses(side: Sums, group: int) -> float:
    return float(side.calls[group] - side.time[group])


def _difference(sides: tuple[Sums, Sums]) -> tuple[Floats, Floats]:
    """Give the growth of calls, and its margin."""
    variance = sides[0].calls_variance + sides[1].calls_variance
    return sides[1].calls - sides[0].calls, 1.96 * np.sqrt(variance)
