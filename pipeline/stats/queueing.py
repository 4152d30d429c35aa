"""Queues: how long work waits for one of m servers, and at what load that becomes too long.

Source: Erlang (1917) for B and C; Allen (1990), Probability, Statistics and Queueing Theory,
section 5.3, and Cunneen for the correction to general times, section 5.2 for times in the system of
M/M/m; Sakasegawa (1977), Annals of the Institute of Statistical Mathematics 29, for the check.
"""

import math


def erlang_b(servers: int, offered: float) -> float:
    """Give the share of arrivals that find all servers busy where nothing waits.

    Args:
        servers: m, 0 or more.
        offered: load a, arrivals a second times seconds of service.

    >>> erlang_b(2, 1.0)
    0.2
    """
    blocked = 1.0
    for each in range(1, servers + 1):
        blocked = offered * blocked / (each + offered * blocked)
    return blocked


def erlang_c(servers: int, utilisation: float) -> float:
    """Give the share of arrivals that must wait where everything waits.

    Args:
        servers: m, 1 or more.
        utilisation: rho of each server, from 0; 1 and more is 1: everything waits.

    >>> round(erlang_c(1, 0.3), 12), round(erlang_c(2, 0.75), 6)
    (0.3, 0.642857)
    """
    if utilisation >= 1:
        return 1.0
    blocked = erlang_b(servers, servers * utilisation)
    return blocked / (1 - utilisation * (1 - blocked))


def mean_wait(
    servers: int,
    utilisation: float,
    service_s: float,
    arrival_scv: float = 1.0,
    service_scv: float = 1.0,
) -> float:
    """Give the mean time that work waits, in seconds; infinite from a utilisation of 1.

    Args:
        servers: m, 1 or more.
        utilisation: rho of each server, from 0.
        service_s: mean time of service.
        arrival_scv, service_scv: squared coefficients of variation of the times between arrivals
            and of service; 1 for M/M/m, where this is exact.

    >>> round(mean_wait(1, 0.5, 2.0), 12), mean_wait(1, 0.5, 2.0, 1.0, 0.0)
    (2.0, 1.0)
    """
    if utilisation >= 1:
        return math.inf
    waits = erlang_c(servers, utilisation)
    exact = waits * service_s / (servers * (1 - utilisation))
    return exact * (arrival_scv + service_scv) / 2


def wait_exceeds(servers: int, utilisation: float, service_s: float, wait_s: float) -> float:
    """Give the share of arrivals that wait longer than so many seconds, in M/M/m.

    >>> round(wait_exceeds(1, 0.5, 1.0, 0.0), 12)
    0.5
    """
    if utilisation >= 1:
        return 1.0
    decay = math.exp(-servers * (1 - utilisation) * wait_s / service_s)
    return erlang_c(servers, utilisation) * decay


def response_exceeds(servers: int, utilisation: float, service_s: float, time_s: float) -> float:
    """Give the share of arrivals that wait and are served for longer than so many seconds, M/M/m.

    >>> round(response_exceeds(1, 0.5, 1.0, 2.0), 6) == round(math.exp(-1), 6)
    True
    """
    if utilisation >= 1:
        return 1.0
    waits, time = erlang_c(servers, utilisation), time_s / service_s
    rate = servers * (1 - utilisation)
    served = math.exp(-time)
    if abs(rate - 1) < 1e-9:
        both = served * (1 + time)
    else:
        both = (rate * served - math.exp(-rate * time)) / (rate - 1)
    return (1 - waits) * served + waits * both


def response_quantile(servers: int, utilisation: float, service_s: float, quantile: float) -> float:
    """Give a quantile of the time in the system in M/M/m, in seconds; infinite from 1 on.

    >>> round(response_quantile(3, 0.0, 2.0, 0.95), 4) == round(-2 * math.log(0.05), 4)
    True
    """
    if utilisation >= 1:
        return math.inf
    # Of one server the time is exponential; of more it is never longer for the same utilisation.
    low, high = 0.0, -math.log(1 - quantile) * service_s / (1 - utilisation)
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        over = response_exceeds(servers, utilisation, service_s, middle) > 1 - quantile
        low, high = (middle, high) if over else (low, middle)
    return high


def sakasegawa_wait(
    servers: int,
    utilisation: float,
    service_s: float,
    arrival_scv: float = 1.0,
    service_scv: float = 1.0,
) -> float:
    """Give the mean wait by a formula without sums, within some per cent: a check.

    >>> sakasegawa_wait(1, 0.5, 2.0)
    2.0
    """
    if utilisation >= 1:
        return math.inf
    power = math.pow(utilisation, math.sqrt(2 * (servers + 1)) - 1)
    exact = service_s * power / (servers * (1 - utilisation))
    return exact * (arrival_scv + service_scv) / 2
