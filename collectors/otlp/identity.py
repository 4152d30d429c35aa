"""Who sends: bearer tokens from a file, each with a name, its services and its rate.

    [[token]]
    name = "checkout-team"
    sha256 = "…"                     # of the token; `tailgate token NAME` makes both
    services = ["checkout", "cart-*"]  # what it may send for; left out: everything
    requests_per_second = 50           # left out: no limit

The file is read again when it changes. A file that cannot be read leaves what was read before.
"""

import fnmatch
import hashlib
import hmac
import logging
import re
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import BadSetting, Overloaded, Unauthenticated

log = logging.getLogger("tailgate.receiver")

_SHA256 = re.compile(r"[0-9a-f]{64}")

_KEYS = {"name", "sha256", "services", "requests_per_second"}

_LOOK_EVERY_SECONDS = 1.0

# A burst of as many seconds' requests is let through at once.
_BURST_SECONDS = 2.0


@dataclass
class Identity:
    """One sender.

    Attributes:
        name: for logs and counters; never the token itself.
        services: patterns of the ``service.name`` it may send for; empty allows all.
        requests_per_second: its limit; 0 for none.
    """

    name: str
    services: tuple[str, ...] = ()
    requests_per_second: float = 0.0
    _left: float = field(default=-1.0, repr=False)
    _filled_at: float = field(default=0.0, repr=False)

    def may_send_for(self, service: str) -> bool:
        """Tell whether it may send for a service.

        >>> Identity("team", ("cart-*",)).may_send_for("cart-eu")
        True
        >>> Identity("team", ("cart-*",)).may_send_for("orders")
        False
        """
        return not self.services or any(fnmatch.fnmatchcase(service, p) for p in self.services)

    def spend(self, now: float) -> None:
        """Count a request against the limit.

        Args:
            now: seconds on a clock that only rises.

        Raises:
            Overloaded: the limit is reached; says when there is room again.
        """
        if not self.requests_per_second:
            return
        most = max(self.requests_per_second * _BURST_SECONDS, 1.0)
        if self._left < 0:
            self._left = most
        else:
            self._left += (now - self._filled_at) * self.requests_per_second
            self._left = min(self._left, most)
        self._filled_at = now
        if self._left < 1:
            wait = (1 - self._left) / self.requests_per_second
            raise Overloaded(
                f"token {self.name}: more than {self.requests_per_second:g} requests a second",
                max(wait, 1.0),
            )
        self._left -= 1


ANYONE = Identity("anyone")


class Tokens:
    """The tokens of a file."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file.

        Raises:
            BadSetting: it cannot be read, or an entry is wrong.
        """
        self._file = file
        self._clock = clock
        self._looked_at = clock()
        self._stamp = self._stamp_of_file()
        self._identities = read_tokens(file)

    def identify(self, authorization: str | None) -> Identity:
        """Tell who sends.

        Args:
            authorization: the request's ``authorization`` header.

        Raises:
            Unauthenticated: no bearer token, or one that nobody has.
        """
        self._reload()
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("no bearer token; send 'authorization: Bearer …'")
        digest = hashlib.sha256(token.strip().encode()).hexdigest()
        found = None
        # Every entry is compared, each in constant time: how long it takes tells nothing.
        for known, identity in self._identities.items():
            if hmac.compare_digest(known, digest):
                found = identity
        if found is None:
            raise Unauthenticated("the bearer token is not known here")
        return found

    def _reload(self) -> None:
        """Read the file again if it changed."""
        now = self._clock()
        if now - self._looked_at < _LOOK_EVERY_SECONDS:
            return
        self._looked_at = now
        stamp = self._stamp_of_file()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._identities = read_tokens(self._file)
            log.info("%s: read again, %d tokens", self._file, len(self._identities))
        except BadSetting as error:
            log.error("%s; what was read before stays", error)

    def _stamp_of_file(self) -> tuple[int, int, int]:
        try:
            about = self._file.stat()
        except OSError:
            return (0, 0, 0)
        return (about.st_mtime_ns, about.st_size, about.st_ino)


def read_tokens(file: Path) -> dict[str, Identity]:
    """Read a file of tokens.

    Returns:
        Identities by the token's SHA-256 in hex.

    Raises:
        BadSetting: the file cannot be read, or an entry is wrong; never tells a hash.
    """
    try:
        with file.open("rb") as source:
            document = tomllib.load(source)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadSetting(f"{file}: {error}") from error
    entries = document.get("token")
    if not isinstance(entries, list) or not entries or set(document) != {"token"}:
        raise BadSetting(f"{file}: no tokens; write [[token]] with name and sha256")
    found: dict[str, Identity] = {}
    for number, entry in enumerate(entries, 1):
        digest, identity = _entry(f"{file}: token {number}", entry)
        if digest in found or any(identity.name == one.name for one in found.values()):
            raise BadSetting(f"{file}: token {number}: name or token given twice")
        found[digest] = identity
    return found


def _entry(where: str, entry: dict[str, Any]) -> tuple[str, Identity]:
    """Read one entry."""
    unknown = set(entry) - _KEYS
    if unknown:
        known = ", ".join(sorted(_KEYS))
        raise BadSetting(f"{where}: {min(unknown)}: no such key; known: {known}")
    name, digest = entry.get("name"), entry.get("sha256")
    if not isinstance(name, str) or not name:
        raise BadSetting(f"{where}: name is missing")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise BadSetting(f"{where} ({name}): sha256 is not 64 hex digits in small letters")
    services, rate = entry.get("services", []), entry.get("requests_per_second", 0)
    if not isinstance(services, list) or not all(isinstance(one, str) for one in services):
        raise BadSetting(f"{where} ({name}): services is not a list of names")
    if isinstance(rate, bool) or not isinstance(rate, int | float) or rate < 0:
        raise BadSetting(f"{where} ({name}): requests_per_second is not a number from 0 up")
    return digest, Identity(name, tuple(services), float(rate))
