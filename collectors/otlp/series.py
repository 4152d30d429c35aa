"""Series ids: one number for a stream of points, the same whatever order its attributes came in."""

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collectors.otlp.columns import Ints

Hashes = npt.NDArray[np.uint64]

# Odd constants of the 64-bit finalizer of MurmurHash3: they spread every bit over all others.
_FIRST = np.uint64(0xFF51AFD7ED558CCD)
_SECOND = np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(33)


def hash_text(column: pa.Array) -> Hashes:
    """Hash texts, each distinct one once; NULL has a hash of its own.

    >>> a, b, c = hash_text(pa.array(["x", "x", None]))
    >>> bool(a == b), bool(a == c)
    (True, False)
    """
    encoded = column.dictionary_encode()
    each = [_hash(value.encode()) for value in encoded.dictionary.to_pylist()]
    table = np.array([*each, _hash(b"\xff")], dtype=np.uint64)
    indices = encoded.indices.fill_null(len(each)).to_numpy(zero_copy_only=False)
    return np.asarray(table[indices])


def hash_map(maps: pa.MapArray) -> Hashes:
    """Hash maps by what is in them; the order of entries does not matter.

    Args:
        maps: n maps of text to text, no key twice.
    """
    starts = maps.offsets.to_numpy()[: len(maps) + 1].astype(np.int64)
    first, last = int(starts[0]), int(starts[-1])
    keys, values = maps.keys[first:last], maps.items[first:last]
    entries = mix(hash_text(keys), hash_text(values))
    # A sum does not know the order of its terms.
    running = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(entries, dtype=np.uint64)])
    starts = starts - first
    counts = (starts[1:] - starts[:-1]).astype(np.uint64)
    return mix(running[starts[1:]] - running[starts[:-1]], counts)


def mix(*parts: Hashes) -> Hashes:
    """Make one hash of several, in their order."""
    result = np.zeros_like(parts[0])
    for part in parts:
        result = result * np.uint64(31) + part
        result ^= result >> _SHIFT
        result *= _FIRST
        result ^= result >> _SHIFT
        result *= _SECOND
        result ^= result >> _SHIFT
    return result


def series_ids(*parts: Hashes) -> Ints:
    """Give series ids as BIGINT, two's complement."""
    return np.asarray(mix(*parts).view(np.int64))


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
