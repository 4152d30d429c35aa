"""Requests in flight, of instances by bucket of time, and of versions by how many."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from pipeline.stats.concurrency import Floats, Ints, level_times, sweep

_VERSION = ("service_name", "service_version")
_INSTANCE = (*_VERSION, "service_instance_id")


def concurrency(requests: pa.Table, length: int, window: tuple[int, int]) -> pa.Table:
    """Count requests in flight.

    Args:
        requests: one row a request: names, ``started`` and ``ended`` in ns, ``weight``.
        length: of a bucket, in ns.
        window: since and until, in ns.

    Returns:
        One row an instance and bucket, ordered: ``concurrency_mean``, ``concurrency_peak``.
    """
    names, bucket, mean, peak = [], [], [], []
    for named, started, ended, weight in _groups(requests, _INSTANCE):
        found = sweep(started, ended, weight, length, window)
        names.append((named, len(found.bucket)))
        bucket.append(found.bucket)
        mean.append(found.mean)
        peak.append(found.peak)
    columns = _named(names, _INSTANCE)
    columns["bucket"] = _joined(bucket, pa.int64())
    columns["concurrency_mean"] = _joined(mean, pa.float64())
    columns["concurrency_peak"] = _joined(peak, pa.float64())
    return pa.table(columns)


def levels(requests: pa.Table, window: tuple[int, int]) -> pa.Table:
    """Tell for how long how many requests of a version were in flight, over all its instances.

    Args:
        requests: as for ``concurrency``; with ``phase_nano`` where instances have clocks of their
            own, which is added to their times.
        window: since and until, in ns.

    Returns:
        One row a version and level, ordered: ``level`` and ``seconds``.
    """
    names, level, seconds = [], [], []
    for named, started, ended, weight in _groups(requests, _VERSION):
        found = level_times(np.clip(started, *window), np.clip(ended, *window), weight)
        names.append((named, len(found[0])))
        level.append(found[0])
        seconds.append(found[1])
    columns = _named(names, _VERSION)
    columns["level"] = _joined(level, pa.float64())
    columns["seconds"] = _joined(seconds, pa.float64())
    return pa.table(columns)


def _groups(
    requests: pa.Table, by: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Ints, Ints, Floats | None]]:
    """Cut requests by their names, in the order of these: starts, ends and weights."""
    if not requests.num_rows:
        return
    code = np.zeros(requests.num_rows, dtype=np.int32)
    texts: list[list[str]] = [[]]
    for name in by:
        encoded = requests[name].combine_chunks().dictionary_encode()
        own = encoded.dictionary.to_pylist()
        # Numbers in the order of the texts, and only those of the pairs that there are.
        rank = np.argsort(np.argsort(np.array(own, dtype=object)))
        joined = code * len(own) + rank[encoded.indices.to_numpy()].astype(np.int32)
        seen = np.flatnonzero(np.bincount(joined))
        place = np.zeros(int(seen[-1]) + 1, dtype=np.int32)
        place[seen] = np.arange(len(seen))
        ordered = sorted(own)
        texts = [[*texts[each // len(own)], ordered[each % len(own)]] for each in seen.tolist()]
        code = place[joined]
    started, ended = (requests[name].to_numpy() for name in ("started", "ended"))
    if "phase_nano" in requests.column_names and by == _VERSION:
        phase = requests["phase_nano"].to_numpy()
        started, ended = started + phase, ended + phase
    weight = requests["weight"].to_numpy()
    weights = None if (weight == 1).all() else weight
    for number, named in enumerate(texts):
        if len(texts) == 1:
            yield tuple(named), started, ended, weights
            return
        own_rows = np.flatnonzero(code == number)
        of = None if weights is None else weights[own_rows]
        yield tuple(named), started[own_rows], ended[own_rows], of


def _named(counts: list[tuple[tuple[str, ...], int]], by: tuple[str, ...]) -> dict[str, pa.Array]:
    """Repeat the names of groups."""
    place = pa.array(np.repeat(np.arange(len(counts)), [count for _, count in counts]))
    return {
        name: pa.array([named[column] for named, _ in counts], pa.string()).take(place)
        for column, name in enumerate(by)
    }


def _joined(parts: list[Ints] | list[Floats], kind: pa.DataType) -> pa.Array:
    """Join arrays, of which there may be none."""
    return pa.array(np.concatenate(parts) if parts else [], kind)
