"""Sampling weights out of W3C trace states: how many requests a kept span stands for.

Source: OpenTelemetry's probability sampling in TraceState (th: rejection threshold; p: its
predecessor, an exponent).
"""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.otlp.columns import Bools

_THRESHOLD = re.compile(r"(?:^|,)\s*ot=(?:[^,;]*;)*th:([0-9a-f]{1,14})(?:;|,|\s|$)")
_EXPONENT = re.compile(r"(?:^|,)\s*ot=(?:[^,;]*;)*p:([0-9]{1,2})(?:;|,|\s|$)")

# p:63 means that the span is not to be counted; 62 is the greatest exponent.
_GREATEST_EXPONENT = 62


def weights(trace_state: pa.StringArray) -> tuple[np.ndarray, Bools]:
    """Read the weight of each span.

    Args:
        trace_state: n texts.

    Returns:
        n weights, 1 where none is told, and whether one was.

    >>> weights(pa.array(["ot=th:8", "vendor=x,ot=p:3;r:9", ""]))[0].tolist()
    [2.0, 8.0, 1.0]
    """
    encoded = trace_state.dictionary_encode()
    states = encoded.dictionary.fill_null("")
    found = pc.match_substring(states, "ot=").to_numpy(zero_copy_only=False)
    each = np.full(len(states), np.nan)
    for index in np.flatnonzero(found):
        each[index] = _weight(states[int(index)].as_py())
    chosen = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    told = np.append(each, np.nan)[chosen]
    known = ~np.isnan(told)
    return np.where(known, told, 1.0), known


def _weight(trace_state: str) -> float:
    """Read one trace state; NaN where it tells no weight."""
    threshold = _THRESHOLD.search(trace_state)
    if threshold:
        # In integers: the greatest thresholds are 1 less a bit that a double does not have.
        return 2**56 / (2**56 - int(threshold[1].ljust(14, "0"), 16))
    exponent = _EXPONENT.search(trace_state)
    if exponent and int(exponent[1]) <= _GREATEST_EXPONENT:
        return float(2 ** int(exponent[1]))
    return float("nan")
