"""Which profiles are asked for: window, filters and types, checked once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from pipeline.errors import BadWindow, UsageError

# Columns of a sample that a filter may name, each by its attribute's name too; any other key is
# a label of the sample or an attribute of the resource.
KEYS: Mapping[str, str] = MappingProxyType(
    {
        "service_name": "service.name",
        "service_namespace": "service.namespace",
        "service_version": "service.version",
        "service_instance_id": "service.instance.id",
        "deployment_environment": "deployment.environment.name",
        "host_name": "host.name",
        "thread_name": "thread.name",
        "thread_id": "thread.id",
        "pid": "process.pid",
        "comm": "comm",
    }
)

_COLUMN_OF_KEY = {attribute: column for column, attribute in KEYS.items()} | {
    column: column for column in KEYS
}

_LAST_NANO = 2**63 - 1


@dataclass(frozen=True)
class ProfileRequest:
    """A selection of profiles.

    Attributes:
        since_unix_nano: start of the window; None takes the first sample there is.
        until_unix_nano: its end, which it excludes; None takes the last.
        where: key and value pairs that all must hold, each key once: a column of ``KEYS`` by
            either name, a label, or an attribute of the resource.
        profile_type: of the schema's PROFILE_TYPES; empty takes cpu, or the only one there is.
        sample_type: as the profiler calls it; empty takes the profiles' own default.

    Raises:
        UsageError: a key that is given twice or is empty.
        BadWindow: an empty window.
    """

    since_unix_nano: int | None = None
    until_unix_nano: int | None = None
    where: tuple[tuple[str, str], ...] = ()
    profile_type: str = ""
    sample_type: str = ""

    def __post_init__(self) -> None:
        keys = [_COLUMN_OF_KEY.get(key, key) for key, _ in self.where]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise UsageError(f"where {twice[0]}: given twice; give it once")
        if "" in keys:
            raise UsageError("where: a key is empty; write KEY=VALUE, as in service.name=checkout")
        since, until = self.since_unix_nano, self.until_unix_nano
        if since is not None and until is not None and since >= until:
            raise BadWindow(f"since {since} until {until}: an empty window; since comes first")

    @property
    def window(self) -> tuple[int, int]:
        """Give both ends of the window, open ones as far away as they can be."""
        since, until = self.since_unix_nano, self.until_unix_nano
        return (0 if since is None else since, _LAST_NANO if until is None else until)

    def values(self) -> dict[str, object]:
        """Give what the statements' names stand for."""
        given = {_COLUMN_OF_KEY.get(key, key): value for key, value in self.where}
        labels = {key: value for key, value in given.items() if key not in KEYS}
        since, until = self.window
        values: dict[str, object] = {
            "since_unix_nano": since,
            "until_unix_nano": until,
            "has_labels": bool(labels),
            "label_keys": list(labels),
            "label_values": list(labels.values()),
        }
        for column in KEYS:
            values[f"has_{column}"] = column in given
            values[column] = given.get(column, "")
        return values

    def other(self, selector: str) -> "ProfileRequest":
        """Give the same request for other profiles.

        Args:
            selector: ``KEY=VALUE[,KEY=VALUE…]``: filters in place of the request's own of the
                same keys; a comma inside a value is written twice.

        Raises:
            UsageError: the selector is none.

        >>> first = ProfileRequest(where=(("service.name", "a"), ("service_version", "2")))
        >>> first.other("service.version=1").where
        (('service.name', 'a'), ('service.version', '1'))
        """
        parts = [part.replace("\0", ",") for part in selector.replace(",,", "\0").split(",")]
        given = []
        for part in parts:
            key, found, value = part.partition("=")
            if not found or not key:
                raise UsageError(
                    f"selector {selector!r}: write KEY=VALUE[,KEY=VALUE], as in service.version=1.4"
                )
            given.append((key, value))
        replaced = {_COLUMN_OF_KEY.get(key, key) for key, _ in given}
        kept = [pair for pair in self.where if _COLUMN_OF_KEY.get(pair[0], pair[0]) not in replaced]
        return replace(self, where=(*kept, *given))
