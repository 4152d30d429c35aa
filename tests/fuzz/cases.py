"""One thing to send to a receiver, and how things to send are made from seeds and a seed."""

import base64
import gzip
import json
import random
import sys
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from collectors.otlp.http_endpoints import PATHS
from collectors.otlp.http_responses import JSON, PROTOBUF
from collectors.otlp.signals import SIGNALS, Signal
from tests.fuzz.json_mutations import spoil_document
from tests.fuzz.json_mutations import write as write_json
from tests.fuzz.seeds import Seeds
from tests.fuzz.wire_mutations import spoil_bytes, spoil_message
from tests.otlp.wire_bytes import rearranged

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SIGNAL_OF_NAME = {signal.name: signal for signal in SIGNALS}
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@dataclass(frozen=True)
class Case:
    """One thing to send.

    Attributes:
        signal: the name of the signal that it claims to be.
        transport: grpc, http, or bytes for either port's socket: raw-grpc, raw-http.
        body: what is sent, encoded as the headers say or not.
        headers: of an HTTP request; of gRPC only grpc-encoding counts.
        content: the body before it was compressed; None where nobody can say what it means.
    """

    signal: str
    transport: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None

    @property
    def is_json(self) -> bool:
        """Tell whether it says that it is JSON."""
        return self.headers.get("Content-Type") == JSON

    def save(self, folder: Path, name: str, found: str) -> Path:
        """Keep it in a small file, with what it did."""
        told = asdict(self) | {"body": _text(self.body), "found": found}
        if self.content is not None:
            told["content"] = "as sent" if self.content == self.body else _text(self.content)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{name}.json"
        file.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        return file


def load(file: Path) -> Case:
    """Read a case that was kept."""
    told = json.loads(file.read_text(encoding="utf-8"))
    body, content = base64.b64decode(told["body"]), told["content"]
    if content is not None:
        content = body if content == "as sent" else base64.b64decode(content)
    return Case(told["signal"], told["transport"], body, told["headers"], content)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def cases(seeds: Seeds, rng: random.Random) -> Iterator[Case]:
    """Make cases without end: mostly spoilt, some good, of every signal and transport."""
    while True:
        signal = rng.choice(SIGNALS)
        kind = rng.random()
        if kind < 0.42:
            yield _over_grpc(signal, protobuf_body(signal, seeds, rng), rng)
        elif kind < 0.62:
            yield _over_http(signal, protobuf_body(signal, seeds, rng), PROTOBUF, rng)
        elif kind < 0.95:
            yield _over_http(signal, json_body(signal, seeds, rng), JSON, rng)
        else:
            yield _raw(signal, seeds, rng)


def protobuf_body(signal: Signal, seeds: Seeds, rng: random.Random) -> bytes:
    """Give a request's bytes: as they are, spoilt, or put together of several."""
    payload = rng.choice(seeds.payloads[signal.name])
    match rng.randrange(20):
        case 0 | 1:
            return payload
        case 2:
            other = rng.choice(SIGNALS)
            return rng.choice(seeds.payloads[other.name])
        case 3:
            # Messages one after the other are one message.
            return payload + rng.choice(seeds.payloads[signal.name])
        case 4 | 5:
            # Only what is not yet spoilt: in deep nests its repeats would double and double.
            return rearranged(signal.request.DESCRIPTOR, payload, rng)
        case 6 | 7:
            return spoil_bytes(payload, rng)
        case _:
            for _ in range(rng.choice((1, 1, 2, 3, 8))):
                payload = spoil_message(signal.request.DESCRIPTOR, payload, rng)
            return payload


def json_body(signal: Signal, seeds: Seeds, rng: random.Random) -> bytes:
    document: Any = rng.choice(seeds.documents[signal.name])
    if rng.random() < 0.1:
        return write_json(document).encode()
    return spoil_document(document, rng)


def _over_grpc(signal: Signal, payload: bytes, rng: random.Random) -> Case:
    encoding = "gzip" if rng.random() < 0.1 else "identity"
    return Case(signal.name, "grpc", payload, {"grpc-encoding": encoding}, payload)


