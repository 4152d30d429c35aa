"""Charts of a capacity: use of each resource, throughput and latency against load."""

import math

import numpy as np

from pipeline.jobs.capacity_answer import ServiceCapacity
from pipeline.jobs.capacity_request import CapacityRequest
from pipeline.report.capacity_lines import figure
from pipeline.report.page_axes import LEFT, RIGHT, WIDTH, Axis, Frame, chart, line, number
from pipeline.report.visible import escaped
from pipeline.stats.bootstrap import Floats

_TOP, _PLOT, _BOTTOM = 20, 210, 36
_BAR, _STEP = 16, 40
_MOST_POINTS = 1500
_MILLI = 1000.0
# A band that leaves the chart says no more by being drawn to its end.
_ROOM = 1.15
_MOST_BAR = 1.5
_MOST_LETTERS = 44


def throughput_chart(service: ServiceCapacity) -> str:
    """Draw throughput against requests in flight, with the scalability law where identified."""
    buckets, law = service.rows.buckets, service.scalability
    load, throughput = buckets.concurrency_mean, buckets.throughput_per_s
    known = load > 0
    load, throughput = load[known], throughput[known]
    if not len(load):
        return ""
    most = float(load.max())
    x = Axis(0, float(law.load[-1]) if law.fit else most * _ROOM, LEFT, WIDTH - RIGHT)
    y = _upright(float(throughput.max()))
    parts = [Frame(x, y, "requests in flight, mean", "completions a second").drawn()]
    if law.fit:
        parts += _curve(x, y, law.load, (law.fit.throughput(law.load), law.low, law.high), most)
    parts.append(_points(x, y, load, throughput))
    fitted = "with the universal scalability law" if law.fit else "without a model"
    about = (
        f"completions a second against requests in flight, {fitted}: "
        f"up to {figure(float(throughput.max()))} a second at up to {figure(most)} in flight"
    )
    return chart("Throughput against concurrency", about, _TOP + _PLOT + _BOTTOM, parts)


def latency_chart(service: ServiceCapacity, request: CapacityRequest) -> str:
    """Draw latency against throughput, with its model, the objective and the safe load."""
    blocks, found = service.rows.latencies, service.latency
    median = request.objective_quantile == 0.5
    latency = _MILLI * (blocks.latency_p50_s if median else blocks.latency_p95_s)
    throughput = blocks.throughput_per_s
    known = (latency > 0) & (throughput > 0)
    latency, throughput = latency[known], throughput[known]
    if not len(latency):
        return ""
    most, objective = float(throughput.max()), _MILLI * request.objective_s
    safe = service.safe.per_second.low
    right = _ROOM * max(most, safe if math.isfinite(safe) and safe < 2 * most else most)
    x = Axis(0, right, LEFT, WIDTH - RIGHT)
    y = _upright(max(float(latency.max()), objective))
    quantile = "p50" if median else "p95"
    parts = [Frame(x, y, "completions a second, an instance", f"{quantile}, ms").drawn()]
    if found.model:
        inside = found.throughput <= right
        rows = (_MILLI * each[inside] for each in (found.estimate, found.low, found.high))
        parts += _curve(x, y, found.throughput[inside], tuple(rows), most)
    parts.append(_points(x, y, throughput, latency))
    if objective:
        parts.append(_across(x, y, objective, f"objective {figure(objective)} ms"))
    if math.isfinite(safe) and safe <= right:
        parts.append(_down(x, y, safe))
    about = f"{quantile} against completions a second; model: {found.model or 'none'}"
    return chart("Latency against load", about, _TOP + _PLOT + _BOTTOM, parts)


