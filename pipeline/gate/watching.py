"""Watching a canary: verdicts at looks that are as seldom wrong together as one would be.

Two rules see to that, each with its part of alpha. Planned looks test everything at a few minutes
set beforehand (O'Brien and Fleming); e-values test quantiles at every minute. Both speak in
p-values that hold over all looks, so that Holm's correction and the judge's own rules apply to
them as they stand.

Source: Ye, Li, Liu and Yao (2013), Statistics in Medicine 32(7), for Holm over planned looks.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.gate.judgement import judge
from pipeline.gate.standings import Standing, Watch, standing_of
from pipeline.gate.verdict import (
    FAIL,
    INCONCLUSIVE,
    NO_DATA,
    PASS,
    REASONS,
    UNDECIDED,
    Check,
    Measure,
    overall,
    settle,
)
from pipeline.jobs.judge_answer import Comparison, Judged
from pipeline.jobs.looks import Reading

# A side without requests for so many minutes is not a side that is well.
STARVED_MINUTES = 5


@dataclass(frozen=True)
class Look:
    """What a look finds.

    Attributes:
        watch: what it is part of.
        judged: what was compared.
        minute: how many minutes of both sides there are.
        number: of the planned look, from 0; None between them.
        standings: where each check stands.
        verdict: so far; of the whole where it ends.
        ends: why the watch ends here; empty where it goes on.
    """

    watch: Watch
    judged: Judged
    minute: int
    number: int | None
    standings: tuple[Standing, ...]
    verdict: str
    ends: str

    @property
    def worst(self) -> Standing | None:
        """Give the check that is nearest to a fail, of equals the largest effect; None for none."""

        def nearness(standing: Standing) -> tuple[float, float]:
            measure = standing.check.measure
            return standing.progress, measure.effect if measure else -math.inf

        known = [each for each in self.standings if each.check.measure and each.check.critical]
        return max(known, key=nearness, default=None)

    @property
    def alpha_spent(self) -> float:
        """Give how much of alpha is used up; e-values use theirs from the first look on."""
        return self.watch.alpha_spent(self.minute)


def look_at(judged: Judged, watch: Watch, minute: int) -> Look:
    """Give verdicts on what was compared in the first so many minutes.

    Args:
        judged: of these minutes alone.
        watch: how it is watched.
        minute: how many minutes.
    """
    number = watch.planned.index(minute) if minute in watch.planned else None
    comparisons = {(each.service_name, each.operation): each for each in judged.comparisons}
    quantiles = {f"p{p * 100:g}".replace(".", ""): p for p in judged.request.quantiles}
    found = [
        standing_of(
            check,
            comparisons.get((check.service_name, check.operation)),
            quantiles.get(check.metric),
            (watch, minute, number),
        )
        for check in _checks(judged, watch, minute)
    ]
    checks = [each.check for each in found]
    settled = _settled(checks, _unseen(checks, judged.comparisons, watch), watch)
    standings = tuple(
        _finished(replace(each, check=check), watch)
        for each, check in zip(found, settled, strict=True)
    )
    verdict = overall([each.check for each in standings])
    return Look(watch, judged, minute, number, standings, verdict, _end(verdict, watch, number))


def looks_of(
    reading: Reading, watch: Watch, done: int, end_minute: int, every_minutes: int = 1
) -> Iterator[Look]:
    """Look at minutes that are over and were not looked at yet, up to the end of the watch.

    Args:
        reading: what the lake has.
        watch: how it is watched.
        done: minutes that were looked at before.
        end_minute: since the epoch, the first that is not over.
        every_minutes: how often there is a look between the planned ones.
    """
    if reading.first_minute is None:
        return
    ready = min(end_minute - reading.first_minute, watch.horizon)
    for minute in range(done + 1, ready + 1):
        if minute % every_minutes and minute not in watch.planned:
            continue
        look = look_at(reading.cut(minute), watch, minute)
        yield look
        if look.ends:
            return


def without_data(reading: Reading, watch: Watch) -> Look:
    """Give the look that ends a watch in which both sides never had requests together."""
    judged = reading.cut(watch.horizon)
    standings = tuple(Standing(check, None, 0.0) for check in judge(judged, watch.tolerance).checks)
    return Look(watch, judged, 0, None, standings, NO_DATA, "no data")


def _checks(judged: Judged, watch: Watch, minute: int) -> Iterator[Check]:
    """Give the judge's checks, and one for each side that has fallen silent."""
    for check in judge(judged, watch.tolerance).checks:
        # What the judge made of the numbers alone, as if they were looked at once, is undone.
        unsure = check.measure is not None and check.reason != "constant_series"
        reason = "" if check.reason in REASONS else check.reason
        kept = check.verdict in (NO_DATA, INCONCLUSIVE) and not unsure
        yield replace(check, verdict=check.verdict if kept else "", reason=reason)
    for side, last in zip(("baseline", "canary"), judged.last_minutes, strict=True):
        silent = 0 if last is None else judged.first_minute + minute - 1 - last
        if silent >= STARVED_MINUTES:
            reason = f"starved: the {side} has had no request for {silent} minutes"
            yield Check(
                "", "", "traffic", "ratio", "ratio", True, None, reason, verdict=INCONCLUSIVE
            )


def _settled(checks: Sequence[Check], unseen: int, watch: Watch) -> list[Check]:
    """Settle checks with so many that cannot be measured yet: they are of the family as well."""
    waiting = [Check("", "", "", "ratio", "ratio", True, _UNSEEN)] * unseen
    tolerance = watch.tolerance
    return list(settle([*checks, *waiting], tolerance.alpha, tolerance.correction)[: len(checks)])


def _unseen(checks: Sequence[Check], comparisons: Iterable[Comparison], watch: Watch) -> int:
    """Count the checks that may come to be measured and to count before the watch ends."""
    counting = {
        (each.service_name, each.operation)
        for each in comparisons
        if not each.in_other and (watch.tolerance.critical_services or not each.is_service)
    }
    return sum(
        check.measure is None
        and check.verdict == INCONCLUSIVE
        and (check.service_name, check.operation) in counting
        for check in checks
    )


# What a check that has no measure yet has: nothing against the canary.
_UNSEEN = Measure(
    math.nan, math.nan, (0.0, 0.0), 0.0, -math.inf, math.inf, math.inf, 1.0, math.inf, ""
)


def _finished(standing: Standing, watch: Watch) -> Standing:
    """Give a settled check its progress, and a pass where the e-value is sure of one."""
    check = standing.check
    p = check.p_adjusted
    if math.isnan(p) and check.measure is not None:
        p = check.measure.p_value
    known = 0.0 < p < 1.0
    progress = math.log(p) / math.log(watch.tolerance.alpha) if known else float(p == 0.0)
    if standing.passes and check.verdict == INCONCLUSIVE and check.reason == UNDECIDED:
        check = replace(check, verdict=PASS, reason="the e-value is sure of it")
    return replace(standing, check=check, progress=min(max(progress, 0.0), 1.0))


def _end(verdict: str, watch: Watch, number: int | None) -> str:
    """Say why the watch ends at a look; empty where it goes on."""
    if verdict == FAIL:
        return "a regression is sure"
    if number == len(watch.planned) - 1:
        return "the last look"
    if watch.stop_on_pass and verdict == PASS:
        return "a pass is sure"
    return ""
