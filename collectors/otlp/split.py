"""Requests in halves: for those whose rows together would be too wide to decode at once."""

from collections.abc import Sequence
from typing import Any


class TooWideError(Exception):
    """A resource or a scope, repeated for each of its rows, takes too much memory."""


def halves(request: Any, payload: bytes) -> list[bytes]:
    """Split a request in two, each with half of its items and all that is above them.

    Args:
        request: the request's message type, of any signal.
        payload: its bytes.

    Returns:
        Two requests, in order; none where there is only one item.
    """
    message = request.FromString(payload)
    return [half.SerializeToString() for half in _halves(message, level=0)]


def _halves(message: Any, level: int) -> list[Any]:
    """Split a request (level 0), a resource (1) or a scope (2)."""
    # In every signal the resources are the request's field 1, and what is in them field 2.
    name = message.DESCRIPTOR.fields_by_number[2 if level else 1].name
    inner = getattr(message, name)
    parts: Sequence[Sequence[Any]]
    if len(inner) > 1:
        middle = len(inner) // 2
        parts = (inner[:middle], inner[middle:])
    elif len(inner) == 1 and level < 2:
        parts = [[half] for half in _halves(inner[0], level + 1)]
    else:
        parts = ()
    shell = type(message)()
    shell.CopyFrom(message)
    shell.ClearField(name)
    result = []
    for part in parts:
        half = type(message)()
        half.CopyFrom(shell)
        getattr(half, name).extend(part)
        result.append(half)
    return result
