"""CapacityBuckets: what one version of a service did in buckets of time, as arrays."""

from dataclasses import dataclass

import numpy as np

from pipeline.stats.bootstrap import Floats, Ints


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
        latency_p50_s, latency_p95_s: n; NaN where no request ended.
        instance: n numbers of instances, from 0.
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
    latency_p50_s: Floats
    latency_p95_s: Floats
    instance: Ints

    @property
    def throughput_per_s(self) -> Floats:
        """Give the requests of all operations that ended, n a second."""
        total: Floats = self.completions_per_s.sum(axis=1)
        return total

    @property
    def instances(self) -> int:
        """Give how many instances there are."""
        return len(np.unique(self.instance))

    @property
    def most_instances(self) -> int:
        """Give how many instances there were at one time, at most."""
        return int(np.unique(self.start_s, return_counts=True)[1].max(initial=0))
