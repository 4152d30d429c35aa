"""A capacity in words: sentences and tables that every form of the report shows."""

import math

from pipeline.jobs.capacity_answer import CapacityResult, ServiceCapacity
from pipeline.report.capacity_drivers import driver_line
from pipeline.report.text import MISSING, UNBOUNDED, significant
from pipeline.stats.bootstrap import Interval
from pipeline.stats.capacity_limits import DOES_NOT_FIT, EXTRAPOLATED, FITS

Table = tuple[tuple[str, ...], tuple[bool, ...], list[list[str]]]

_DIGITS = 3
_LEAST_SHOWN = 1e-7
_MIB = 2.0**20
_OUTCOMES = {FITS: "fits", DOES_NOT_FIT: "does not fit"}


def figure(value: float) -> str:
    """Write a number with three digits; what is not known is a dash.

    >>> figure(31.4951), figure(2e-15), figure(float("nan")), figure(float("inf"))
    ('31.5', '0', '–', '…')
    """
    if math.isnan(value):
        return MISSING
    if abs(value) < _LEAST_SHOWN:
        return "0"
    return significant(value, _DIGITS) if math.isfinite(value) else UNBOUNDED


def interval(found: Interval, factor: float = 1.0) -> str:
    """Write an estimate and its bounds.

    >>> interval(Interval(0.02, 0.019, 0.021), 1000)
    '20.0 [19.0, 21.0]'
    """
    if math.isnan(found.estimate):
        return MISSING
    low, high = figure(factor * found.low), figure(factor * found.high)
    return f"{figure(factor * found.estimate)} [{low}, {high}]"


def heading(service: ServiceCapacity) -> str:
    """Say what was seen of a version."""
    buckets = service.rows.buckets
    instances = "1 instance" if buckets.instances == 1 else f"{buckets.instances} instances"
    return (
        f"{service.name}: {figure(sum(service.per_second))} requests/s, "
        f"{service.rows.requests} spans, {len(buckets.start_s)} buckets of "
        f"{buckets.width_s:.0f} s, {instances}"
    )


def answer(service: ServiceCapacity) -> list[str]:
    """Say the answer: the safe load, what binds, the headroom and the replicas."""
    safe = service.safe
    if not safe.binding:
        return ["safe load: not identified; the table says what each resource lacks"]
    lines = [
        f"safe load: {figure(safe.per_second.low)} requests/s an instance "
        f"({interval(safe.per_second)}){_beyond(service)}",
        f"binding resource: {safe.binding}"
        + (f"; next: {safe.second}, {_percent(safe.distance)} above" if safe.second else ""),
        _headroom_line(service),
    ]
    unknown = [each.resource for each in service.limits if each.reason]
    if unknown:
        lines.append(f"not in it, as not identified: {', '.join(unknown)}")
    return lines


def replica_line(service: ServiceCapacity) -> str:
    """Say how many instances a target needs; empty without a target."""
    found = service.replicas
    if found is None:
        return ""
    target = f"target {figure(found.target_per_second)} requests/s"
    if math.isnan(found.needed.high):
        return f"{target}: not identified, as the safe load is not"
    low, high = (figure_of_count(each) for each in (found.needed.low, found.needed.high))
    zones = f" and one of {found.zones} zones lost" if found.zones > 1 else ""
    word = _OUTCOMES.get(found.outcome, "undecided")
    beyond = f", extrapolated (seen to {figure(service.safe.seen_per_second)} an instance)"
    return (
        f"{target}: {high} instances ([{low}, {high}]) with one to spare{zones}; "
        f"there were {found.instances}: {word}" + (beyond if found.extrapolated else "")
    )


def figure_of_count(value: float) -> str:
    """Write a whole number."""
    return f"{value:.0f}" if math.isfinite(value) else UNBOUNDED


def concurrency_line(service: ServiceCapacity) -> str:
    """Say how many requests were in flight."""
    found = service.concurrency
    estimated = " (estimated: traces are sampled)" if found.estimated else ""
    return (
        f"in flight: mean {figure(found.mean)}, "
        f"above {figure(found.exceeded)} for 1 % of the time, "
        f"at most {figure(found.peak)}{estimated}"
    )


def model_lines(service: ServiceCapacity) -> list[str]:
    """Say which models explain latency and throughput."""
    latency, law = service.latency, service.scalability
    lines = [f"latency: not identified: {latency.reason}"] if latency.reason else []
    if latency.model:
        errors = ", ".join(
            f"{name} {_percent(math.expm1(error))}" for name, error in latency.held_out.items()
        )
        lines.append(f"latency follows: {latency.model} (error on blocks held out: {errors})")
        lines.append(isotonic_line(service))
    if law.fit is None:
        lines.append(f"scalability: not identified: {law.reason}")
    else:
        found = law.intervals
        peak = (
            f"peak {interval(found['peak_throughput'])} requests/s at "
            f"{interval(found['peak_load'])} in flight"
            if law.shows_peak
            else "no peak shown"
        )
        lines.append(
            f"scalability (USL): contention {interval(found['alpha'])}, "
            f"coherency {interval(found['beta'])}, {peak}; R² {law.fit.r_squared:.2f}; "
            f"seen to {figure(law.fit.load_most)} in flight, "
            f"{figure(law.fit.throughput_most)} requests/s"
        )
    return lines


