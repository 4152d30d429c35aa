"""HTTP/2 spoken by hand: a gRPC sender that is slow, silent or gone, as no library lets one be."""

import socket
import struct
import time

from tests.conformance.running import Running
from tests.otlp.receivers import PATIENCE_SECONDS

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
ACKNOWLEDGED, END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Write a frame.

    >>> frame(SETTINGS, ACKNOWLEDGED, 0).hex()
    '000000040100000000'
    """
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def begun_call(path: str) -> bytes:
    """Write the beginning of a call: headers, and the first of 1,000 bytes of its message."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "test",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    # HPACK, literal and not indexed (RFC 7541, 6.2.2); a length below 127 is one byte.
    block = b"".join(
        b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(text)]) + text.encode()
        for name, text in fields.items()
    )
    message = struct.pack(">BI", 0, 1000) + b"x"
    return frame(HEADERS, END_HEADERS, 1, block) + frame(DATA, 0, 1, message)


CONNECTED = PREFACE + frame(SETTINGS, 0, 0) + frame(SETTINGS, ACKNOWLEDGED, 0)


def seconds_until_closed(running: Running, sent: bytes) -> float:
    """Say something, then only answer pings, until the connection is closed; give how long."""
    began = time.monotonic()
    with running.raw(running.grpc_port) as taken:
        taken.sendall(sent)
        received = b""
        while time.monotonic() - began < PATIENCE_SECONDS:
            received = _answer_pings(taken, received)
            try:
                arrived = taken.recv(4096)
            except ConnectionError:
                break
            if not arrived:
                break
            received += arrived
        return time.monotonic() - began


def _answer_pings(taken: socket.socket, received: bytes) -> bytes:
    """Answer the pings among whole frames and give what is left."""
    while len(received) >= 9:
        size = 9 + int.from_bytes(received[:3], "big")
        if len(received) < size:
            break
        if received[3] == PING and not received[4] & ACKNOWLEDGED:
            taken.sendall(frame(PING, ACKNOWLEDGED, 0, received[9:size]))
        received = received[size:]
    return received
