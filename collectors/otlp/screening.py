"""Screening: services a sender may not write for, and attributes nobody may keep.

Both change the request before anything touches the disk. A request that neither concerns, which is
nearly every one, keeps its bytes.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf.message import DecodeError, Message

from collectors.otlp.identity import Identity
from collectors.otlp.signals import Signal
from pipeline.schema.common import UNKNOWN_SERVICE

REDACTED = "[redacted]"


def remove_foreign(message: Any, signal: Signal, sender: Identity) -> dict[str, int]:
    """Take the resources out of a request that its sender may not write for.

    Args:
        message: the request; loses those resources.
        signal: what it is.
        sender: whose it is.

    Returns:
        How many items were taken out, by reason; empty when all may stay.
    """
    resources = getattr(message, f"resource_{signal.fields}")
    foreign = [
        resource for resource in resources if not sender.may_send_for(service_of(resource.resource))
    ]
    if not foreign:
        return {}
    taken = signal.request()
    # Profiles point into the request's dictionary; what is counted needs it as well.
    if hasattr(taken, "dictionary"):
        taken.dictionary.CopyFrom(message.dictionary)
    getattr(taken, f"resource_{signal.fields}").extend(foreign)
    own = [one for one in resources if sender.may_send_for(service_of(one.resource))]
    kept = signal.request()
    getattr(kept, f"resource_{signal.fields}").extend(own)
    message.ClearField(f"resource_{signal.fields}")
    message.MergeFrom(kept)
    count = signal.check(taken.SerializeToString()).total
    return {f"token {sender.name} may not send for this service": count} if count else {}


def service_of(resource: Any) -> str:
    """Give the service that landing will file a resource under."""
    name = ""
    for attribute in resource.attributes:
        if attribute.key == "service.name":
            name = attribute.value.string_value
    return name or UNKNOWN_SERVICE


class Redaction:
    """Replaces the values of attributes with certain keys, wherever they stand."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Begin.

        Args:
            keys: attribute keys, exactly as senders write them.
        """
        self._keys = frozenset(keys)
        self._needles = tuple(key.encode() for key in keys)

    def concerns(self, payload: bytes) -> bool:
        """Tell whether a request may have such a key: whether the key's bytes are in it."""
        return any(needle in payload for needle in self._needles)

    def redacted(self, signal: Signal, payload: bytes) -> bytes:
        """Give a request's bytes without such values; its own where it has none.

        What is no such request is given back as it is: whoever reads it next says so.
        """
        if not self.concerns(payload):
            return payload
        try:
            message = signal.request.FromString(payload)
        except DecodeError:
            return payload
        if not self.apply(message):
            return payload
        encoded: bytes = message.SerializeToString()
        return encoded

    def apply(self, message: Message) -> int:
        """Replace the values in a request.

        Returns:
            How many were replaced.
        """
        replaced = 0
        for pair in _pairs(message):
            if pair.key in self._keys:
                pair.value.Clear()
                pair.value.string_value = REDACTED
                replaced += 1
        return replaced


def _pairs(message: Any) -> Iterator[Any]:
    """Give every key-value pair in a message, at any depth."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        repeated = field.is_repeated
        for inner in value if repeated else (value,):
            if field.message_type.full_name == "opentelemetry.proto.common.v1.KeyValue":
                yield inner
            yield from _pairs(inner)
