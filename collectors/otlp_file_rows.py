"""Requests of a file to rows: recognised, checked as the receiver checks, decoded in batches."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from collectors.collector import MESSAGE_BYTES_MOST, Reading, Reject, Rows
from collectors.expand import ZSTD, Content, TornError, expand_message
from collectors.otlp.batch_ids import batch_id
from collectors.otlp.otlp_json import to_protobuf
from collectors.otlp.recognise import admit, is_json, signal_of_json, signals_of
from collectors.otlp.screening import Redaction
from collectors.otlp.signals import SIGNALS, Signal
from collectors.otlp.split import TooWideError, halves
from collectors.otlp_file_frames import Message, messages
from pipeline.errors import BadRequest, UnknownFormat

# How far to look for a request that tells its signal; those without items tell nothing.
_LOOK_MESSAGES = 1000
_LOOK_BYTES = 64 << 20

# The framings whose requests are JSON.
_TEXTS = ("lines", "document")

_SIGNAL_OF_NAME = {signal.name: signal for signal in SIGNALS}

Tables = Mapping[str, pa.Table]


def read(framing: str, content: Content, reading: Reading) -> Iterator[Rows | Reject]:
    """Read a file of OTLP requests.

    Args:
        framing: how they stand in it (see ``otlp_file_frames.messages``).
        content: the file.
        reading: how to read it.

    Yields:
        Rows and rejects, piece after piece; within a piece in no order.

    Raises:
        UnknownFormat: it cannot be told of which signal the requests are.
        BadFile: the content cannot be expanded or read.
    """
    opened: Iterator[Message] = map(_opened, messages(framing, content))
    signal = _SIGNAL_OF_NAME.get(reading.signal)
    if signal is None and framing not in _TEXTS:
        signal, opened = _recognised(content, opened)
    reader = _Reader(reading, signal, is_text=framing in _TEXTS)
    for message in opened:
        if reader.must_flush(message):
            yield from reader.flush()
        reject = reader.take(message)
        if reject is not None:
            yield reject
    yield from reader.flush()


def _opened(message: Message) -> Message:
    """Expand a message that was compressed by itself, as the Collector did until 2026."""
    if not message.payload.startswith(ZSTD):
        return message
    try:
        return replace(message, payload=expand_message(message.payload, MESSAGE_BYTES_MOST))
    except TornError as error:
        return replace(message, payload=b"", fault=str(error))


def _recognised(
    content: Content, opened: Iterator[Message]
) -> tuple[Signal | None, Iterator[Message]]:
    """Find out of which signal the protobuf requests of a file are.

    Returns:
        The signal, None where the requests are JSON and each tells its own; and all messages.

    Raises:
        UnknownFormat: there is none that tells, or it could be several.
    """
    seen: list[Message] = []
    seen_bytes = 0
    possible: list[Signal] = []
    for message in itertools.islice(opened, _LOOK_MESSAGES):
        seen.append(message)
        seen_bytes += len(message.payload)
        if is_json(message.payload):
            return None, itertools.chain(seen, opened)
        found = signals_of(message.payload) if message.payload else []
        possible = [signal for signal in possible if signal in found] or found or possible
        if len(possible) == 1:
            return possible[0], itertools.chain(seen, opened)
        if seen_bytes > _LOOK_BYTES:
            break
    if possible:
        names = " or ".join(signal.name for signal in possible)
        raise UnknownFormat(f"{content.path}: could be {names}; say which with --signal")
    raise UnknownFormat(
        f"{content.path}: none of its first {len(seen)} messages is an OTLP request with items; "
        f"if they are requests, say of what with --signal"
    )


@dataclass
class _Batch:
    """Requests of one signal and one piece that wait to be decoded.

    Attributes:
        signal: the signal.
        payloads, places: those with items, and where each stood.
        messages: how many there were, those without items too.
        known: how many more are in the lake already.
    """

    signal: Signal
    payloads: list[bytes] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    messages: int = 0
    known: int = 0


class _Reader:
    """Takes requests one after another and gives rows, a bounded number of bytes at once."""

    def __init__(self, reading: Reading, signal: Signal | None, is_text: bool) -> None:
        """Begin.

        Args:
            reading: how to read.
            signal: what all requests are; None where each is JSON and tells it.
            is_text: all are JSON.
        """
        self._is_text = is_text
        self._reading = reading
        self._signal = signal
        self._batches: dict[str, _Batch] = {}
        self._piece = 1
        self._held_bytes = 0
        self._redaction = Redaction(reading.redact)

    def must_flush(self, message: Message) -> bool:
        """Tell whether what is held must go before this message comes."""
        full = self._held_bytes >= self._reading.decode_bytes
        return full or self._reading.piece(message.offset) != self._piece

    def take(self, message: Message) -> Reject | None:
        """Take a request, or say why not or why not all of it."""
        self._piece = self._reading.piece(message.offset)
        try:
            if message.fault:
                raise BadRequest(message.fault)
            signal = self._signal
            if is_json(message.payload):
                signal = signal_of_json(message.payload, self._reading.signal)
                if signal is None:
                    return None
            elif signal is None or self._is_text:
                raise BadRequest("not JSON")
            return self._admit(signal, message)
        except BadRequest as error:
            return None if self._is_known() else Reject(self._piece, message.place, str(error))

    def _admit(self, signal: Signal, message: Message) -> Reject | None:
        """Check a request and hold it."""
        batch = self._batches.setdefault(signal.name, _Batch(signal))
        if self._landed(signal) >= self._piece:
            batch.known += 1
            return None
        payload = message.payload
        if is_json(payload):
            payload = to_protobuf(signal.request, payload)
        payload = self._redaction.redacted(signal, payload)
        found = admit(signal, payload)
        batch.messages += found.rejected < found.total or not found.total
        if found.total > found.rejected:
            batch.payloads.append(payload)
            batch.places.append(message.place)
            self._held_bytes += len(payload)
        if not found.rejected:
            return None
        why = "; ".join(f"{reason} ({count})" for reason, count in found.reasons.items())
        text = f"{found.rejected} of {found.total} items: {why}"
        whole = found.rejected == found.total
        return Reject(self._piece, message.place, text, whole)

    def flush(self) -> Iterator[Rows | Reject]:
        """Decode what is held and give it."""
        for batch in self._batches.values():
            name = batch.signal.name
            if batch.known:
                yield Rows(self._piece, batch.known, {}, name, known=True)
            left = batch.messages
            for given in self._decoded(batch):
                if isinstance(given, Reject):
                    left -= 1
                    yield given
                    continue
                tables, warnings = given
                yield Rows(self._piece, 0, tables, name, warnings)
            yield Rows(self._piece, left, {}, name)
        self._batches = {}
        self._held_bytes = 0

    def _decoded(self, batch: _Batch) -> "Iterator[tuple[Tables, Counter[str]] | Reject]":
        """Decode requests at once; where that fails find the one at fault and keep the rest."""
        if not batch.payloads:
            return
        try:
            yield self._decode(batch.signal, batch.payloads)
        except Exception:  # whatever one request does to us, it must not cost the rest
            for payload, place in zip(batch.payloads, batch.places, strict=True):
                yield from self._decode_alone(batch.signal, payload, place)

    def _decode_alone(
        self, signal: Signal, payload: bytes, place: str
    ) -> "Iterator[tuple[Tables, Counter[str]] | Reject]":
        """Decode one request, in halves where it is too wide."""
        pieces = [payload]
        while pieces:
            piece = pieces.pop()
            try:
                yield self._decode(signal, [piece], batch_of=payload)
            except Exception as error:  # as above
                smaller = halves(signal.request, piece) if isinstance(error, TooWideError) else []
                if not smaller:
                    yield Reject(self._piece, place, f"{type(error).__name__}: {error}")
                    return
                pieces += reversed(smaller)

    def _decode(
        self, signal: Signal, payloads: list[bytes], batch_of: bytes | None = None
    ) -> tuple[Tables, Counter[str]]:
        """Decode requests; ``batch_of`` is the request that they are parts of."""
        wholes = payloads if batch_of is None else [batch_of] * len(payloads)
        ids = [batch_id(signal.name, whole) for whole in wholes]
        times = [self._reading.received_unix_nano] * len(payloads)
        found, warnings = signal.decode(payloads, ids, times, self._reading.max_attributes)
        # A table that gets no rows is told too, or it would never be known to be this far.
        tables = {
            table.name: found.get(table.name, table.arrow_schema.empty_table())
            for table in signal.tables
        }
        return tables, warnings

    def _landed(self, signal: Signal) -> int:
        """Give the last piece that is in all of a signal's tables."""
        return min(self._reading.landed(table.name) for table in signal.tables)

    def _is_known(self) -> bool:
        """Tell whether an earlier run got past this piece, and so told what is bad in it."""
        signals = SIGNALS if self._signal is None else (self._signal,)
        return any(self._landed(signal) >= self._piece for signal in signals)
