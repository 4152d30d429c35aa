"""Profiles that carry the pprof file they were made from, and nothing else to read."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pyarrow as pa

from collectors.otlp.columns import Bools, Ints
from collectors.otlp.profile_dictionary import Dictionary
from collectors.pprof_message import Pprof, decompressed, read_pprof
from collectors.pprof_samples import PprofRows, read_pprof_rows
from pipeline.errors import BadRequest

# What the payloads of one request may hold decompressed, all together: as much as a request may.
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Imported:
    """A profile read from its payload.

    Attributes:
        number: of the profile.
        pprof: what the payload holds.
        rows: of it.
        sha256: of the payload, hex.
    """

    number: int
    pprof: Pprof
    rows: PprofRows
    sha256: str


def carried(profiles: pa.StructArray, requests: Ints, dictionary: Dictionary) -> Bools:
    """Tell which profiles are to be read from their payload: pprof beside an empty dictionary."""
    formats = profiles.field("original_payload_format").to_pylist()
    empty = np.ones(len(profiles), dtype=bool)
    for table in dictionary.tables.values():
        # An entry 0 alone is the zero value that the protocol asks for.
        empty &= table.counts[requests] <= 1
    named = np.array([name.strip().lower() == "pprof" for name in formats], dtype=bool)
    present = np.array(
        [bool(size.as_py()) for size in profiles.field("original_payload")], dtype=bool
    )
    found: Bools = named & empty & present
    return found


def unreadable(profiles: pa.StructArray, requests: Ints, dictionary: Dictionary) -> Bools:
    """Tell which profiles carry a payload that is to be read and cannot be."""
    bad = np.zeros(len(profiles), dtype=bool)
    for number, imported in _read(profiles, requests, dictionary, 0, Counter()):
        bad[number] = imported is None
    return bad


def import_payloads(
    profiles: pa.StructArray,
    requests: Ints,
    dictionary: Dictionary,
    max_attributes: int,
    warnings: Counter[str],
) -> list[Imported]:
    """Read profiles from their payloads.

    Args:
        profiles: n profiles as ptars gives them, none of them invalid.
        requests: n numbers of their requests.
        dictionary: of all requests.
        max_attributes: labels kept on one sample.
        warnings: gains what was repaired or dropped.
    """
    read = _read(profiles, requests, dictionary, max_attributes, warnings)
    return [imported for _, imported in read if imported is not None]


def _read(
    profiles: pa.StructArray,
    requests: Ints,
    dictionary: Dictionary,
    max_attributes: int,
    warnings: Counter[str],
) -> Iterator[tuple[int, Imported | None]]:
    """Read payloads, those of one request within its limit; None for what cannot be read."""
    used: Counter[int] = Counter()
    for number in np.flatnonzero(carried(profiles, requests, dictionary)).tolist():
        payload = profiles.field("original_payload")[number].as_py()
        request = int(requests[number])
        try:
            plain = decompressed(payload, _MOST_BYTES - used[request])
            used[request] += len(plain)
            pprof = read_pprof(plain)
            rows = read_pprof_rows(pprof, max_attributes, warnings)
        except BadRequest:
            yield number, None
            continue
        warnings["invalid_utf8_strings"] += pprof.replaced
        yield number, Imported(number, pprof, rows, sha256(payload).hexdigest())
