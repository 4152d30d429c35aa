"""What a judgement is asked for: two sides, a window and the quantiles, checked once."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.errors import BadWindow, UsageError
from pipeline.jobs.baseline_request import DIMENSIONS, KINDS

# A side cannot be chosen by these: kinds are chosen for both, outcomes are what is compared.
_NOT_FOR_SIDES = ("kind", "outcome")

# Operations are strata by themselves, and instances are what chance is measured by.
_NOT_FOR_MIX = ("service_name", "service_instance_id", "operation", "outcome")

QUANTILES = (0.5, 0.95, 0.99)

# A baseline that was saved under a name stands for the baseline's requests.
SAVED = "saved"

Pairs = tuple[tuple[str, str], ...]


def parse_selector(text: str) -> Pairs:
    """Read a selector: ``service.version=1.4.2``, several joined by commas.

    A key is a dimension of the rollup or any resource attribute, which has a dot in its name.

    Raises:
        UsageError: it is no such thing, or names a dimension that a side cannot be chosen by.

    >>> parse_selector("service.version=1.4.2,k8s.pod.name=shop-1")
    (('service_version', '1.4.2'), ('k8s.pod.name', 'shop-1'))
    """
    pairs = []
    for part in text.split(","):
        name, sign, value = part.strip().partition("=")
        if not sign or not name or not value:
            raise UsageError(f"selector {text!r}: write KEY=VALUE, such as service.version=1.4.2")
        column = _column(name)
        if column in _NOT_FOR_SIDES:
            raise UsageError(f"selector {text!r}: {name} cannot choose a side")
        pairs.append((column, value))
    columns = [column for column, _ in pairs]
    twice = [column for column in columns if columns.count(column) > 1]
    if twice:
        name = DIMENSIONS.get(twice[0], twice[0])
        raise UsageError(f"selector {text!r}: {name} given twice; give it once")
    return tuple(pairs)


def parse_baseline(text: str) -> Pairs:
    """Read a baseline's selector, which may also be ``saved:NAME``.

    Raises:
        UsageError: as for ``parse_selector``, or no name.

    >>> parse_baseline("saved:main")
    (('saved', 'main'),)
    """
    kind, colon, name = text.partition(":")
    if kind != SAVED or not colon:
        return parse_selector(text)
    if not name:
        raise UsageError("baseline 'saved:': a name is missing; write saved:NAME")
    return ((SAVED, name),)


def parse_mix_by(names: Iterable[str]) -> tuple[str, ...]:
    """Read what requests are told apart by beside their operation: dimensions or attributes.

    Raises:
        UsageError: a dimension that cannot be one.

    >>> parse_mix_by(["deployment.environment.name", "tenant.id"])
    ('deployment_environment', 'tenant.id')
    """
    columns = tuple(_column(name, attributes=True) for name in names)
    for column in columns:
        if column in _NOT_FOR_MIX:
            raise UsageError(
                f"mix by {column}: requests cannot be told apart by this; leave it out"
            )
        if columns.count(column) > 1:
            raise UsageError(f"mix by {column}: given twice; give it once")
    return columns


def _column(name: str, attributes: bool = False) -> str:
    """Give the column of a dimension, or the name of an attribute as it is."""
    for column, attribute in DIMENSIONS.items():
        if name in (column, attribute):
            return column
    if not attributes and "." not in name:
        known = ", ".join(DIMENSIONS.values())
        raise UsageError(
            f"{name}: not a dimension; known: {known}, or a resource attribute with a dot in it"
        )
    return name


@dataclass(frozen=True)
class JudgeRequest:
    """A judgement's question; plain values, so that it can be kept and asked again.

    Attributes:
        baseline, canary: key and value pairs that a side's requests all have; the baseline may
            be ``(("saved", NAME),)``.
        since_unix_nano, until_unix_nano: the window; None takes what both sides share.
        kind: which spans count, as for a baseline.
        quantiles: those compared, between 0 and 1.
        mix_by: what requests are told apart by beside their operation.
        baseline_shift_minutes: how much earlier the baseline is; 0 for the same minutes.
        baseline_windows: how many earlier windows, each ``baseline_shift_minutes`` before the
            next; those of another class of weekday are left out.
        services: whether services as a whole are compared as well.
        now_unix_nano: when it was asked: minutes that were not over are left out. None for never.

    Raises:
        UsageError: the sides are the same or share requests, or a kind, quantile, mix or shift is
            none.
        BadWindow: an empty window.
    """

    baseline: Pairs
    canary: Pairs
    since_unix_nano: int | None = None
    until_unix_nano: int | None = None
    kind: str = "requests"
    quantiles: tuple[float, ...] = field(default=QUANTILES)
    mix_by: tuple[str, ...] = ()
    baseline_shift_minutes: int = 0
    baseline_windows: int = 1
    services: bool = True
    now_unix_nano: int | None = None

    def __post_init__(self) -> None:
        if not self.baseline or not self.canary:
            raise UsageError("judge: a side without a selector; give --baseline and --canary")
        if not self.historic and not self.saved:
            _check_apart(dict(self.baseline), dict(self.canary))
        if self.saved and self.historic:
            raise UsageError("judge: a saved baseline has no earlier windows; leave the shift out")
        if self.baseline_shift_minutes < 0 or self.baseline_windows < 1:
            raise UsageError("judge: the baseline is earlier: a shift of 1m or more, 1 window")
        if self.kind not in KINDS:
            raise UsageError(f"kind {self.kind}: not a kind of span; known: {', '.join(KINDS)}")
        for p in self.quantiles:
            if not 0 < p < 1:
                raise UsageError(f"quantile {p}: not between 0 and 1, such as 0.95")
        since, until = self.since_unix_nano, self.until_unix_nano
        if since is not None and until is not None and since >= until:
            raise BadWindow(f"since {since} until {until}: an empty window; since comes first")

    @property
    def saved(self) -> str:
        """Give the name of the saved baseline; empty for a selector."""
        return dict(self.baseline).get(SAVED, "")

    @property
    def historic(self) -> bool:
        """Tell whether the baseline's minutes are earlier ones."""
        return self.baseline_shift_minutes > 0

    @property
    def compares_services(self) -> bool:
        """Tell whether the sides are two services, compared by the names of operations."""
        if self.saved:
            return False
        return dict(self.baseline).get("service_name") != dict(self.canary).get("service_name")

    def values(self) -> dict[str, object]:
        """Give what the statement's names stand for."""
        by_service = not self.compares_services
        sides = (self.baseline, self.canary)
        return cell_values(self.kind, *sides, self.mix_by) | {"by_service": by_service}

    def side_values(self, side: int) -> dict[str, object]:
        """Give them for one side alone, which then stands as the baseline: 0 or 1."""
        pairs = (self.baseline, self.canary)[side]
        by_service = not self.compares_services
        return cell_values(self.kind, pairs, None, self.mix_by) | {"by_service": by_service}


