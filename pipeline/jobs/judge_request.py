"""What a judgement is asked for: two sides, a window and the quantiles, checked once."""

from dataclasses import dataclass, field

from pipeline.errors import BadWindow, UsageError
from pipeline.jobs.baseline_request import DIMENSIONS, KINDS, dimension

# A side cannot be chosen by these: kinds are chosen for both, outcomes are what is compared.
_NOT_FOR_SIDES = ("kind", "outcome")

QUANTILES = (0.5, 0.95, 0.99)

Pairs = tuple[tuple[str, str], ...]


def parse_selector(text: str) -> Pairs:
    """Read a selector: ``service.version=1.4.2``, several joined by commas.

    Raises:
        UsageError: it is no such thing, or names a dimension that a side cannot be chosen by.

    >>> parse_selector("service.version=1.4.2,service.name=shop")
    (('service_version', '1.4.2'), ('service_name', 'shop'))
    """
    pairs = []
    for part in text.split(","):
        name, sign, value = part.strip().partition("=")
        if not sign or not name or not value:
            raise UsageError(f"selector {text!r}: write KEY=VALUE, such as service.version=1.4.2")
        column = dimension(name)
        if column in _NOT_FOR_SIDES:
            raise UsageError(f"selector {text!r}: {name} cannot choose a side")
        pairs.append((column, value))
    columns = [column for column, _ in pairs]
    twice = [column for column in columns if columns.count(column) > 1]
    if twice:
        raise UsageError(f"selector {text!r}: {DIMENSIONS[twice[0]]} given twice; give it once")
    return tuple(pairs)


@dataclass(frozen=True)
class JudgeRequest:
    """A judgement's question.

    Attributes:
        baseline, canary: column and value pairs that a side's requests all have.
        since_unix_nano, until_unix_nano: the window; None takes what both sides share.
        kind: which spans count, as for a baseline.
        quantiles: those compared, between 0 and 1.

    Raises:
        UsageError: the sides are the same or share requests, or a kind or quantile is none.
        BadWindow: an empty window.
    """

    baseline: Pairs
    canary: Pairs
    since_unix_nano: int | None = None
    until_unix_nano: int | None = None
    kind: str = "requests"
    quantiles: tuple[float, ...] = field(default=QUANTILES)

    def __post_init__(self) -> None:
        baseline, canary = dict(self.baseline), dict(self.canary)
        if not baseline or not canary:
            raise UsageError("judge: a side without a selector; give --baseline and --canary")
        if baseline == canary:
            raise UsageError("judge: baseline and canary are the same requests; choose two sides")
        if not any(canary.get(column, value) != value for column, value in baseline.items()):
            raise UsageError(
                "judge: the sides share requests; name one dimension in both, with two values"
            )
        if self.kind not in KINDS:
            raise UsageError(f"kind {self.kind}: not a kind of span; known: {', '.join(KINDS)}")
        for p in self.quantiles:
            if not 0 < p < 1:
                raise UsageError(f"quantile {p}: not between 0 and 1, such as 0.95")
        since, until = self.since_unix_nano, self.until_unix_nano
        if since is not None and until is not None and since >= until:
            raise BadWindow(f"since {since} until {until}: an empty window; since comes first")

    @property
    def compares_services(self) -> bool:
        """Tell whether the sides are two services, compared by the names of operations."""
        return dict(self.baseline).get("service_name") != dict(self.canary).get("service_name")

    def values(self) -> dict[str, object]:
        """Give what the statement's names stand for."""
        by_service = not self.compares_services
        return cell_values(self.kind, self.baseline, self.canary) | {"by_service": by_service}


def cell_values(kind: str, baseline: Pairs, canary: Pairs | None = None) -> dict[str, object]:
    """Give what the names of the statement ``judge_cells`` stand for.

    Args:
        kind: which spans count.
        baseline, canary: the sides; None for one side alone.
    """
    values: dict[str, object] = {
        "kinds": list(KINDS[kind]),
        "by_service": True,
        "two_sides": canary is not None,
    }
    for side, pairs in (("baseline", dict(baseline)), ("canary", dict(canary or ()))):
        for column in DIMENSIONS:
            if column not in _NOT_FOR_SIDES:
                values[f"{side}_has_{column}"] = column in pairs
                values[f"{side}_{column}"] = pairs.get(column, "")
    return values
