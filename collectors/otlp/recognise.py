"""Which signal a request is of, by its content, and whether it can be taken."""

import json
import re
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from collectors.otlp.rejection import Rejection
from collectors.otlp.signals import SIGNALS, Signal
from pipeline.errors import BadRequest

# A sender of a later revision has fields that we do not know, but those are few. The same bytes
# read as another signal keep next to nothing: what is an id there is a time here.
_UNKNOWN_SHARE_MOST = 0.25

# "resourceSpans" and its like: the request's field 1, as JSON calls it.
_SIGNAL_OF_KEY = {
    signal.request.DESCRIPTOR.fields_by_number[1].json_name: signal for signal in SIGNALS
}
_FIRST_KEY = re.compile(rb'\s*\{\s*"(' + "|".join(_SIGNAL_OF_KEY).encode() + rb')"\s*:')


@dataclass(frozen=True)
class Likeness:
    """How well bytes read as a signal.

    Attributes:
        signal: the signal.
        items: spans, points, records or samples found.
        unknown_bytes: bytes in fields that the signal does not have.
    """

    signal: Signal
    items: int
    unknown_bytes: int


def signals_of(payload: bytes) -> list[Signal]:
    """Give the signals that a protobuf request can be of.

    Args:
        payload: its bytes.

    Returns:
        One where it is plain; none where it is no request, or one without items, which looks the
        same in every signal; several where it could be either.
    """
    found = [likeness for signal in SIGNALS if (likeness := _likeness(signal, payload))]
    exact = [likeness for likeness in found if not likeness.unknown_bytes]
    return [likeness.signal for likeness in exact or found]


def is_json(payload: bytes) -> bool:
    """Tell JSON from protobuf, which never begins so.

    >>> is_json(b' {"resourceSpans": []}'), is_json(bytes([10, 0]))
    (True, False)
    """
    # A field's tag is never one of JSON's blanks followed by a brace: 0x7b ends a group.
    return payload[:64].lstrip().startswith(b"{")


def signal_of_json(text: bytes, expected: str = "") -> Signal | None:
    """Give the signal of a JSON request.

    Args:
        text: the request.
        expected: the name of the signal that it has to be; empty for any.

    Returns:
        The signal; None for an object without any key, which is a request without items.

    Raises:
        BadRequest: it is not JSON, of no signal, of several, or not of the one expected.
    """
    begins = _FIRST_KEY.match(text)
    if begins:
        keys = {begins[1].decode()}
    else:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadRequest(f"not JSON ({error})") from error
        if not document:
            return None
        keys = _SIGNAL_OF_KEY.keys() & document.keys()
    if len(keys) != 1:
        among = "several" if keys else "none"
        raise BadRequest(f"not an OTLP request: {among} of {', '.join(_SIGNAL_OF_KEY)} at its top")
    signal = _SIGNAL_OF_KEY[keys.pop()]
    if expected and signal.name != expected:
        raise BadRequest(f"{signal.name}, not {expected} as --signal says")
    return signal


def admit(signal: Signal, payload: bytes) -> Rejection:
    """Check a request as the receiver does.

    Raises:
        BadRequest: the bytes are no such request.
    """
    try:
        signal.request.FromString(payload)
    except DecodeError as error:
        raise BadRequest(f"not an OTLP {signal.name} request ({error})") from error
    return signal.check(payload)


def _likeness(signal: Signal, payload: bytes) -> Likeness | None:
    """Read bytes as a signal; None where that cannot be what they are."""
    try:
        message = signal.request.FromString(payload)
        found = signal.check(payload)
    except (DecodeError, BadRequest):
        return None
    known_bytes = message.ByteSize()
    message.DiscardUnknownFields()
    unknown_bytes = known_bytes - message.ByteSize()
    if found.rejected == found.total or unknown_bytes > _UNKNOWN_SHARE_MOST * len(payload):
        return None
    return Likeness(signal, found.total, unknown_bytes)