def _check_apart(baseline: dict[str, str], canary: dict[str, str]) -> None:
    """Refuse sides that are the same requests or share some."""
    if baseline == canary:
        raise UsageError("judge: baseline and canary are the same requests; choose two sides")
    if not any(canary.get(column, value) != value for column, value in baseline.items()):
        raise UsageError(
            "judge: the sides share requests; name one dimension in both, with two values"
        )


def cell_values(
    kind: str, baseline: Pairs, canary: Pairs | None = None, mix_by: tuple[str, ...] = ()
) -> dict[str, object]:
    """Give what the names of the statement ``judge_cells`` stand for.

    What only spans can tell stands under ``baseline_resource``, ``canary_resource`` and
    ``mix_by_attributes``; they are there only when one of them is asked for.

    Args:
        kind: which spans count.
        baseline, canary: the sides; None for one side alone.
        mix_by: what strata are told apart by.
    """
    values: dict[str, object] = {
        "kinds": list(KINDS[kind]),
        "by_service": True,
        "two_sides": canary is not None,
    }
    attributes: dict[str, list[str]] = {}
    for side, pairs in (("baseline", dict(baseline)), ("canary", dict(canary or ()))):
        for column in DIMENSIONS:
            if column not in _NOT_FOR_SIDES:
                values[f"{side}_has_{column}"] = column in pairs
                values[f"{side}_{column}"] = pairs.get(column, "")
        # 31, the unit separator, stands in no key: the statement joins by it as well.
        attributes[f"{side}_resource"] = [
            f"{key}{chr(31)}{value}" for key, value in pairs.items() if key not in DIMENSIONS
        ]
    for column in DIMENSIONS:
        if column not in _NOT_FOR_MIX:
            values[f"mix_by_{column}"] = column in mix_by
    attributes["mix_by_attributes"] = [key for key in mix_by if key not in DIMENSIONS]
    return values | (attributes if any(attributes.values()) else {})