def isotonic_line(service: ServiceCapacity) -> str:
    """Say how far the model lies from the curve that only rises, and what that one would allow."""
    latency = service.latency
    gap = _percent(math.expm1(latency.isotonic_gap))
    held = (
        f"; that one holds the objective to {figure(latency.isotonic_limit)} requests/s seen"
        if math.isfinite(latency.isotonic_limit)
        else ""
    )
    known = service.rows.variation
    varied = f"; c_a² {figure(known.arrivals)}, c_s² {figure(known.service)}" if known else ""
    return f"check: the model is {gap} from a curve that only rises (isotonic){held}{varied}"


def memory_line(service: ServiceCapacity) -> str:
    """Say what memory is made of."""
    found = service.memory
    if not service.rows.meters.memory_source or math.isnan(found.base_bytes.estimate):
        return ""
    why = f"; {found.reason}" if found.reason else ""
    return (
        f"memory: {interval(found.base_bytes, 1 / _MIB)} MiB and "
        f"{interval(found.bytes_in_flight, 1 / _MIB)} MiB a request in flight "
        f"({service.rows.meters.memory_source}){why}"
    )


def cost_lines(result: CapacityResult, service: ServiceCapacity) -> list[str]:
    """Say what requests cost, and how that changed since the version before."""
    if service.cost is None:
        return []
    if service.cost.reason:
        return [f"cost: not identified: {service.cost.reason}"]
    lines = [f"cost: {interval(service.cost.per_million)} a million requests, of what was used"]
    for each in result.cost_changes:
        named = (each.service_name, each.after)
        if named == (service.rows.service_name, service.rows.service_version):
            change = f"{_percent(each.change.estimate, True)} [{_percent(each.change.low, True)}, "
            lines.append(f"cost beside {each.before}: {change}{_percent(each.change.high, True)}]")
    return lines


def limit_table(service: ServiceCapacity) -> Table:
    """Give a row a resource: what it allows, or why that is not known."""
    rows = []
    peak = service.safe.seen_per_second
    for limit in service.limits:
        used = peak / limit.per_second.low if limit.per_second.low > 0 else math.nan
        told = (
            f"not identified: {limit.reason}" if limit.reason else _beside(service, limit.resource)
        )
        name = limit.resource
        rows.append(
            [name, figure(limit.per_second.low), interval(limit.per_second), _percent(used), told]
        )
    headings = ("resource", "safe 1/s", "estimate [90 %]", "used at peak", "note")
    return headings, (False, True, True, True, False), rows


def operation_table(service: ServiceCapacity) -> Table:
    """Give a row an operation: its rate and what a request costs."""
    demand = service.demand
    rows = []
    for place, name in enumerate(service.rows.buckets.operations):
        own = interval(demand.by_operation[place], 1000) if demand.by_operation else MISSING
        other = interval(demand.check[place], 1000) if demand.check else MISSING
        rows.append([name, figure(service.per_second[place]), own, other])
    headings = ("operation", "1/s", "CPU ms a request [90 %]", "check by regression")
    return headings, (False, True, True, True), rows


def demand_line(service: ServiceCapacity) -> str:
    """Say how far CPU is explained by requests."""
    demand = service.demand
    if demand.reason:
        told = f"; by operation: {service.rows.dealt_by}" if demand.is_told else ""
        return f"CPU a request: not identified: {demand.reason}{told}"
    return (
        f"CPU: {interval(demand.mean, 1000)} ms a request, {interval(demand.background)} cores "
        f"without any; by {service.rows.dealt_by}; R² {demand.r_squared:.2f} "
        f"over {demand.buckets} buckets ({service.rows.meters.cpu_source})"
    )


def told_lines(result: CapacityResult, service: ServiceCapacity) -> list[str]:
    """Give all sentences of a version but its heading and notes."""
    lines = [*answer(service), replica_line(service), concurrency_line(service)]
    lines += [demand_line(service), driver_line(service)]
    lines += [memory_line(service), *model_lines(service)]
    return [line for line in [*lines, *cost_lines(result, service)] if line]


def _headroom_line(service: ServiceCapacity) -> str:
    """Say what of the safe load the busiest bucket left free."""
    found = service.safe.headroom
    bounds = f"[{_percent(found.low)}, {_percent(found.high)}]"
    if found.low >= 0:
        return f"headroom: {_percent(found.low)} of it was free in the busiest bucket, {bounds}"
    seen = figure(service.safe.seen_per_second)
    return f"headroom: none; the busiest bucket had {seen} requests/s, {bounds} of it free"


def _beside(service: ServiceCapacity, resource: str) -> str:
    """Say where a limit is from."""
    meters = service.rows.meters
    if resource == "cpu":
        return f"70 % of {figure(meters.cores)} cores ({meters.cores_source})"
    if resource == "memory":
        limit = figure(meters.memory_limit / _MIB)
        return f"85 % of {limit} MiB ({meters.memory_limit_source})"
    if resource == "latency":
        return service.latency.model
    return "80 % of the peak" if resource == "scalability" else "80 % of its size"


def _beyond(service: ServiceCapacity) -> str:
    """Say that a load is far above what was seen."""
    safe = service.safe
    if not safe.extrapolated:
        return ""
    return (
        f", extrapolated beyond {EXTRAPOLATED} times what was seen "
        f"(seen to {figure(safe.seen_per_second)})"
    )


def _percent(share: float, signed: bool = False) -> str:
    if math.isnan(share):
        return MISSING
    if not math.isfinite(share):
        return UNBOUNDED
    return f"{100 * share:+.0f} %" if signed else f"{100 * share:.0f} %"
