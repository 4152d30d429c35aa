"""What spans alone do not tell: pauses of garbage collection, and functions that take more CPU."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import NotEnoughData, TailgateError
from pipeline.jobs import profile_diff
from pipeline.jobs.judge_request import JudgeRequest, Pairs
from pipeline.jobs.metric_rows import MetricRequest, read_rows
from pipeline.jobs.named_metrics import NAMED_METRICS
from pipeline.jobs.profile_request import ProfileRequest
from pipeline.jobs.why_answer import Cause
from pipeline.lake import Lake, take_snapshot
from pipeline.schema import METRICS, PROFILE_SAMPLES

_GC_PAUSE_SHARE = "gc_pause_share"

# Pauses are told when they take half a point more of the time, and half as much again.
_GC_LEAST_POINTS, _GC_LEAST_FACTOR = 0.005, 1.5

_FUNCTIONS_MOST = 3
_PER_CENT = 100.0
_POINTS = 100.0

Windows = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Beside:
    """What was found out about services, each once.

    Attributes:
        causes: by service.
        notes: what could not be told, by service.
    """

    causes: dict[str, tuple[Cause, ...]]
    notes: dict[str, tuple[str, ...]]


def look_beside(
    lake: Lake, request: JudgeRequest, windows: Windows, services: Sequence[str]
) -> Beside:
    """Look at metrics and profiles of services; never fails the whole.

    Args:
        lake: the lake.
        request: which sides.
        windows: since and until in ns, of baseline and canary.
        services: which, each once.
    """
    causes: dict[str, tuple[Cause, ...]] = {}
    notes: dict[str, tuple[str, ...]] = {}
    pauses = _pauses(lake, request, windows)
    profiles = bool(take_snapshot(lake, PROFILE_SAMPLES).files)
    for service in services:
        found = [*pauses.get(service, [])]
        if profiles:
            try:
                found += _functions(lake, request, windows, service)
            except NotEnoughData:
                pass
            except TailgateError as error:
                notes[service] = (f"profiles of {service} were not compared: {error}",)
        causes[service] = tuple(found)
    return Beside(causes, notes)


def _pauses(lake: Lake, request: JudgeRequest, windows: Windows) -> dict[str, list[Cause]]:
    """Compare the share of time in pauses, by service."""
    if not take_snapshot(lake, METRICS).files:
        return {}
    (metric,) = [each for each in NAMED_METRICS if each.name == _GC_PAUSE_SHARE]
    shares: list[dict[str, float]] = []
    for pairs, window in zip((request.baseline, request.canary), windows, strict=True):
        try:
            rows, _ = read_rows(lake, MetricRequest(metric, window=window))
        except TailgateError:
            return {}
        kept = np.ones(rows.num_rows, dtype=bool)
        for column, value in pairs:
            if column in rows.column_names and column != "operation":
                kept &= np.array(rows[column].to_pylist(), dtype=object) == value
        services = np.array(rows["service_name"].to_pylist(), dtype=object)
        top, below = (
            rows[name].to_numpy(zero_copy_only=False).astype(np.float64)
            for name in ("top", "below")
        )
        known = kept & np.isfinite(top) & (below > 0)
        shares.append(
            {
                str(service): float(top[own].sum() / below[own].sum())
                for service in sorted(set(services[known].tolist()))
                for own in [known & (services == service)]
            }
        )
    return {
        service: [_pause(service, shares[0][service], shares[1][service])]
        for service in shares[0]
        if service in shares[1] and _grew(shares[0][service], shares[1][service])
    }


def _grew(before: float, after: float) -> bool:
    # Of more than all of the time, several processes tell under one name.
    if after > 1:
        return False
    return after - before >= _GC_LEAST_POINTS and after >= _GC_LEAST_FACTOR * before


def _pause(service: str, before: float, after: float) -> Cause:
    text = (
        f"{service}: garbage collection stops it for {_PER_CENT * before:.3g} → "
        f"{_PER_CENT * after:.3g} % of the time"
    )
    return Cause("gc", service, before, after, "ratio", math.nan, math.nan, text)


def _functions(lake: Lake, request: JudgeRequest, windows: Windows, service: str) -> list[Cause]:
    """Name functions that take a larger share of the CPU samples of a service.

    Profiles of any time count unless a window was asked for: they are rarely taken in the very
    minutes that are judged.
    """
    sides = [
        ProfileRequest(*window, _where(pairs, service))
        for pairs, window in zip(
            (request.baseline, request.canary), _profile_windows(request, windows), strict=True
        )
    ]
    found = profile_diff.run(lake, sides[0], sides[1])
    grown = [each for each in found.findings if each.outcome in ("regression", "suspected")]
    causes = []
    for each in grown[:_FUNCTIONS_MOST]:
        text = (
            f"{service}: {each.function} takes {_PER_CENT * each.baseline_share:.3g} → "
            f"{_PER_CENT * each.canary_share:.3g} % of {found.profile_type} samples "
            f"({each.change_points:+.3g} points, {each.change_points_low:.3g} to "
            f"{each.change_points_high:.3g})"
        )
        if each.outcome == "suspected":
            text += "; suspected, of too few profiles to be sure"
        values = (each.baseline_share, each.canary_share, "ratio", math.nan, math.nan)
        causes.append(Cause("cpu_frames", f"{service} {each.function}", *values, text))
    return causes


def _profile_windows(
    request: JudgeRequest, windows: Windows
) -> tuple[tuple[int | None, int | None], tuple[int | None, int | None]]:
    """Give the windows of the sides' profiles."""
    if request.historic:
        return windows
    asked = (request.since_unix_nano, request.until_unix_nano)
    return asked, asked


def _where(pairs: Pairs, service: str) -> tuple[tuple[str, str], ...]:
    """Give what a side's profiles of a service have: all of its selector but the operation."""
    kept = {key: value for key, value in pairs if key != "operation"}
    return tuple(({"service_name": service} | kept).items())
