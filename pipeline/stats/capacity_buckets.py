"""CapacityBuckets: what one version of a service did in buckets of time, as arrays."""

from dataclasses import dataclass

import numpy as np

from pipeline.stats.bootstrap import Floats, Ints
from pipeline.stats.capacity_draws import BLOCK, Moments

# Of a bucket: nearer to its middle, one bucket alone tells as much.
_NO_MATTER = 0.1


@dataclass(frozen=True)
class CapacityBuckets:
    """n buckets of c operations; those of an instance stand together, in the order of time.

    Attributes:
        start_s: n starts, in seconds since the epoch.
        width_s: length of every bucket, in seconds.
        operations: c names.
        completions_per_s: n x c requests that ended, by weight.
        concurrency_mean, concurrency_peak: n, of requests in flight.
        cpu_cores: n busy cores, from CPU time; NaN where it is not known.
        self_time_s: n x c seconds in which requests worked themselves, by weight.
        memory_bytes: n least levels; NaN where it is not known.
        span_cpu_s: n x c seconds of CPU that spans tell of; None where they do not.
        span_cpu_requests: n x c requests whose spans do, by weight.
        memory_place: where in a bucket memory is told, 0 for its start and 1 for its end.
        instance: n numbers of instances, from 0.
        block: buckets that hang together.
        finer: the same from each reading of CPU time to a later one; None where there are buckets
            enough, or what lies between two readings is not known.
    """

    start_s: Floats
    width_s: float
    operations: tuple[str, ...]
    completions_per_s: Floats
    concurrency_mean: Floats
    concurrency_peak: Floats
    cpu_cores: Floats
    self_time_s: Floats
    memory_bytes: Floats
    instance: Ints
    memory_place: float = 0.5
    span_cpu_s: Floats | None = None
    span_cpu_requests: Floats | None = None
    block: int = BLOCK
    finer: "CapacityBuckets | None" = None

    @property
    def concurrency_at_memory(self) -> Floats:
        """Give n requests in flight about the moment at which memory is told.

        The mean of a bucket that ends there goes with that moment less than memory does: the
        bucket after it counts as well. NaN where that is not there.
        """
        aside = self.memory_place - 0.5
        step = 1 if aside > 0 else -1
        part = abs(aside)
        if part < _NO_MATTER:
            return self.concurrency_mean
        near = self.shifted(self.concurrency_mean, step)
        result: Floats = (1 - part) * self.concurrency_mean + part * near
        return result

    def shifted(self, values: Floats, buckets: int) -> Floats:
        """Give n values so many buckets later, of the same instance; NaN where there is none."""
        found = np.full(len(values), np.nan)
        rows = np.arange(len(values))
        rows = rows[(rows + buckets >= 0) & (rows + buckets < len(values))]
        apart = self.start_s[rows + buckets] - self.start_s[rows]
        same = (self.instance[rows] == self.instance[rows + buckets]) & np.isclose(
            apart, buckets * self.width_s
        )
        found[rows[same]] = values[rows[same] + buckets]
        return found

    @property
    def throughput_per_s(self) -> Floats:
        """Give the requests of all operations that ended, n a second."""
        total: Floats = self.completions_per_s.sum(axis=1)
        return total

    @property
    def moments(self) -> Moments:
        """Give when and of whom the buckets are."""
        return Moments(self.start_s, self.instance, self.block)

    @property
    def instances(self) -> int:
        """Give how many instances there are."""
        return len(np.unique(self.instance))


@dataclass(frozen=True)
class LatencyBlocks:
    """m blocks of buckets, each with enough requests for a quantile, in the order of time.

    Attributes:
        start_s: m starts, in seconds since the epoch.
        width_s: length of every block, in seconds.
        instance: m numbers of instances, those of the buckets.
        throughput_per_s, concurrency: m, of all operations.
        latency_p50_s, latency_p95_s: m.
        requests: m that the quantiles are of.
    """

    start_s: Floats
    width_s: float
    instance: Ints
    throughput_per_s: Floats
    concurrency: Floats
    latency_p50_s: Floats
    latency_p95_s: Floats
    requests: Ints
