"""Decoding under fire without sockets: many more cases a second, each against a rule that holds.

``python in_process.py SEED SECONDS SCRATCH`` prints {"cases": …, "findings": […]}. Each case stands
in SCRATCH/case before it is tried, so that one that ends the process is known.
"""

import contextlib
import gzip
import hashlib
import json
import random
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from collectors.expand import TornError, expand_message, head
from collectors.otlp import otlp_json
from collectors.otlp.frames import MAGIC, Damage, Frame, pack, unpack
from collectors.otlp.signals import SIGNALS, Signal
from pipeline.errors import BadFile, BadRequest
from tests.fuzz.cases import json_body, protobuf_body
from tests.fuzz.seeds import Seeds
from tests.fuzz.wire_mutations import spoil_bytes
from tests.otlp.decoding import plainly

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NOW = 1_795_608_000_000_000_000
MOST_ATTRIBUTES = 64
EXPANDED_BYTES = 1 << 20

# Makes what is tried, and tries it; gives what is wrong, or nothing.
Trial = Callable[[random.Random, Seeds, Path], str]


def decode(signal: Signal, payloads: list[bytes]) -> dict[str, Any]:
    """Decode requests as landing does."""
    ids = [hashlib.md5(payload).digest() for payload in payloads]
    rows, _ = signal.decode(payloads, ids, [NOW] * len(payloads), MOST_ATTRIBUTES, 1024)
    return rows


def kept(signal: Signal, payload: bytes) -> int | None:
    """Give how many items of a request must land; None where it would be refused."""
    try:
        signal.request.FromString(payload)
        found = signal.check(payload)
    except (DecodeError, BadRequest):
        return None
    return found.total - found.rejected


def try_protobuf(rng: random.Random, seeds: Seeds, scratch: Path) -> str:
    """What upb reads lands: as many rows as were promised, alone and among others alike."""
    signal = rng.choice(SIGNALS)
    payloads = [protobuf_body(signal, seeds, rng) for _ in range(rng.choice((1, 1, 3)))]
    told = [signal.name, *(payload.hex() for payload in payloads)]
    (scratch / "case").write_text(json.dumps(told))
    return rule_of_rows(signal, payloads)


def rule_of_rows(signal: Signal, payloads: list[bytes]) -> str:
    """Say in what way rows of requests are not what they must be."""
    taken = [(one, count) for one in payloads if (count := kept(signal, one)) is not None]
    name = signal.tables[0].name
    alone: list[str] = []
    for payload, count in taken:
        rows = decode(signal, [payload])[name]
        if rows.num_rows != count:
            return f"{signal.name}: {rows.num_rows} rows of {count} items"
        alone += [str(plainly(row)) for row in rows.to_pylist()]
    if len(taken) > 1:
        rows = decode(signal, [payload for payload, _ in taken])[name]
        # Points of a kind stand together, so the order may be another one.
        if sorted(str(plainly(row)) for row in rows.to_pylist()) != sorted(alone):
            return f"{signal.name}: rows of requests decoded at once are not those of each"
    return ""


def try_json(rng: random.Random, seeds: Seeds, scratch: Path) -> str:
    """JSON is refused in words or becomes bytes that stay as they are when read again."""
    signal = rng.choice(SIGNALS)
    body = json_body(signal, seeds, rng)
    (scratch / "case").write_text(json.dumps(["json", signal.name, body.hex()]))
    try:
        payload = otlp_json.to_protobuf(signal.request, body)
    except BadRequest as refusal:
        return "" if str(refusal) else "refused without a reason"
    again = signal.request.FromString(payload).SerializeToString()
    return "" if again == payload else f"{signal.name}: JSON became bytes that are not canonical"


def try_frames(rng: random.Random, seeds: Seeds, scratch: Path) -> str:
    """Of a damaged segment every byte is told of, and no frame is one that was not written."""
    frames = [
        Frame(rng.randrange(256), rng.getrandbits(64), rng.randbytes(16), payload)
        for payload in rng.sample(
            [*seeds.payloads["logs"][:5], b"", MAGIC, MAGIC * 9, b"x" * 40], rng.randrange(1, 5)
        )
    ]
    segment = spoil_bytes(b"".join(b"".join(pack(frame)) for frame in frames), rng)
    (scratch / "case").write_text(json.dumps(["frames", segment.hex()]))
    found = list(unpack(segment))
    if any(isinstance(one, Frame) and one not in frames for one in found):
        return "a frame that was never written"
    told = b"".join(
        one.content if isinstance(one, Damage) else b"".join(pack(one)) for one in found
    )
    return "" if told == segment else "bytes of a segment are told of by nobody"


def try_expand(rng: random.Random, seeds: Seeds, scratch: Path) -> str:
    """A spoilt stream is refused or gives bytes within the limit."""
    content = rng.choice(seeds.payloads["traces"]) * rng.choice((1, 50))
    packed = rng.choice((zstd.compress(content), gzip.compress(content, 1, mtime=0)))
    spoilt = spoil_bytes(packed, rng)
    (scratch / "case").write_text(json.dumps(["expand", spoilt.hex()]))
    try:
        if len(expand_message(spoilt, EXPANDED_BYTES)) > EXPANDED_BYTES:
            return "expanded beyond the limit"
    except TornError:
        pass
    file = scratch / "stream"
    file.write_bytes(spoilt)
    with contextlib.suppress(BadFile):
        head(file, EXPANDED_BYTES)
    return ""


TRIALS: tuple[Trial, ...] = (try_protobuf, try_protobuf, try_json, try_frames, try_expand)


def attempt(trial: Trial, rng: random.Random, seeds: Seeds, scratch: Path) -> str:
    """Try once; an error is a fault too."""
    try:
        return trial(rng, seeds, scratch)
    except Exception as error:  # whatever it is, it is what we look for
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(where.filename).name}:{where.lineno}: {error}"


@dataclass
class Tried:
    """What a run did: cases, and of each kind of fault the first case."""

    cases: int = 0
    found: dict[str, str] = field(default_factory=dict)


def run(
    seed: int,
    scratch: Path,
    seeds_each: int,
    most_cases: int,
    seconds: float = float("inf"),
) -> Tried:
    """Try so many cases made of one seed, or until the time is over."""
    ends = time.monotonic() + seconds
    seeds, rng = Seeds(seed, seeds_each), random.Random(seed)
    tried = Tried()
    while tried.cases < most_cases and time.monotonic() < ends:
        wrong = attempt(rng.choice(TRIALS), rng, seeds, scratch)
        tried.cases += 1
        if wrong:
            tried.found.setdefault(wrong[:120], (scratch / "case").read_text())
    return tried


def main(seed: int, seconds: float, scratch: Path) -> dict[str, Any]:
    """Run until the time is over, each time with another seed."""
    ends = time.monotonic() + seconds
    tried = Tried()
    while (left := ends - time.monotonic()) > 0:
        more = run(seed, scratch, 40, 10_000, left)
        tried.cases += more.cases
        tried.found = more.found | tried.found
        seed += 1
    return {
        "cases": tried.cases,
        "findings": [{"what": what, "case": case} for what, case in tried.found.items()],
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))))
