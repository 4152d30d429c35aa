"""What latency is held against: load, requests in flight, and the servers that they wait for."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.stats.bootstrap import Floats
from pipeline.stats.capacity_draws import Moments
from pipeline.stats.queue_tables import MOST_UTILISATION, Variation

# Of servers at the highest load seen: those that idle are not what requests wait for.
LEAST_BUSY = 0.2
# Of the busiest of them: requests wait there long before they do for the others.
_AS_BUSY = 2 / 3
_MOST_POOLS = 3


@dataclass(frozen=True)
class Servers:
    """Slots that a request holds one of while it is served.

    Attributes:
        name: what they are.
        count: how many an instance has.
        busy: n mean numbers that were held; NaN for unknown.
        variation: of arrivals, and of how long they are held; None for unknown.
    """

    name: str
    count: int
    busy: Floats
    variation: Variation | None = None

    def held_s(self, throughput: Floats, weights: Floats) -> Floats:
        """Give for how long a request holds one, in d draws, by Little's law.

        Args:
            throughput: n.
            weights: d x n.
        """
        known = np.isfinite(self.busy) & (throughput > 0)
        busy, load = np.where(known, self.busy, 0.0), np.where(known, throughput, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Floats = weights @ busy / (weights @ load)
        return found

    def usual_s(self, throughput: Floats) -> float:
        """Give for how long a request holds one in all n; NaN for unknown."""
        return float(self.held_s(throughput, np.ones((1, len(throughput))))[0])


@dataclass(frozen=True)
class LoadPoints:
    """n blocks of time in their order, each of one instance.

    Attributes:
        throughput: requests a second, above 0.
        concurrency: requests in flight, above 0.
        latency_s: a quantile.
        core_seconds, background: what a request costs, and busy cores without any; NaN for unknown.
        cores: of an instance; 0 for unknown.
        moments: when and of whom they are; None for one instance and one moment after another.
        quantile: that latency is.
        variation: of arrivals, and of how long they work; None for unknown.
        servers: slots that requests may wait for, beside the CPU.
    """

    throughput: Floats
    concurrency: Floats
    latency_s: Floats
    core_seconds: float
    background: float
    cores: float
    moments: Moments | None = None
    quantile: float = 0.95
    variation: Variation | None = None
    servers: tuple[Servers, ...] = ()

    def utilisation(self, throughput: Floats) -> Floats:
        """Give busy cores as a share of all, below 1."""
        share = (self.background + self.core_seconds * throughput) / self.cores
        result: Floats = np.clip(share, 0.0, MOST_UTILISATION)
        return result

    @property
    def has_utilisation(self) -> bool:
        """Tell whether utilisation is known."""
        return self.cores > 0 and bool(np.isfinite(self.core_seconds) and self.core_seconds > 0)

    @cached_property
    def is_cpu_busy(self) -> bool:
        """Tell whether cores are known to be busy enough for requests to wait for them."""
        shares = [share for share, _ in self._slots_by_use]
        return self._cpu_share >= max([LEAST_BUSY, *(_AS_BUSY * each for each in shares)])

    @cached_property
    def busy_servers(self) -> tuple[Servers, ...]:
        """Give the slots that are busy enough, the busiest first."""
        most = max([self._cpu_share, *(share for share, _ in self._slots_by_use)])
        least = max(LEAST_BUSY, _AS_BUSY * most)
        busy = [servers for share, servers in self._slots_by_use if share >= least]
        return tuple(busy[:_MOST_POOLS])

    @property
    def most_served(self) -> float:
        """Give the load that keeps all of some busy slots busy; 0 where none are known."""
        full = (each.count / each.usual_s(self.throughput) for each in self.busy_servers)
        return min(full, default=0.0)

    @cached_property
    def _cpu_share(self) -> float:
        """Give what of the cores is busy at the highest load; 0 for unknown."""
        if not self.has_utilisation:
            return 0.0
        return float(self.utilisation(self.throughput.max(keepdims=True))[0])

    @cached_property
    def _slots_by_use(self) -> tuple[tuple[float, Servers], ...]:
        """Give slots with what of them is held at the highest load, the busiest first."""
        most = float(self.throughput.max())
        shares = [each.usual_s(self.throughput) * most / each.count for each in self.servers]
        known = [each for each in zip(shares, self.servers, strict=True) if np.isfinite(each[0])]
        return tuple(sorted(known, key=lambda each: -each[0]))

    @property
    def when(self) -> Moments:
        """Give when and of whom the blocks are."""
        count = len(self.throughput)
        alone = Moments(np.arange(count, dtype=np.float64), np.zeros(count, np.int64))
        return self.moments or alone
