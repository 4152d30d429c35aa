"""What a capacity job answers: one frozen whole, of services and how their costs changed."""

from dataclasses import dataclass

from pipeline.jobs.capacity_request import CapacityRequest
from pipeline.jobs.capacity_rows import ServiceRows
from pipeline.stats.bootstrap import Floats, Interval
from pipeline.stats.capacity_cost import Cost
from pipeline.stats.capacity_demand import Demand
from pipeline.stats.capacity_drivers import DriverScan
from pipeline.stats.capacity_latency_fit import LatencyFit
from pipeline.stats.capacity_limits import DOES_NOT_FIT, FITS, Limit, Replicas, SafeLoad
from pipeline.stats.capacity_memory import MemoryFit
from pipeline.stats.usl import Usl

ANSWERED, DOES_NOT_FIT_STATUS, NOT_IDENTIFIED = 0, 1, 3


@dataclass(frozen=True)
class Concurrency:
    """Requests in flight over all instances of a version.

    Attributes:
        mean: over the time that was seen.
        exceeded: the level that was exceeded 1 % of the time.
        peak: the most.
        estimated: whether the last two are estimates, as traces are sampled.
    """

    mean: float
    exceeded: float
    peak: float
    estimated: bool


@dataclass(frozen=True)
class Scalability:
    """The universal scalability law of an instance.

    Attributes:
        reason: why it is not identified; empty where it is.
        fit: the fit; None where not identified.
        intervals: of gamma, alpha, beta, peak_load, peak_throughput and limit, by name.
        load: g concurrencies, rising.
        low, high: the 90 % band of throughput there.
        passed: whether throughput was seen to fall beyond the peak.
    """

    reason: str
    fit: Usl | None
    intervals: dict[str, Interval]
    load: Floats
    low: Floats
    high: Floats
    passed: bool = False

    @property
    def shows_peak(self) -> bool:
        """Tell whether there is a peak beyond chance, and throughput was seen to fall past it."""
        return self.fit is not None and self.fit.shows_peak and self.passed


@dataclass(frozen=True)
class ServiceCapacity:
    """One version of a service.

    Attributes:
        rows: what was read of it.
        per_second: requests a second by operation, over the time seen, all instances.
        concurrency: requests in flight.
        demand, memory, scalability, latency: the parts, each with its reason where unknown.
        limits: what each resource allows an instance.
        safe: the least of them.
        replicas: for the target; None without one.
        cost: of a million requests; None without prices.
        notes: what a reader should know, a sentence each.
        drivers: whether CPU time follows calls, messages, rows or bytes better than requests.
    """

    rows: ServiceRows
    per_second: tuple[float, ...]
    concurrency: Concurrency
    demand: Demand
    memory: MemoryFit
    scalability: Scalability
    latency: LatencyFit
    limits: tuple[Limit, ...]
    safe: SafeLoad
    replicas: Replicas | None
    cost: Cost | None
    notes: tuple[str, ...]
    drivers: DriverScan

    @property
    def name(self) -> str:
        """Give service and version."""
        return f"{self.rows.service_name} {self.rows.service_version}".strip()


@dataclass(frozen=True)
class CostChange:
    """How a cost differs between two versions of a service, the second beside the first.

    Attributes:
        service_name: whose.
        before, after: versions.
        change: as a share of the first.
    """

    service_name: str
    before: str
    after: str
    change: Interval


@dataclass(frozen=True)
class CapacityResult:
    """The answer.

    Attributes:
        request: what was asked.
        services: by name and version.
        cost_changes: between versions that follow one another by name.
    """

    request: CapacityRequest
    services: tuple[ServiceCapacity, ...]
    cost_changes: tuple[CostChange, ...]

    @property
    def exit_status(self) -> int:
        """Give 0 for an answer, 1 where a target does not fit, 3 where one is not identified."""
        found = [each.replicas.outcome for each in self.services if each.replicas]
        if DOES_NOT_FIT in found:
            return DOES_NOT_FIT_STATUS
        if found:
            return ANSWERED if set(found) == {FITS} else NOT_IDENTIFIED
        known = [each for each in self.services if each.safe.binding]
        return ANSWERED if known else NOT_IDENTIFIED
