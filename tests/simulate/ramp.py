"""Whether the load that capacity calls safe is, held against the load at which a real shop breaks.

python -m tests.simulate.ramp [--bound slots|cpu] [--seconds S] [--json FILE]

The shop of data/shop.py runs on a gentle ramp to 60 % of what its switches allow; `tailgate
capacity --slo … --target-rps …` says from that lake what it can take. Then the shop is opened anew
and ramped until p95, as its customers measure it from when each was due, is above the objective.
Minutes long, and true only of a machine that has nothing else to do: the load of the machine and
the lateness of the generator are told. Status 1 where what was found is further than
15 % from the prediction or from its unfavourable end, 3 where either is not identified.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from pipeline.report.tables import print_table
from tests.e2e.shop_running import ShopRun, run_shop

GOAL = 0.15
# Of p95: what may take longer than the objective.
ALLOWED = 0.05
BATCHES, DRAWS = 5, 400
OPERATION = "GET /products/{id}"
# Shares of what the switches allow: the gentle ramp, and the one that breaks it.
GENTLE, BREAKING = (0.1, 0.6, 8), (0.6, 1.05, 10)
BREAKING_STEP_S = 30.0
Floats = NDArray[np.float64]

_HEADINGS = ("what", "requests/s", "90 % interval", "against found")


@dataclass(frozen=True)
class Bound:
    """What bounds the gateway.

    Attributes:
        most_per_s: what it can answer at most, from its switches alone.
        objective_ms: of p95.
        switches: of the shop.
        limits: of an instance, as capacity is told them.
    """

    most_per_s: float
    objective_ms: float
    switches: tuple[str, ...]
    limits: tuple[str, ...] = ()


# Slots are looked at once a second: of rarer looks their use is not known well enough.
_ALIKE = ("--release", "1.4.1", "--visit", OPERATION, "--instances", "1", "--metrics", "1")
BOUNDS = {
    # Two slots, held for a miss of 60 ms on average and about 7 ms of the shop's own.
    "slots": Bound(
        2 / 0.067,
        400.0,
        ("--concurrency", "gateway=2", "--miss-ms", "60", "--cache-ttl", "0.001"),
    ),
    # One core, as Python has: 25 ms of it are burnt, and about 2 ms are the shop's own.
    "cpu": Bound(1 / 0.027, 150.0, ("--cpu-ms", f"{OPERATION}=25"), ("--limit", "cpu=1")),
}


def main() -> int:
    """Run both ramps and print the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bound", choices=BOUNDS, default="slots")
    parser.add_argument("--seconds", type=float, default=500.0, help="of the gentle ramp")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, help="an empty folder for the lakes")
    asked = parser.parse_args()
    bound = BOUNDS[asked.bound]
    with tempfile.TemporaryDirectory(prefix="ramp-") as scraps:
        told = compare(bound, asked.seconds, asked.keep or Path(scraps))
    told = {"bound": asked.bound, **told}
    print_table(_HEADINGS, _rows(told), [False, True, True, True], sys.stdout.buffer)
    print(told["said"])
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=1) + "\n")
    return int(told["status"])


def compare(bound: Bound, seconds: float, folder: Path) -> dict[str, Any]:
    """Predict from a gentle ramp, find by another, and tell both."""
    load_before = os.getloadavg()
    gentle = _ramped(bound, GENTLE, seconds, folder / "gentle")
    target = 0.9 * bound.most_per_s
    predicted, _ = gentle.ask(
        "capacity",
        *("--where", "service.name=gateway", "--slo", f"p95={bound.objective_ms:g}ms"),
        *("--target-rps", f"{target:g}", *bound.limits),
    )
    (service,) = predicted["services"]
    breaking = _ramped(bound, BREAKING, BREAKING[2] * BREAKING_STEP_S, folder / "breaking")
    found = break_of(breaking.account["steps"], bound.objective_ms)
    told = {
        "objective_ms": bound.objective_ms,
        "switches_allow_per_s": bound.most_per_s,
        "seen_per_s": service["seen_requests_per_second_per_instance"],
        "safe": service["safe_requests_per_second_per_instance"],
        "binding": service["binding_resource"],
        "is_extrapolated": service["is_extrapolated"],
        "limits": service["limits"],
        "latency_model": service["latency"],
        "replicas": service["replicas"],
        "found": found,
        "steps": {"gentle": gentle.account["steps"], "breaking": breaking.account["steps"]},
        "machine": {"cores": os.cpu_count(), "load": [load_before, os.getloadavg()]},
    }
    return told | _judged(service, found)


