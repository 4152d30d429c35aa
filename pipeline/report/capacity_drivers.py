"""What CPU time follows, in words."""

from pipeline.jobs.capacity_answer import ServiceCapacity
from pipeline.report.text import significant
from pipeline.stats.capacity_drivers import REQUESTS, Driver, DriverScan

_DIGITS = 3


def driver_line(service: ServiceCapacity) -> str:
    """Say what CPU follows better than requests, or that nothing is; empty if nothing is sent."""
    found = service.drivers
    if not service.rows.drivers.names:
        return ""
    if found.reason:
        # Without CPU time there is one reason, which the line of costs gives.
        known = service.rows.meters.cpu_source
        return f"what CPU follows: not identified: {found.reason}" if known else ""
    best = found.named or found.drivers[0]
    if found.named is None:
        tried = "1 driver" if len(found.drivers) == 1 else f"{len(found.drivers)} drivers"
        return (
            f"CPU by {found.beaten}: held-out R² {found.r_squared:.2f}; of {tried} sent none is "
            f"better beyond chance, the best: {best.name}, {_held(best, found)}"
        )
    by = "" if found.beaten == REQUESTS else ", told apart by operation"
    return (
        f"CPU follows {best.name} better than requests{by}: held-out R² {_held(best, found)}; "
        f"{significant(best.per_request, _DIGITS)} {best.name} a request"
    )


def _held(driver: Driver, scan: DriverScan) -> str:
    """Write R squared of a driver beside that of requests, and how sure the difference is."""
    gain = driver.gain
    return (
        f"{driver.r_squared:.2f} against {scan.r_squared:.2f} ({gain.estimate:+.2f} "
        f"[{gain.low:+.2f}, {gain.high:+.2f}], {scan.buckets} buckets in {scan.blocks} blocks)"
    )
