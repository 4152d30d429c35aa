"""What tests of decoding share: rows held against an oracle, and requests damaged at random."""

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
from google.protobuf.message import DecodeError, Message
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from collectors.otlp.signals import Signal
from tests.otlp.oracle_promotion import Row
from tests.otlp.trace_strategies import NOW

# More attributes than any test has.
ANY = 100_000

# A text longer than any test has: nothing is cut.
LONG = 1 << 30

small = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))

Oracle = Callable[[Sequence[bytes], Sequence[bytes], Sequence[int], int], list[Row]]


def every_message(message: Message) -> list[Message]:
    """Give a message and all that are in it."""
    found = [message]
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None:
            for inner in value if descriptor.is_repeated else [value]:
                found += every_message(inner)
    return found


def plainly(value: Any) -> Any:
    """Give a value so that equal doubles are equal: NaN is itself, and 0.0 is not -0.0."""
    match value:
        case float():
            return f"double {value!r}"
        case dict():
            return {key: plainly(inner) for key, inner in value.items()}
        case list():
            return [plainly(inner) for inner in value]
    return value


def decoded(signal: Signal, payloads: Sequence[bytes], most: int = ANY) -> pa.Table:
    """Decode requests as landing does, each received one ns after the one before."""
    batch_ids = [number.to_bytes(16, "big") for number in range(len(payloads))]
    received = [NOW + number for number in range(len(payloads))]
    rows, _ = signal.decode(payloads, batch_ids, received, most, LONG)
    return rows[signal.tables[0].name]


def assert_equal_the_oracle(
    signal: Signal, oracle: Oracle, payloads: Sequence[bytes], most: int = ANY
) -> pa.Table:
    """Compare every column that the oracle has, row by row, and give the rows."""
    batch_ids = [number.to_bytes(16, "big") for number in range(len(payloads))]
    received = [NOW + number for number in range(len(payloads))]
    table = decoded(signal, payloads, most)
    table.validate(full=True)
    assert table.schema == signal.tables[0].arrow_schema
    expected = oracle(payloads, batch_ids, received, most)
    assert table.num_rows == len(expected)
    for name in expected[0] if expected else ():
        got = plainly(table[name].to_pylist())
        for number, one in enumerate(got):
            assert one == plainly(expected[number][name]), f"{name} of row {number}"
    return table


def damaged(payload: bytes, data: st.DataObject) -> bytes:
    """Flip, cut, insert or delete a few bytes."""
    sent = bytearray(payload)
    for _ in range(data.draw(st.integers(0, 3)) if sent else 0):
        place = data.draw(st.integers(0, max(len(sent) - 1, 0)))
        match data.draw(st.sampled_from(("flip", "cut", "insert", "delete"))):
            case "flip" if sent:
                sent[place] ^= 1 << data.draw(st.integers(0, 7))
            case "cut":
                del sent[place:]
            case "insert":
                sent[place:place] = data.draw(st.binary(max_size=4))
            case "delete":
                del sent[place : place + data.draw(st.integers(1, 4))]
    return bytes(sent)


def is_read_by_protobuf(signal: Signal, payload: bytes) -> bool:
    """Tell whether upb takes it, as it must before anything else looks at it."""
    try:
        signal.request.FromString(payload)
    except DecodeError:
        return False
    return True