def _over_http(signal: Signal, content: bytes, kind: str, rng: random.Random) -> Case:
    """Wrap a request in HTTP: compressed or not, rarely spoilt in that, rarely with odd headers."""
    headers = {"Content-Type": kind}
    body, known = content, True
    draw = rng.random()
    if draw < 0.12:
        encoding, body = "gzip", gzip.compress(content, 1, mtime=0)
    elif draw < 0.24:
        encoding, body = "zstd", zstd.compress(content, 1)
    else:
        encoding = ""
    if encoding:
        headers["Content-Encoding"] = encoding
        if rng.random() < 0.5:
            body, known = _spoil_stream(encoding, body, rng), False
    if rng.random() < 0.04:
        headers |= rng.choice(_ODD_HEADERS)
        known = False
    return Case(signal.name, "http", body, headers, content if known else None)


_ODD_HEADERS: tuple[dict[str, str], ...] = (
    {"Content-Encoding": "br"},
    {"Content-Encoding": "gzip, gzip"},
    {"Content-Encoding": "GZIP "},
    {"Content-Encoding": "deflate"},
    {"Content-Type": "application/json; charset=utf-16"},
    {"Content-Type": 'application/json; charset="UTF-8"'},
    {"Content-Type": "text/plain"},
    {"Content-Type": ""},
    {"Content-Type": "application/grpc"},
    {"Accept-Encoding": "gzip;q=x, *;q="},
    {"Accept-Encoding": "gzip"},
    {"Authorization": "Bearer \xff"},
    {"Expect": "100-continue"},
    {"Origin": "https://elsewhere.example"},
    {"X-Long": "a" * 7000},
    {"Connection": "close"},
)


def _spoil_stream(encoding: str, body: bytes, rng: random.Random) -> bytes:
    """Spoil a compressed stream: its bytes, its end, its members, or what it grows to."""
    match rng.randrange(6):
        case 0:
            return body * rng.choice((2, 3))
        case 1:
            return body + rng.choice((b"\0\0\0", b"\x1f\x8b", b"(\xb5/\xfd", b"more"))
        case 2:
            zeros = bytes(rng.choice((1 << 20, 16 << 20)))
            return gzip.compress(zeros, 9, mtime=0) if encoding == "gzip" else zstd.compress(zeros)
        case 3 if encoding == "gzip":
            return zlib.compress(body)
        case _:
            return spoil_bytes(body, rng)


def _raw(signal: Signal, seeds: Seeds, rng: random.Random) -> Case:
    """Give bytes for a socket: HTTP with a spoilt head, or HTTP/2 with spoilt frames."""
    payload = rng.choice(seeds.payloads[signal.name])[:4000]
    if rng.random() < 0.3:
        frames = b"".join(_http2_frame(rng) for _ in range(rng.randrange(1, 8)))
        return Case(signal.name, "raw-grpc", PREFACE + b"\0\0\0\x04\0\0\0\0\0" + frames)
    length = rng.choice((str(len(payload)), str(len(payload) + 5), "0", "-1", "9" * 30, "1e3", ""))
    method = rng.choice(("POST", "POST", "POST", "GET", "PUT", "post", "\x00"))
    path = rng.choice((PATHS[signal.name][0], "/", "*", "/v1/%74races", "//v1/traces?x=%ff"))
    version = rng.choice(("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTCPCP/1"))
    lines = [
        f"{method} {path} {version}",
        rng.choice(("Host: test", "Host: test", "", "Host: a\r\nHost: b")),
        f"Content-Type: {PROTOBUF}",
        rng.choice((f"Content-Length: {length}", "Transfer-Encoding: chunked", "X: y")),
    ]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    chunked = b"%x\r\n%b\r\n" % (len(payload), payload) + rng.choice((b"0\r\n\r\n", b"", b"zz\r\n"))
    whole = head + (chunked if rng.random() < 0.4 else payload)
    if rng.random() < 0.4:
        cut = rng.randrange(len(head))
        whole = spoil_bytes(whole[:cut], rng) + whole[cut:]
    return Case(signal.name, "raw-http", whole)


def _http2_frame(rng: random.Random) -> bytes:
    """Give an HTTP/2 frame of any type whose content means nothing."""
    content = rng.randbytes(rng.choice((0, 1, 4, 5, 8, 40)))
    length = len(content) if rng.random() < 0.8 else rng.choice((0, 1, 2**24 - 1))
    stream = rng.choice((0, 1, 2, 3, 2**31 - 1))
    head = length.to_bytes(3, "big") + bytes((rng.randrange(12), rng.choice((0, 1, 4, 5, 255))))
    return head + stream.to_bytes(4, "big") + content
