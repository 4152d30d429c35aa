"""The load generator's own account of a run, step by step, beside what the shop's processes know.

Latency counts from the time an arrival was due, not from when it left, so that a generator that
falls behind does not hide a wait (coordinated omission; Gil Tene, 2013); how late it was is told.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import stdev
from typing import Any

from shop_fleet import Plan
from shop_load import Outcome, Tally
from shop_switches import LoadStep

QUANTILES = (0.5, 0.95, 0.99)
CONFIDENCE = 0.95
_BATCHES = 10
# The 97.5 % point of Student's t with nine degrees of freedom.
_T_OF_BATCHES = 2.262


def quantile(values: Sequence[float], q: float) -> dict[str, float | None]:
    """Return a quantile with a 95 % interval between order statistics.

    Values are in the order of time. Who waits behind another waits as well, so they are not
    independent: the ranks are as far apart as the counts above the quantile differ between ten
    batches that follow one another, but no nearer than those of independent values.

    None is what does not end: an answer that never came, or a bound beyond the last value.
    Source: Law and Kelton (2000), Simulation Modeling and Analysis, section 9.5, for batches.

    >>> found = quantile([float(7 * place % 101) for place in range(1, 101)], 0.5)
    >>> found["estimate"], found["low"], found["high"]
    (50.0, 37.0, 64.0)
    """
    ranked = sorted(values)
    count = len(ranked)
    middle = max(math.ceil(count * q), 1)
    reach = _T_OF_BATCHES * _spread_of_rank([value > ranked[middle - 1] for value in values], q)
    ranks = {
        "estimate": middle,
        "low": max(math.floor(count * q - reach), 1),
        "high": math.ceil(count * q + reach) + 1,
    }
    return {name: _ended(ranked, rank) for name, rank in ranks.items()}


def _spread_of_rank(above: Sequence[bool], q: float) -> float:
    """Give the standard deviation of how many values lie above, from batches."""
    alone = math.sqrt(len(above) * q * (1 - q))
    edges = [len(above) * place // _BATCHES for place in range(_BATCHES + 1)]
    counts = [sum(above[low:high]) for low, high in pairwise(edges)]
    return max(alone, stdev(counts) * math.sqrt(_BATCHES))


def _ended(ranked: Sequence[float], rank: int) -> float | None:
    found = ranked[rank - 1] if rank <= len(ranked) else math.inf
    return found if math.isfinite(found) else None


def account(steps: Sequence[LoadStep], tally: Tally) -> list[dict[str, Any]]:
    """Give each step's rate, what came of it by operation, and how late the generator was."""
    found = []
    for number, step in enumerate(steps):
        own = [outcome for outcome in tally.outcomes if outcome.step == number]
        own.sort(key=lambda outcome: outcome.due_s)
        names = sorted({outcome.operation for outcome in own})
        late_ms = [outcome.late_ms for outcome in own]
        found.append(
            {
                "step": number,
                "rate_per_s": step.rate_per_s,
                "seconds": step.seconds,
                "arrivals": len(own),
                "arrivals_per_s": len(own) / step.seconds,
                "generator_late_ms": {
                    "mean": sum(late_ms) / max(len(own), 1),
                    "max": max(late_ms, default=0.0),
                },
                "operations": {
                    name: _operation([each for each in own if each.operation == name])
                    for name in names
                },
            }
        )
    return found


def _operation(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Give what came of an operation's arrivals in a step; whatever failed waits for ever."""
    good = [each.status is not None and each.status < 400 for each in outcomes]
    waited_ms = [
        each.latency_ms if fine else math.inf for each, fine in zip(outcomes, good, strict=True)
    ]
    return {
        "arrivals": len(outcomes),
        "answered_well": sum(good),
        "unanswered": sum(each.status is None for each in outcomes),
        "latency_ms": {f"p{100 * q:g}": quantile(waited_ms, q) for q in QUANTILES},
        # Of every arrival in the order in which they were due; null is never.
        "waits_ms": [round(each, 2) if math.isfinite(each) else None for each in waited_ms],
    }


def tally_json(
    plan: Plan, steps: Sequence[LoadStep], tally: Tally, told: Mapping[str, Any]
) -> dict[str, Any]:
    """Give the whole account: what was set, what the customers saw, what the processes know."""
    known = {name: value for name, value in vars(plan.known).items() if value}
    return {
        "seed": plan.seed,
        "versions": list(plan.versions),
        "set": known,
        "faults": {plan.fault_version: dict(plan.faults)} if plan.faults else {},
        "load": str(tally),
        "confidence": CONFIDENCE,
        "steps": account(steps, tally),
        "instances": dict(told),
    }


def lines(path: Path, steps: Sequence[dict[str, Any]]) -> str:
    """Say for people what the account holds, a line a step."""
    said = []
    for step in steps:
        parts = [
            f"{name} {each['answered_well']} of {each['arrivals']}, p95 {_said(each)}"
            for name, each in step["operations"].items()
        ]
        late_ms = step["generator_late_ms"]["max"]
        said.append(
            f"step {step['step'] + 1}, {step['rate_per_s']:g}/s: {'; '.join(parts)}"
            f" (the generator at most {late_ms:.1f} ms late)"
        )
    return "\n".join([*said, f"written to {path}"])


def _said(operation: Mapping[str, Any]) -> str:
    found = operation["latency_ms"]["p95"]
    bounds = ", ".join("?" if found[k] is None else f"{found[k]:.1f}" for k in ("low", "high"))
    if found["estimate"] is None:
        return f"never [{bounds}]"
    return f"{found['estimate']:.1f} ms [{bounds}]"
