"""Samples of a pprof profile as columns of profile_samples: one row a type that is not zero."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from collectors.frames_and_stacks import Ints
from collectors.otlp.columns import lengths
from collectors.pprof_labels import Labels, read_labels
from collectors.pprof_message import Pprof
from collectors.pprof_stacks import PprofStacks, read_pprof_stacks
from collectors.profile_types import canonical_unit, is_cumulative, normal_name, profile_type
from pipeline.errors import BadRequest

# Which count says how often something of a kind was seen.
_COUNT_OF_KIND = {
    "alloc_space": "alloc_objects",
    "inuse_space": "inuse_objects",
    "lock_wait": "lock_count",
}

# No profile counts so many.
UNKNOWN_COUNT = np.iinfo(np.int64).min


@dataclass(frozen=True)
class PprofType:
    """One type of value.

    Attributes:
        name, unit: as sent.
        canonical, factor: the unit in the schema's words, and how many of it one of the sent is.
        kind: profile type of the schema.
        cumulative: whether values run since the process started.
    """

    name: str
    unit: str
    canonical: str
    factor: int
    kind: str
    cumulative: bool


@dataclass(frozen=True)
class PprofRows:
    """The rows of a profile, as far as it alone tells: one a sample and a type that is not zero.

    Attributes:
        types: each with its total in the unit as sent.
        values: of n samples and k types, in canonical units.
        observed: of k types and n samples, how often each was seen; UNKNOWN_COUNT for unknown.
        samples, kinds: of r rows the sample and the type.
        labels: of its samples.
        stacks: of its samples.
    """

    types: list[tuple[PprofType, int]]
    values: Ints
    observed: list[Ints]
    samples: Ints
    kinds: Ints
    labels: Labels
    stacks: PprofStacks

    @cached_property
    def columns(self) -> dict[str, pa.Array]:
        """Give own columns of profile_samples, all rows."""
        return self.part(0, len(self.samples))

    def part(self, start: int, stop: int) -> dict[str, pa.Array]:
        """Give own columns of profile_samples, the rows from one to before another."""
        rows, kinds = self.samples[start:stop], self.kinds[start:stop]
        columns = self.labels.rows(rows)
        types = [each for each, _ in self.types]
        of_rows = pa.array(kinds)
        for name, attribute, kind in (
            ("profile_type", "kind", pa.string()),
            ("sample_type", "name", pa.string()),
            ("sample_unit", "canonical", pa.string()),
            ("is_cumulative", "cumulative", pa.bool_()),
        ):
            each_type = pa.array([getattr(each, attribute) for each in types], kind)
            columns[name] = each_type.take(of_rows)
        columns["stack_id"] = pa.array(self.stacks.of_sample[rows])
        columns["value"] = pa.array(self.values[rows, kinds])
        counts = np.zeros(len(rows), dtype=np.int64)
        for place, seen in enumerate(self.observed):
            own = kinds == place
            counts[own] = seen[rows[own]]
        columns["samples"] = pa.array(counts, mask=counts == UNKNOWN_COUNT)
        return columns


def read_pprof_rows(profile: Pprof, max_labels: int, warnings: Counter[str]) -> PprofRows:
    """Read the samples of a profile.

    Args:
        profile: the profile.
        max_labels: labels kept on one sample.
        warnings: gains what was repaired or dropped.

    Raises:
        BadRequest: a sample has more or fewer values than there are types, values that do not
            add up within 63 bits, or points at what is not there.
    """
    types = _types(profile)
    values = _values(profile, types)
    stacks = read_pprof_stacks(profile, warnings)
    labels = read_labels(profile, max_labels, warnings)
    samples, kinds = np.nonzero(values)
    observed = [_observations(profile, types, place, values) for place in range(len(types))]
    totals = values.sum(axis=0).tolist()
    factors = np.array([each.factor for each in types], dtype=np.int64)
    return PprofRows(
        list(zip(types, totals, strict=True)),
        values * factors,
        observed,
        samples,
        kinds,
        labels,
        stacks,
    )


def _types(profile: Pprof) -> list[PprofType]:
    found = []
    for name, unit in profile.sample_types:
        canonical, factor = canonical_unit(unit)
        kind = profile_type(name, canonical, profile.period_name)
        cumulative = is_cumulative(kind, profile.duration_nano)
        found.append(PprofType(name, unit, canonical, factor, kind, cumulative))
    return found


def _values(profile: Pprof, types: list[PprofType]) -> Ints:
    """Give the values of n samples and k types as n x k numbers."""
    lists = profile.samples.field("value")
    counts = lengths(lists)
    if (counts != len(types)).any():
        wrong = int(counts[counts != len(types)][0])
        raise BadRequest(
            f"a sample has {wrong} values for {len(types)} types: concatenated profiles?"
        )
    # Copied, because one buffer of what was decoded keeps all of it.
    values = np.array(lists.flatten().to_numpy(), dtype=np.int64).reshape(-1, len(types))
    sizes = np.abs(values.astype(np.float64)).sum(axis=0)
    for place, each in enumerate(types):
        if sizes[place] * each.factor >= 2.0**62:
            exact = sum(map(abs, values[:, place].tolist())) * each.factor
            if exact >= 2**63:
                raise BadRequest(f"values of {each.name} add up to more than 2^63-1")
    return values


def _observations(profile: Pprof, types: list[PprofType], place: int, values: Ints) -> Ints:
    """Give how often each sample was observed, by the count that goes with a type."""
    own = types[place]
    if own.canonical == "count":
        return values[:, place]
    wanted = _COUNT_OF_KIND.get(own.kind)
    counts = [
        number
        for number, each in enumerate(types)
        if each.canonical == "count"
        and (each.kind == wanted if wanted else normal_name(each.name).endswith("samples"))
    ]
    if counts:
        return values[:, counts[0]]
    unit, factor = canonical_unit(profile.period_unit)
    period = profile.period * factor
    if own.kind == "cpu" and unit == own.canonical == "nanoseconds" and 0 < period < 2**62:
        scaled = values[:, place] * own.factor
        return np.where(scaled % period == 0, scaled // period, UNKNOWN_COUNT)
    return np.full(len(values), UNKNOWN_COUNT)
