"""Splitting what one release served into two halves that differ by chance alone.

Instances are dealt out whole, so that the halves differ as two deployments of one release do.
Where there are too few of them requests are dealt out instead, and what instances differ by is not
seen.
"""

import hashlib
import itertools
import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.jobs.judge_cells import Part, by_operation, floats
from pipeline.stats.cells import Floats, Ints

# Of a half: with one instance nothing tells how instances differ.
LEAST_IN_A_HALF = 2
BY_INSTANCE, BY_REQUEST = "instances", "requests"

# So many ways to split are listed and taken in turn, none twice; more are drawn.
_MOST_LISTED = 5_000

# Of the cells; a release's strata are not told apart.
_COLUMNS = (
    "instance_code",
    "minute",
    "bucket",
    "requests",
    "requests_squared",
    "errors",
    "errors_5xx",
    "errors_4xx",
)

# Less than any request counts.
_NOTHING = 1e-9


@dataclass(frozen=True)
class Series:
    """One operation over all of the history.

    Attributes:
        service_name, operation: which.
        rows: by window.
    """

    service_name: str
    operation: str
    rows: dict[int, Part]


def seeded(*key: object) -> np.random.Generator:
    """Give chance that is the same for the same key."""
    digest = hashlib.blake2b("\x1f".join(map(str, key)).encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def series_of(rows: pa.Table, window_minutes: int) -> list[Series]:
    """Cut history by operation and window.

    Args:
        rows: cells of one side, as the judge reads them.
        window_minutes: length of a window; the last one ends with the history.

    Returns:
        Operations, by service and name.
    """
    end = int(rows["minute"].to_numpy().max()) + 1
    found = []
    for part in by_operation(rows):
        window = (end - 1 - part["minute"].astype(np.int64)) // window_minutes
        order = np.argsort(window, kind="stable")
        numbers, starts = np.unique(window[order], return_index=True)
        columns = {name: part[name][order] for name in _COLUMNS if name in part}
        ends = [*starts[1:].tolist(), len(order)]
        cut = {
            number: {name: column[start:stop] for name, column in columns.items()}
            for number, start, stop in zip(numbers.tolist(), starts.tolist(), ends, strict=True)
        }
        found.append(Series(str(part["service_name"][0]), str(part["operation"][0]), cut))
    return found


def canary_size(instances: int, share: float) -> int:
    """Give how many instances the canary's half has: its share, and two at least on each side.

    >>> canary_size(10, 0.5), canary_size(5, 0.5), canary_size(40, 0.05)
    (5, 2, 2)
    """
    wanted = math.floor(instances * share + 1e-9)
    return min(max(wanted, LEAST_IN_A_HALF), instances - LEAST_IN_A_HALF)


def dealt(present: Ints, share: float, turn: int, key: tuple[object, ...]) -> Ints | None:
    """Choose the canary's instances.

    Args:
        present: numbers of the instances there are, rising; four or more.
        share: of them that the canary has.
        turn: how many splits of the same instances came before.
        key: what chance hangs on.

    Returns:
        Numbers of the canary's; None when every split has had its turn.
    """
    size = canary_size(len(present), share)
    ways = math.comb(len(present), size)
    if turn >= ways:
        return None
    if ways <= _MOST_LISTED:
        chosen = seeded(*key).permutation(ways)[turn]
        splits = itertools.combinations(range(len(present)), size)
        return present[list(next(itertools.islice(splits, int(chosen), None)))]
    return np.sort(seeded(*key, turn).permutation(present)[:size])


def halves_of(
    rows: Part, instances: Ints, chance: float, rng: np.random.Generator
) -> tuple[Part, Part]:
    """Give the baseline's rows of an operation and the canary's.

    Args:
        rows: of one operation in a window.
        instances: numbers of the canary's; none where requests are dealt out one by one.
        chance: of a request on them, or of any, to be the canary's.
        rng: where chance comes from.
    """
    if not len(instances):
        canary, baseline = thinned(rows, chance, rng)
        return baseline, canary
    mine = np.isin(rows["instance_code"], instances)
    canary = taken(rows, mine)
    if chance < 1.0:
        canary, _ = thinned(canary, chance, rng)
    return taken(rows, ~mine), canary


def taken(rows: Part, chosen: NDArray[np.generic]) -> Part:
    """Give some of the rows."""
    return {name: column[chosen] for name, column in rows.items()}


def thinned(rows: Part, chance: float, rng: np.random.Generator) -> tuple[Part, Part]:
    """Deal requests out one by one.

    Args:
        rows: the requests.
        chance: of each to be in the first part.
        rng: where chance comes from.

    Returns:
        Both parts; rows without a request are left out.
    """
    requests, squared = floats(rows["requests"]), floats(rows["requests_squared"])
    weight = squared / requests
    # Requests that came to different ends are dealt out apart; 4xx are no errors.
    ends = [
        floats(rows["errors_5xx"]),
        floats(rows["errors"]) - floats(rows["errors_5xx"]),
        floats(rows["errors_4xx"]) if "errors_4xx" in rows else np.zeros(len(requests)),
    ]
    ends.append(np.maximum(requests - sum(ends), 0.0))
    first = [_drawn(count, weight, chance, rng) for count in ends]
    second = [count - drawn for count, drawn in zip(ends, first, strict=True)]
    return _joined(rows, first, weight), _joined(rows, second, weight)


def _joined(rows: Part, ends: list[Floats], weight: Floats) -> Part:
    """Put requests that came to different ends together again."""
    failed_5xx, failed, refused, sound = ends
    requests = np.asarray(failed_5xx + failed + refused + sound, dtype=np.float64)
    counts = {
        "requests": requests,
        "requests_squared": requests * weight,
        "errors": failed_5xx + failed,
        "errors_5xx": failed_5xx,
        "errors_4xx": refused,
    }
    return taken({**rows, **counts}, requests > _NOTHING)


def _drawn(count: Floats, weight: Floats, chance: float, rng: np.random.Generator) -> Floats:
    """Draw from each of r counts of requests, which a sampled request leaves or joins whole."""
    whole = np.maximum(np.rint(count / weight), 0).astype(np.int64)
    share = rng.binomial(whole, chance) / np.maximum(whole, 1)
    return np.asarray(count * share, dtype=np.float64)