def utilisation_chart(service: ServiceCapacity) -> str:
    """Draw how much of each resource's safe load the busiest bucket used."""
    seen = service.safe.seen_per_second
    bars = [
        (limit.resource, seen / limit.per_second.low)
        for limit in service.limits
        if limit.per_second.low > 0 and math.isfinite(limit.per_second.low)
    ]
    if not bars:
        return ""
    x = Axis(0, max(1.0, min(_MOST_BAR, 1.05 * max(share for _, share in bars))), 8, WIDTH - RIGHT)
    height = _TOP + _STEP * len(bars)
    parts = []
    for place, (name, share) in enumerate(bars):
        top = _TOP + _STEP * place
        end, full = x.at(share), x.at(1.0)
        kind = "over" if share > 1 else "used"
        short = name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"
        binding = " · binding" if name == service.safe.binding else ""
        parts.append(
            f'<rect class="free" x="8" y="{top}" width="{number(full - 8)}" height="{_BAR}"/>'
            f'<rect class="{kind}" x="8" y="{top}" width="{number(end - 8)}" height="{_BAR}"/>'
            f'<text x="8" y="{top - 4}" class="t">{escaped(short)}{binding}</text>'
            f'<text x="{number(x.end)}" y="{top - 4}" class="e">{_told(share)}</text>'
            f'<path class="safe" d="M{number(full)} {top - 1}v{_BAR + 2}"/>'
        )
    about = "; ".join(f"{name}: {_told(share)}" for name, share in bars)
    return chart("Used of the safe load in the busiest bucket", about, height, parts)


def _told(share: float) -> str:
    """Say what is used, and what is free."""
    free = f"{100 * (1 - share):.0f} % free" if share <= 1 else f"{100 * (share - 1):.0f} % over"
    return f"{100 * share:.0f} % used, {free}"


def _upright(most: float) -> Axis:
    return Axis(0, most * _ROOM or 1.0, _TOP + _PLOT, _TOP)


def _points(x: Axis, y: Axis, across: Floats, up: Floats) -> str:
    """Draw buckets, of very many evenly spread ones."""
    step = -(-len(across) // _MOST_POINTS)
    places = zip(x.place(across[::step]).tolist(), y.place(up[::step]).tolist(), strict=True)
    return "".join(
        f'<circle class="p" cx="{number(left)}" cy="{number(top)}" r="2.4"/>'
        for left, top in places
    )


def _curve(x: Axis, y: Axis, load: Floats, values: tuple[Floats, ...], seen: float) -> list[str]:
    """Draw a model and its band; what lies beyond the load seen is dashed."""
    estimate, low = (np.where(each <= y.high, each, np.nan) for each in values[:2])
    # The band may leave the chart where its estimate is still in it.
    top = np.where(np.isfinite(values[2]), np.minimum(values[2], y.high), np.nan)
    known = np.isfinite(low) & np.isfinite(top)
    parts = []
    if known.sum() > 1:
        xs, lows, tops = x.place(load[known]), y.place(low[known]), y.place(top[known])
        edge = line(xs, tops) + "L" + line(xs[::-1], lows[::-1])[1:]
        parts.append(f'<path class="band" d="{edge}Z"/>')
    inside = load <= seen
    xs, ys = x.place(load), y.place(estimate)
    drawn = line(xs[inside], ys[inside])
    beyond = line(xs[~inside], ys[~inside])
    parts += [f'<path class="fit" d="{drawn}"/>'] if drawn else []
    parts += [f'<path class="fit guess" d="{beyond}"/>'] if beyond else []
    return parts


def _across(x: Axis, y: Axis, value: float, told: str) -> str:
    height = number(y.at(value))
    return (
        f'<path class="slo" d="M{number(x.start)} {height}H{number(x.end)}"/>'
        f'<text x="{number(x.start + 4)}" y="{number(y.at(value) - 4)}" class="slo-text">'
        f"{escaped(told)}</text>"
    )


def _down(x: Axis, y: Axis, value: float) -> str:
    place = number(x.at(value))
    return (
        f'<path class="safe" d="M{place} {number(y.start)}V{number(y.end)}"/>'
        f'<text x="{number(x.at(value) - 4)}" y="{number(y.start - 6)}" class="e safe-text">'
        f"safe {figure(value)}/s</text>"
    )
