"""Origin: whose telemetry a file holds and when it was recorded, as far as somebody says.

Nothing heavy is imported here: the command line reads it for ``--help`` too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Origin:
    """What the caller or a sidecar file says of a file that does not say it itself.

    Attributes:
        attributes: of the resource: service.name, service.version, ….
        time_unix_nano: when the recording began; 0 for unknown.
        duration_nano: how long it was; 0 for unknown.
        rate_hertz: samples a second of the profiler; 0 for unknown.
        unit: of the values, where the format has none: samples, ns, us, ms, s, bytes; empty for
            the format's own.
        comm: the first frame of a folded stack is the command's name.
        tool: what wrote the file, where that does not show: runqlat, tcplife, …; empty for unknown.
    """

    attributes: Mapping[str, str] = field(default_factory=dict)
    time_unix_nano: int = 0
    duration_nano: int = 0
    rate_hertz: float = 0.0
    unit: str = ""
    comm: bool = False
    tool: str = ""

    def resource(self, own: Mapping[str, str] | None = None) -> dict[str, str]:
        """Give the resource's attributes: what the file says of itself, and over it what was said.

        >>> Origin({"service.name": "shop"}).resource({"service.name": "x", "host.name": "a"})
        {'service.name': 'shop', 'host.name': 'a'}
        """
        return dict(own or {}) | dict(self.attributes)
