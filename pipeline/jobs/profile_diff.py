"""The profile-diff job: which functions take a larger share on the canary, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.errors import NotEnoughData
from pipeline.jobs.hotspots import function_counts
from pipeline.jobs.job import Job
from pipeline.jobs.profile_counts import Counted, ProfileCounts, count_profiles
from pipeline.jobs.profile_findings import Finding, find
from pipeline.jobs.profile_request import ProfileRequest
from pipeline.jobs.profile_requests import requests_beside
from pipeline.lake import Lake
from pipeline.stats.profile_family import (
    CONFIDENCE,
    FALSE_DISCOVERIES,
    LEAST_SAMPLES,
    Family,
    family,
    typical_factor,
)
from pipeline.stats.profile_shares import LEAST_CLUSTERS, Counts

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"
KINDS = ("flat", "cumulative")
# The same lake gives the same bytes.
_SEED = 20_260_101
_SECOND_NANO = 1e9

RESULT_SCHEMA = pa.schema(
    [
        pa.field("function", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("baseline_share", pa.float64(), nullable=False),
        pa.field("canary_share", pa.float64(), nullable=False),
        pa.field("change_points", pa.float64(), nullable=False),
        pa.field("change_points_low", pa.float64(), nullable=False),
        pa.field("change_points_high", pa.float64(), nullable=False),
        pa.field("relative_change", pa.float64()),
        pa.field("p_value", pa.float64()),
        pa.field("p_value_adjusted", pa.float64()),
        pa.field("detectable_points", pa.float64(), nullable=False),
        pa.field("dispersion", pa.float64(), nullable=False),
        pa.field("baseline_samples", pa.int64(), nullable=False),
        pa.field("canary_samples", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Side:
    """What was compared of one side.

    Attributes:
        where: filters that all its samples meet.
        profiles: with observations; instances where these are more.
        samples: observations.
        value: what they add up to, in the unit of the type.
        requests: that were answered meanwhile; None for unknown.
        cpu_seconds_per_request: None where requests are unknown, or the profiles not of CPU time.
    """

    where: tuple[tuple[str, str], ...]
    profiles: int
    samples: int
    value: int
    requests: float | None
    cpu_seconds_per_request: float | None


@dataclass(frozen=True)
class DiffResult:
    """The comparison.

    Attributes:
        baseline, canary: the sides.
        profile_type, sample_type, sample_unit: what was compared.
        verdict: pass, fail or inconclusive.
        method: permutation or quasi_binomial.
        permutations: how many were looked at; 0 for none.
        exact: whether these are all.
        findings: what changed, the largest growth first.
        table: a row a function of which there is enough and a kind, in the columns of
            RESULT_SCHEMA: the largest growth first.
        functions: how many there are in all.
        samples_version: of the lake's table.
        notes: what a reader should know, a sentence each.
    """

    baseline: Side
    canary: Side
    profile_type: str
    sample_type: str
    sample_unit: str
    verdict: str
    method: str
    permutations: int
    exact: bool
    findings: tuple[Finding, ...]
    table: pa.Table
    functions: int
    samples_version: int
    notes: tuple[str, ...]

    @property
    def regressions(self) -> tuple[Finding, ...]:
        """Give the findings that fail a release."""
        return tuple(each for each in self.findings if each.outcome == "regression")


def run(lake: Lake, baseline: ProfileRequest, canary: ProfileRequest) -> DiffResult:
    """Compare the functions' shares of all observations on two sides.

    The unit that varies is the profile. A regression needs six profiles a side; of fewer, what
    grew is `suspected`, and the verdict inconclusive.

    Args:
        lake: the lake.
        baseline, canary: the sides; the baseline's says which type of profile.

    Raises:
        NotEnoughData: a side has no profiles, or both together too few observations.
        UsageError: there is no such type on both sides, or several to choose from.
        LakeError: the lake cannot be read.
    """
    counted = count_profiles(lake, [baseline, canary])
    sides = [_observed(side) for side in counted.sides]
    _check(sides)
    stacks = counted.stacks
    flat, cumulative_counts = zip(
        *(map(_filled, function_counts(side, stacks, side.samples)) for side in sides),
        strict=True,
    )
    typical = typical_factor(*flat)
    families = [
        family(of_baseline, of_canary, typical, _SEED)
        for of_baseline, of_canary in (flat, cumulative_counts)
    ]
    findings, outcomes = find(stacks, (sides[0], sides[1]), (families[0], families[1]))
    cumulative = families[1]
    few = min(cumulative.baseline.clusters, cumulative.canary.clusters) < LEAST_CLUSTERS
    return DiffResult(
        _summary(lake, counted, sides[0], cumulative.baseline),
        _summary(lake, counted, sides[1], cumulative.canary),
        counted.profile_type,
        counted.sample_type,
        counted.sample_unit,
        _verdict(findings, few),
        "quasi_binomial" if few else "permutation",
        cumulative.splits,
        cumulative.exact,
        findings,
        _table(stacks.names, families, outcomes),
        len(stacks.names),
        counted.samples_version,
        tuple(_notes(counted, cumulative, few)),
    )


PROFILE_DIFF = Job("profile-diff", "which functions take a larger share on the canary", run)


def _observed(side: ProfileCounts) -> ProfileCounts:
    """Leave out amounts that shares cannot be made of: below 0, in differences of profiles."""
    samples = np.maximum(side.samples, 0.0)
    return ProfileCounts(
        side.request, side.cluster, side.stack, side.value, samples, side.clusters, side.notes
    )


def _check(sides: Sequence[ProfileCounts]) -> None:
    """Make sure that there is something to compare.

    Raises:
        NotEnoughData: there is not.
    """
    samples = [round(float(side.samples.sum())) for side in sides]
    if not all(samples) or sum(samples) < LEAST_SAMPLES:
        raise NotEnoughData(
            f"{samples[0]} samples of the baseline and {samples[1]} of the canary are too few to "
            f"compare, both need some and {LEAST_SAMPLES} together; profile for longer"
        )


def _filled(counts: Counts) -> Counts:
    """Leave out profiles without an observation."""
    there = np.flatnonzero(counts.n > 0)
    return Counts(counts.x[there], counts.n[there])


def _summary(lake: Lake, counted: Counted, side: ProfileCounts, counts: Counts) -> Side:
    """Give what was compared of a side."""
    value = float(side.value.sum())
    found = requests_beside(lake, counted, side)
    return Side(
        side.request.where,
        counts.clusters,
        round(counts.total),
        round(value),
        found.requests if found else None,
        value / _SECOND_NANO * found.per_profiled_unit if found else None,
    )


def _verdict(findings: Sequence[Finding], few: bool) -> str:
    """Give what all findings come to; too few profiles to fail by are too few to pass by."""
    if any(each.outcome == "regression" for each in findings):
        return FAIL
    return INCONCLUSIVE if few else PASS


def _table(
    names: Sequence[str], families: Sequence[Family], outcomes: Sequence[Sequence[str]]
) -> pa.Table:
    """Give the rows of both kinds, those that grew most first."""
    parts = []
    for kind, each, outcome in zip(KINDS, families, outcomes, strict=True):
        change = each.change
        low, high = change.bounds(CONFIDENCE)
        rows = np.flatnonzero(change.observations >= LEAST_SAMPLES)
        chosen = rows.tolist()
        relative = np.divide(
            change.change,
            change.baseline,
            out=np.full_like(change.change, np.nan),
            where=change.baseline > 0,
        )
        columns = [
            [names[row] for row in chosen],
            [kind] * len(rows),
            [outcome[row] for row in chosen],
            *(
                pa.array(column[rows], mask=np.isnan(column[rows]))
                for column in (
                    change.baseline,
                    change.canary,
                    change.change * 100,
                    low * 100,
                    high * 100,
                    relative,
                    np.where(each.tested, each.p, np.nan),
                    each.p_adjusted,
                    change.detectable(FALSE_DISCOVERIES) * 100,
                    change.dispersion,
                )
            ),
            *(
                pa.array(np.round(side.of_functions()[rows]).astype(np.int64))
                for side in (each.baseline, each.canary)
            ),
        ]
        arrays = [
            pa.array(column, field.type)
            for column, field in zip(columns, RESULT_SCHEMA, strict=True)
        ]
        parts.append(pa.table(arrays, schema=RESULT_SCHEMA))
    order = [("change_points", "descending"), ("function", "ascending"), ("kind", "ascending")]
    return pa.concat_tables(parts).sort_by(order).combine_chunks()


def _notes(counted: Counted, cumulative: Family, few: bool) -> list[str]:
    """Say what a reader should know."""
    notes = list(dict.fromkeys(note for side in counted.sides for note in side.notes))
    if counted.by_instance:
        notes.append("instances stand for profiles, as there are more of them")
    if few:
        notes.append(
            f"{cumulative.baseline.clusters} and {cumulative.canary.clusters} profiles: a "
            f"regression needs {LEAST_CLUSTERS} a side, so what grew is suspected at most"
        )
    known = cumulative.change.observations >= LEAST_SAMPLES
    left_out = int((~known).sum())
    if left_out:
        notes.append(f"{left_out} functions with fewer than {LEAST_SAMPLES} samples: not told")
    return notes