def _ramped(
    bound: Bound, shares: tuple[float, float, int], seconds: float, folder: Path
) -> ShopRun:
    """Run the shop on a ramp between two shares of what it allows."""
    folder.mkdir(parents=True)
    first, last = (share * bound.most_per_s for share in shares[:2])
    ramp = f"{first:.4g}:{last:.4g}:{shares[2]}"
    print(f"{ramp} customers a second over {seconds:g} s", file=sys.stderr, flush=True)
    return run_shop(folder, [*_ALIKE, *bound.switches, "--ramp", ramp], seconds)


def break_of(steps: list[dict[str, Any]], objective_ms: float) -> dict[str, float | None]:
    """Find the load at which more than one answer in twenty takes longer than the objective.

    Shares of a step that rise with its rate, as it came, by isotonic regression; a straight line
    between steps. The 90 % interval is of a bootstrap of batches within each step, since who waits
    behind another waits as well. None is not seen: below the first step, or above the last.

    >>> def step(rate, late):
    ...     waits = [100.0] * (100 - late) + [900.0] * late
    ...     return {"arrivals_per_s": rate, "operations": {OPERATION: {"waits_ms": waits[::-1]}}}
    >>> break_of([step(20, 0), step(10, 0), step(30, 10), step(40, 30)], 150)["estimate"]
    25.0
    """
    steps = sorted(steps, key=lambda step: float(step["arrivals_per_s"]))
    rates = np.array([step["arrivals_per_s"] for step in steps])
    late = [
        np.array([each is None or each > objective_ms for each in waits])
        for waits in (step["operations"][OPERATION]["waits_ms"] for step in steps)
    ]
    batches = [np.array_split(each, BATCHES) for each in late]
    counts = np.array([[len(batch) for batch in row] for row in batches])
    above = np.array([[batch.sum() for batch in row] for row in batches])
    rng = np.random.default_rng(7)
    drawn = []
    for _ in range(DRAWS):
        places = rng.integers(0, BATCHES, counts.shape)
        sums = (np.take_along_axis(each, places, 1).sum(axis=1) for each in (above, counts))
        drawn.append(_crossing(rates, *sums))
    ends = np.quantile(drawn, [0.05, 0.95], method="inverted_cdf")
    found = (_crossing(rates, above.sum(axis=1), counts.sum(axis=1)), *ends)
    seen = [float(each) if rates[0] < each < np.inf else None for each in found]
    return dict(zip(("estimate", "low", "high"), seen, strict=True))


def _crossing(rates: Floats, above: Floats, counts: Floats) -> float:
    """Give the rate at which the share above passes one in twenty; the first, or none at all."""
    shares = isotonic_regression(above / counts, weights=counts).x
    over = np.flatnonzero(shares > ALLOWED)
    if not len(over):
        return float("inf")
    place = int(over[0])
    if place == 0:
        return float(rates[0])
    part = (ALLOWED - shares[place - 1]) / (shares[place] - shares[place - 1])
    return float(rates[place - 1] + part * (rates[place] - rates[place - 1]))


def _judged(service: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Tell how far apart the safe load and what was found are."""
    safe = service["safe_requests_per_second_per_instance"]
    latency = next(each for each in service["limits"] if each["resource"] == "latency")
    if found["estimate"] is None:
        said = "not identified: p95 was above the objective from the first step on, or never"
        return {"error_ratio": None, "status": 3, "said": said}
    if safe is None or latency["requests_per_second"] is None:
        said = f"not identified: {latency['not_identified']}"
        return {"error_ratio": None, "status": 3, "said": said}
    error, low = (safe[each] / found["estimate"] - 1 for each in ("estimate", "low"))
    good = abs(error) <= GOAL and abs(low) <= GOAL
    said = (
        f"predicted {100 * error:+.1f} % of what was found, and {100 * low:+.1f} % to be relied "
        f"on; the goal is {100 * GOAL:.0f} % for both"
    )
    return {"error_ratio": error, "low_ratio": low, "status": 0 if good else 1, "said": said}


def _rows(told: dict[str, Any]) -> list[list[str]]:
    """Make the table: what was found, what was predicted, and every limit."""
    found = told["found"]
    named: list[tuple[str, dict[str, Any] | None]] = [
        ("found: p95 breaks", found),
        (f"predicted safe load ({told['binding']})", told["safe"]),
        *((f"limit: {each['resource']}", each["requests_per_second"]) for each in told["limits"]),
    ]
    rows = []
    for name, each in named:
        if each is None or each["estimate"] is None:
            rows.append([name, "not identified", "", ""])
            continue
        ends = ", ".join(
            "?" if each[end] is None else f"{each[end]:.2f}" for end in ("low", "high")
        )
        apart = each["estimate"] / found["estimate"] - 1 if found["estimate"] else None
        against = "" if apart is None or each is found else f"{100 * apart:+.1f} %"
        rows.append([name, f"{each['estimate']:.2f}", f"[{ends}]", against])
    return rows


if __name__ == "__main__":
    sys.exit(main())
