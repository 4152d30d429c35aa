"""By how much waiting in a queue raises a quantile of latency, at every utilisation at once.

Source: Allen (1990), Probability, Statistics and Queueing Theory, section 5.3, for the correction
of Allen and Cunneen of waits in M/M/m; Whitt (1993), Production and Operations Management 2(2), for
waits in GI/G/m that are none at all or, nearly, exponential.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.stats import gamma

from pipeline.stats.bootstrap import Floats
from pipeline.stats.queueing import erlang_c, response_quantile

MOST_UTILISATION = 0.99
_RHO = np.linspace(0, MOST_UTILISATION, 512)
# Squared coefficients of variation that are told apart, and those that a table is made for.
_STEP, _LEAST_SCV, _MOST_SCV = 0.05, 0.05, 100.0
# In times of service: what a sum of wait and service is worked out at.
_NEAR, _NEAR_POINTS, _FAR_POINTS = 8.0, 1601, 600


class Variation(NamedTuple):
    """How unlike each other arrivals and services are: squared coefficients of variation.

    Attributes:
        arrivals: of the times between arrivals; 1 for those that come at random.
        service: of the times of service; 1 for exponential ones, 0 for those that are all alike.
    """

    arrivals: float
    service: float


RANDOM = Variation(1.0, 1.0)


@lru_cache(maxsize=64)
def mean_waits(servers: int) -> tuple[Floats, Floats]:
    """Give utilisations, and the mean waits there in M/M/m in times of service."""
    waiting = np.array([erlang_c(servers, float(each)) for each in _RHO])
    return _RHO, waiting / (servers * (1 - _RHO))


def quantile_rises(
    servers: int, quantile: float, variation: Variation = RANDOM
) -> tuple[Floats, Floats]:
    """Give utilisations, and by how much waiting raises a quantile of latency there.

    Args:
        servers: m, 1 or more.
        quantile: of the time in the system, above 0 and below 1.
        variation: of arrivals and services; for RANDOM this is exact.

    Returns:
        512 utilisations up to MOST_UTILISATION and as many rises, in mean times of service.

    >>> rho, rises = quantile_rises(1, 0.95)
    >>> float(rises[0]), round(float(np.interp(0.5, rho, rises)), 3)
    (0.0, 2.996)
    """
    arrivals, service = (round(each / _STEP) * _STEP for each in variation)
    service = min(max(service, _LEAST_SCV), _MOST_SCV)
    return _rises(servers, quantile, Variation(min(arrivals, _MOST_SCV), service))


@lru_cache(maxsize=64)
def _rises(servers: int, quantile: float, variation: Variation) -> tuple[Floats, Floats]:
    """Give what quantile_rises does: exactly, or of gamma services after waits like those."""
    if variation == RANDOM:
        exact = [response_quantile(servers, float(each), 1.0, quantile) for each in _RHO]
        return _RHO, np.array(exact) - exact[0]
    waiting = np.array([erlang_c(servers, float(each)) for each in _RHO])
    half = sum(variation) / 2
    decay = servers * (1 - _RHO) / half
    longest = max(2.0, half) * 1e3 / (1 - quantile) ** 0.5
    far = np.geomspace(_NEAR, longest, _FAR_POINTS)[1:]
    times = np.concatenate([np.linspace(0, _NEAR, _NEAR_POINTS), far])
    ended = gamma.cdf(times, 1 / variation.service, scale=variation.service)
    # Of those who wait: the share that is served by now and would still wait, had it begun to.
    held, over = np.zeros(len(_RHO)), np.ones(len(_RHO))
    found = np.full(len(_RHO), np.nan)
    for place in range(1, len(times)):
        apart = times[place] - times[place - 1]
        rate = (ended[place] - ended[place - 1]) / apart
        kept = np.exp(-decay * apart)
        held = held * kept + rate * (1 - kept) / decay
        now = 1 - ended[place] + waiting * held
        reached = np.isnan(found) & (now <= 1 - quantile)
        part = (over - (1 - quantile))[reached] / np.maximum((over - now)[reached], 1e-300)
        found[reached] = times[place - 1] + part * apart
        over = now
    return _RHO, found - found[0]
