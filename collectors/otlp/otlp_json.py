"""OTLP/JSON: requests to the protobuf bytes that the journal keeps, and answers to JSON."""

import codecs
import contextlib
import gc
import json
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from collectors.otlp.json_messages import MOST_MESSAGES_DEEP, message_writer
from collectors.otlp.json_scalars import Wrong
from pipeline.errors import BadRequest

# Of a longer path its two ends are told.
_MOST_PATH_STEPS = 16

_TOO_DEEP = f"nested too deep; at most {MOST_MESSAGES_DEEP} messages may stand inside each other"


def to_protobuf(request: Any, body: bytes) -> bytes:
    """Read a request in JSON and give the same in protobuf's wire format.

    Args:
        request: the request's message type.
        body: JSON as UTF-8.

    Returns:
        Bytes that are the same for every way to write the same request: fields in the order of
        their numbers, as protobuf's own writer has them.

    Raises:
        BadRequest: it is not JSON, or a value is not what its field holds; the message names
            the path.

    >>> from opentelemetry.proto.trace.v1.trace_pb2 import Span
    >>> to_protobuf(Span, b'{"name": "GET /", "kind": 2, "new": [1]}').hex()
    '2a05474554202f3002'
    >>> to_protobuf(Span, b'{"links": [{"flags": 1}, {"flags": "x"}]}')
    Traceback (most recent call last):
    pipeline.errors.BadRequest: links[1].flags: a whole number is wanted, not "x"
    """
    with _collector_at_rest():
        loaded = _load(body)
        try:
            wire = message_writer(request.DESCRIPTOR)(loaded, 0)
            encoded: bytes = request.FromString(wire).SerializeToString()
        except Wrong as wrong:
            where = _path(wrong.path)
            raise BadRequest(f"{where}: {wrong}" if where else f"the request: {wrong}") from None
        except (RecursionError, DecodeError):
            raise BadRequest(f"the request is {_TOO_DEEP}") from None
        return encoded


def from_message(message: Message) -> bytes:
    """Give a response or a status in JSON: lowerCamelCase, enumerations as integers."""
    return json_format.MessageToJson(message, indent=None, use_integers_for_enums=True).encode()


def _load(body: bytes) -> Any:
    """Read JSON.

    Raises:
        BadRequest: it is not JSON, or not UTF-8.
    """
    try:
        # A byte order mark may stand there and means nothing (RFC 8259).
        return _DECODER.decode(body.removeprefix(codecs.BOM_UTF8).decode())
    except RecursionError:
        raise BadRequest(f"the request is {_TOO_DEEP}") from None
    except UnicodeDecodeError as error:
        raise BadRequest(f"the request is not UTF-8: byte {error.start} is not text") from None
    except ValueError as error:
        raise BadRequest(f"the request is not JSON: {error}") from None


def _refuse_constant(name: str) -> NoReturn:
    """Refuse what JavaScript knows and JSON does not."""
    raise ValueError(f'{name} is no JSON number; write "{name}"')


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


@contextlib.contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Keep the cycle collector from walking a large document over and over as it grows.

    JSON has no cycles, and reading it takes half the time without.
    """
    resting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if resting:
            gc.enable()


def _path(steps: Sequence[str | int]) -> str:
    """Write a path, outermost first; of a long one the ends.

    >>> _path(["name", 3, "spans"])
    'spans[3].name'
    """
    written = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in reversed(steps)]
    if len(written) > _MOST_PATH_STEPS:
        half = _MOST_PATH_STEPS // 2
        written = [*written[:half], "…", *written[-half:]]
    return "".join(written).removeprefix(".")
