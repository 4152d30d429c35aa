"""What the samples of OTLP profiles are worth: values, observations, units."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from collectors.otlp.columns import Bools, Ints, flatten, lengths, numbers
from collectors.otlp.profile_dictionary import Dictionary
from collectors.profile_types import canonical_unit, is_cumulative, profile_type

# Sums below this are exact in 64 bits whatever doubles round.
_SURELY_FITS = 2.0**62


@dataclass(frozen=True)
class Types:
    """What n profiles measured.

    Attributes:
        names, units: of the sample type, as sent.
        canonical: their units in the schema's words.
        factors: how many of those one of the sent units is.
        kinds: profile types of the schema.
        period_names: what was counted between two samples.
        periods: how much of it, in the canonical unit of ``period_units``; 0 for unknown.
        cumulative: whether values run since the process started.
    """

    names: list[str]
    units: list[str]
    canonical: list[str]
    factors: Ints
    kinds: list[str]
    period_names: list[str]
    period_units: list[str]
    periods: Ints
    cumulative: Bools


def read_types(profiles: pa.StructArray, requests: Ints, dictionary: Dictionary) -> Types:
    """Read the types of profiles.

    Args:
        profiles: n profiles as ptars gives them.
        requests: n numbers of their requests.
        dictionary: of all requests.
    """

    def texts(owner: str, field: str) -> list[str]:
        index = numbers(profiles.field(owner).field(field))
        places = dictionary.tables["string_table"].place(index, requests)
        found: list[str] = dictionary.strings.take(pa.array(places)).to_pylist()
        return found

    names, units = texts("sample_type", "type_strindex"), texts("sample_type", "unit_strindex")
    period_names = texts("period_type", "type_strindex")
    known = [canonical_unit(unit) for unit in units]
    periods = [canonical_unit(unit) for unit in texts("period_type", "unit_strindex")]
    kinds = [
        profile_type(name, unit, period)
        for name, (unit, _), period in zip(names, known, period_names, strict=True)
    ]
    timed = np.zeros(len(profiles), dtype=bool)
    samples, owners = flatten(profiles.field("samples"))
    timed[owners[lengths(samples.field("timestamps_unix_nano")) > 0]] = True
    durations = numbers(profiles.field("duration_nano"))
    return Types(
        names=names,
        units=units,
        canonical=[unit for unit, _ in known],
        factors=np.array([factor for _, factor in known], dtype=np.int64),
        kinds=kinds,
        period_names=period_names,
        period_units=[unit for unit, _ in periods],
        periods=_scaled(numbers(profiles.field("period")), [factor for _, factor in periods]),
        cumulative=np.array(
            [is_cumulative(kind, int(d)) for kind, d in zip(kinds, durations, strict=True)],
            dtype=bool,
        )
        & ~timed,
    )


def _scaled(periods: Ints, factors: list[int]) -> Ints:
    """Multiply periods; one that no longer fits is unknown."""
    every = np.array(factors, dtype=np.int64)
    fits = np.abs(periods.astype(np.float64)) * every < _SURELY_FITS
    return np.where(fits, periods, 0) * every


def overflowing(profiles: pa.StructArray, factors: Ints) -> Bools:
    """Tell which profiles have values that do not add up within 63 bits.

    Args:
        profiles: n profiles.
        factors: n, by which their values are multiplied.
    """
    samples, profile_of_sample = flatten(profiles.field("samples"))
    values, sample_of_value = flatten(samples.field("values"))
    owners = profile_of_sample[sample_of_value]
    sizes = np.abs(numbers(values).astype(np.float64))
    totals = np.zeros(len(profiles), dtype=np.float64)
    np.add.at(totals, owners, sizes)
    np.add.at(totals, profile_of_sample, lengths(samples.field("timestamps_unix_nano")))
    totals *= factors
    bad: Bools = totals >= _SURELY_FITS
    for profile in np.flatnonzero(bad).tolist():
        exact = sum(map(abs, numbers(values)[owners == profile].tolist()))
        # Times stand for values only where there are none; they alone never come near the limit
        # but in a unit of hours.
        exact = exact or int(totals[profile]) // int(factors[profile])
        bad[profile] = exact * int(factors[profile]) >= 2**63
    return bad


def uneven(samples: pa.StructArray) -> Bools:
    """Tell which samples have values and times that do not belong together.

    As many of both are one observation each; one value for several times is theirs together.
    """
    values = lengths(samples.field("values"))
    times = lengths(samples.field("timestamps_unix_nano"))
    bad: Bools = (values > 1) & (times > 0) & (values != times)
    return bad


def values_of(samples: pa.StructArray, profile_of_sample: Ints, types: Types) -> tuple[Ints, Ints]:
    """Give the value of each sample in its canonical unit, and how often it was observed.

    A sample without values is worth 1 a time. One without times was observed as often as it
    counts, or as its period fits into its time; else nobody knows, which is -1.
    """
    flat, owners = flatten(samples.field("values"))
    times = lengths(samples.field("timestamps_unix_nano"))
    counts = lengths(samples.field("values"))
    sums = np.zeros(len(samples), dtype=np.int64)
    np.add.at(sums, owners, numbers(flat))
    values = np.where(counts == 0, times, sums) * types.factors[profile_of_sample]
    is_count = np.array([unit == "count" for unit in types.canonical], dtype=bool)
    # Only processor time is the period times the samples; sizes are scaled by chance.
    by_period = [
        kind == "cpu" and unit == "nanoseconds" and period_unit == "nanoseconds"
        for kind, unit, period_unit in zip(
            types.kinds, types.canonical, types.period_units, strict=True
        )
    ]
    periods = np.where(by_period, np.maximum(types.periods, 0), 0)[profile_of_sample]
    safe = np.maximum(periods, 1)
    fits = (periods > 0) & (values % safe == 0) & (values >= 0)
    untimed = np.select(
        [is_count[profile_of_sample], counts > 1, fits],
        [values, counts, values // safe],
        default=-1,
    )
    return values, np.where(times > 0, times, untimed)
