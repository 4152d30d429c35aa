"""A campaign against one receiver: cases from a seed in parallel, and the account in between."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from tests.fuzz.account import Finding
from tests.fuzz.cases import Case, cases
from tests.fuzz.seeds import Seeds
from tests.fuzz.target import Target

THREADS = 8


@dataclass
class Report:
    """What a campaign did.

    Attributes:
        sent: cases.
        seconds: it took, with the waits for landing.
        findings: what must not be.
        kinds: cases by transport and signal.
    """

    sent: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)


def batches(seed: int, size: int, seeds_each: int, rounds: int = 6) -> Iterator[list[Case]]:
    """Give cases in batches without end; after some rounds from new requests."""
    while True:
        made = cases(Seeds(seed, seeds_each), random.Random(seed))
        for _ in range(rounds):
            yield list(islice(made, size))
        seed += 1


def run(
    target: Target,
    given: Iterable[list[Case]],
    seconds: float,
    on_batch: Callable[[Report], None] = lambda report: None,
) -> Report:
    """Send batches until the time is over or they end, and look after each.

    Args:
        target: the receiver.
        given: the batches.
        seconds: after this no new batch is begun.
        on_batch: called after each.

    Returns:
        What was found; the campaign goes on after a finding.
    """
    report = Report()
    started = time.monotonic()
    known: set[str] = set()
    with ThreadPoolExecutor(THREADS) as pool:
        for batch in given:
            found = [one for one in pool.map(target.send, batch) if one is not None]
            found += target.health()
            found += target.account.unlanded()
            found += target.account.quarantined()
            report.sent += len(batch)
            report.kinds.update(f"{case.transport} {case.signal}" for case in batch)
            # The first line says what; what follows differs each time.
            for one in found:
                if one.what.partition("\n")[0] not in known:
                    known.add(one.what.partition("\n")[0])
                    report.findings.append(one)
            report.seconds = time.monotonic() - started
            on_batch(report)
            if report.seconds > seconds:
                break
    return report
