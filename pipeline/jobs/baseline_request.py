"""What a baseline is asked for: window, filters, groups and precision, checked once."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.errors import BadWindow, UsageError

# The rollups' dimensions, in the order of the result; each has the name that its attribute has in
# the semantic conventions, where there is one.
DIMENSIONS: Mapping[str, str] = MappingProxyType(
    {
        "service_name": "service.name",
        "service_version": "service.version",
        "service_instance_id": "service.instance.id",
        "deployment_environment": "deployment.environment.name",
        "operation": "operation",
        "kind": "kind",
        "outcome": "outcome",
    }
)

KIND_NAMES = ("unspecified", "internal", "server", "client", "producer", "consumer")

# Server and consumer spans are what came in from outside: a request each.
KINDS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "requests": (2, 5),
        "all": tuple(range(len(KIND_NAMES))),
        **{name: (number,) for number, name in enumerate(KIND_NAMES)},
    }
)

# Where requests are counted. A request is in both, so the two are never added.
SOURCES = ("spans", "metrics")

DEFAULT_GROUP_BY = ("service_name", "operation", "service_version")


def dimension(name: str) -> str:
    """Give the column of a dimension, by its own name or its attribute's.

    Raises:
        UsageError: there is no such dimension.

    >>> dimension("service.version")
    'service_version'
    """
    for column, attribute in DIMENSIONS.items():
        if name in (column, attribute):
            return column
    raise UsageError(f"{name}: not a dimension; known: {', '.join(DIMENSIONS.values())}")


@dataclass(frozen=True)
class BaselineRequest:
    """A baseline's question.

    Attributes:
        since_unix_nano: start of the window; None takes the first request there is.
        until_unix_nano: its end, which it excludes; None takes the last.
        where: dimension and value pairs that all must hold; each dimension once, by column or
            attribute name.
        kind: which spans count: ``requests`` (server and consumer), ``all``, or one kind's name.
        group_by: dimensions, by column or attribute name; none puts everything in one group.
        exact: read the spans that decide each quantile, instead of estimating from buckets.
        confidence: of the intervals, between 0 and 1.
        source: what is counted: ``spans``, or ``metrics``, the histograms of request durations
            that servers send.

    Raises:
        UsageError: a dimension, kind, confidence or source that is none, a dimension named twice,
            or exact quantiles of metrics.
        BadWindow: an empty window.
    """

    since_unix_nano: int | None = None
    until_unix_nano: int | None = None
    where: tuple[tuple[str, str], ...] = ()
    kind: str = "requests"
    group_by: tuple[str, ...] = DEFAULT_GROUP_BY
    exact: bool = False
    confidence: float = 0.95
    source: str = "spans"

    def __post_init__(self) -> None:
        filtered = [dimension(name) for name, _ in self.where]
        for named, option in ((filtered, "where"), (self.grouped, "group by")):
            twice = [column for column in named if named.count(column) > 1]
            if twice:
                raise UsageError(f"{option} {DIMENSIONS[twice[0]]}: given twice; give it once")
        if not 0 < self.confidence < 1:
            raise UsageError(f"confidence {self.confidence}: not between 0 and 1, such as 0.95")
        since, until = self.since_unix_nano, self.until_unix_nano
        if since is not None and until is not None and since >= until:
            raise BadWindow(f"since {since} until {until}: an empty window; since comes first")
        if self.source not in SOURCES:
            raise UsageError(f"source {self.source}: not known; known: {', '.join(SOURCES)}")
        if self.exact and self.source == "metrics":
            raise UsageError(
                "exact: a histogram has no single values; leave it out, or count spans"
            )
        self.kinds  # noqa: B018 - an unknown kind is an error now, not when it is first used

    @property
    def method(self) -> str:
        """Name how quantiles are found: ``exact``, ``rollup`` or ``metrics``."""
        if self.source == "metrics":
            return "metrics"
        return "exact" if self.exact else "rollup"

    @property
    def grouped(self) -> tuple[str, ...]:
        """Give the columns to group by, in the order they were asked for."""
        return tuple(dimension(name) for name in self.group_by)

    @property
    def filters(self) -> dict[str, str]:
        """Give column and value of every filter but that of the kind."""
        columns = {dimension(name): value for name, value in self.where}
        return {column: value for column, value in columns.items() if column != "kind"}

    @property
    def kinds(self) -> tuple[int, ...]:
        """Give the numbers of the kinds that count; a filter on the kind wins."""
        columns = {dimension(name): value for name, value in self.where}
        name = columns.get("kind", self.kind)
        if name not in KINDS:
            raise UsageError(f"kind {name}: not a kind of span; known: {', '.join(KINDS)}")
        return KINDS[name]

    @property
    def uses_instances(self) -> bool:
        """Tell whether instances must be told apart, which hours do not."""
        return "service_instance_id" in self.grouped or "service_instance_id" in self.filters

    def values(self) -> dict[str, object]:
        """Give what the statements' names of dimensions stand for."""
        values: dict[str, object] = {"kinds": list(self.kinds)}
        for column in DIMENSIONS:
            values[f"by_{column}"] = column in self.grouped
            if column != "kind":
                values[f"has_{column}"] = column in self.filters
                values[column] = self.filters.get(column, "")
        return values
