"""Settling what of a lake tells a metric: of what type, in which unit, by which source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from pipeline.jobs.metric_sources import Source
from pipeline.jobs.metric_units import BASE_UNITS, COUNT, dimension_of, factor_to_base
from pipeline.jobs.named_metrics import (
    BY_TYPE,
    GAUGE,
    MEAN,
    PER_SECOND,
    QUANTILE,
    NamedMetric,
)

_HISTOGRAMS = ("histogram", "exponential_histogram")
# Of points that a kind of metric can be made of.
_TYPES = {GAUGE: ("gauge", "sum"), QUANTILE: _HISTOGRAMS}
_COUNTED = ("sum", *_HISTOGRAMS)
_ONE = "1"
_TEXTS = pa.list_(pa.string())
_SCHEMA = pa.schema(
    [
        pa.field("name", pa.string()),
        pa.field("unit", pa.string()),
        pa.field("place", pa.int32()),
        pa.field("factor", pa.float64()),
        pa.field("fold", pa.string()),
        pa.field("thing", pa.string()),
        pa.field("is_shared", pa.bool_()),
        pa.field("without_keys", _TEXTS),
        pa.field("without_patterns", _TEXTS),
    ]
)


@dataclass(frozen=True)
class Told:
    """A source in one of the units that its points carry.

    Attributes:
        source: the source.
        sent: the unit, as sent; empty for none.
        factor: from it to ``unit``.
        unit: of the values; empty where the metric has its own.
        tells: what it measures; unlike ones are never compared.
    """

    source: Source
    sent: str
    factor: float
    unit: str
    tells: str


@dataclass(frozen=True)
class Settled:
    """What tells a metric.

    Attributes:
        metric: with its kind.
        told: the sources that there are, the best first: rows give their places.
        unread: by service, what cannot be read: the name and the unit.
    """

    metric: NamedMetric
    told: tuple[Told, ...] = ()
    unread: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    def table(self) -> pa.Table:
        """Give the sources as the statements join them."""
        rows = [
            {
                "name": each.source.name,
                "unit": each.sent,
                "place": place,
                "factor": each.factor,
                "fold": each.source.fold,
                "thing": each.source.thing,
                "is_shared": each.source.is_shared,
                "without_keys": [key for key, _ in each.source.without],
                "without_patterns": [pattern for _, pattern in each.source.without],
            }
            for place, each in enumerate(self.told)
        ]
        return pa.Table.from_pylist(rows, schema=_SCHEMA)


def settle(metric: NamedMetric, found: Sequence[Mapping[str, Any]]) -> Settled:
    """Settle what tells a metric.

    Args:
        metric: which; one of any type gets its kind.
        found: services, names, types and units of the points that there are.
    """
    if metric.kind == BY_TYPE:
        metric = replace(metric, kind=_kind(found))
    types = _TYPES.get(metric.kind, _COUNTED)
    found = [row for row in found if row["metric_type"] in types]
    units = {
        name: sorted({str(row["unit"]) for row in found if row["name"] == name})
        for name in metric.names
    }
    told: list[Told] = []
    unread: dict[str, set[tuple[str, str]]] = {}
    for source in metric.sources:
        for sent in units[source.name]:
            one = _told(metric, source, sent, units[source.name])
            if one is not None:
                told.append(one)
                continue
            for row in found:
                if (row["name"], row["unit"]) == (source.name, sent):
                    unread.setdefault(str(row["service_name"]), set()).add((source.name, sent))
    return Settled(metric, tuple(told), {key: tuple(sorted(unread[key])) for key in sorted(unread)})


def _kind(found: Sequence[Mapping[str, Any]]) -> str:
    """Give the kind of a metric whose points are of these types."""
    if any(row["metric_type"] in _HISTOGRAMS for row in found):
        return MEAN
    if any(row["metric_type"] == "sum" and row["is_counter"] for row in found):
        return PER_SECOND
    return GAUGE


def _told(metric: NamedMetric, source: Source, sent: str, units: Sequence[str]) -> Told | None:
    """Give a source in a unit; None where that is none of what the metric measures."""
    if metric.dimension:
        factor = factor_to_base(sent or source.unit, metric.dimension)
        return None if factor is None else Told(source, sent, factor, "", source.tells)
    if metric.unit:
        return Told(source, sent, 1.0, "", source.tells)
    dimension = dimension_of(sent)
    if dimension == COUNT or len({unit for unit in units if dimension_of(unit) == dimension}) == 1:
        factor, unit = 1.0, sent
    else:
        factor, unit = factor_to_base(sent, dimension) or 1.0, BASE_UNITS[dimension]
    return Told(source, sent, factor, unit, "" if unit == _ONE else unit)
