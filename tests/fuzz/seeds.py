"""Good requests to begin from: what the strategies of each signal make, the same for each seed."""

import json
import warnings
from collections.abc import Sequence
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from collectors.otlp.signals import LOG_RECORDS, METRIC_POINTS, PROFILE_DATA, SIGNALS, TRACES
from tests.importing.otlp_files import as_json
from tests.otlp import log_strategies, metric_strategies, trace_strategies
from tests.otlp_profiles import test_profile_oracle

STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    TRACES.name: trace_strategies.requests(wild=True),
    METRIC_POINTS.name: metric_strategies.requests(wild=True),
    LOG_RECORDS.name: log_strategies.requests(wild=True),
    PROFILE_DATA.name: test_profile_oracle.requests(),
}


class Seeds:
    """Requests of every signal, as protobuf and as a JSON document.

    Attributes:
        payloads: n requests' bytes, by signal.
        documents: the same as JSON values, by signal.
    """

    def __init__(self, seed: int, count: int) -> None:
        self.payloads: dict[str, Sequence[bytes]] = {}
        self.documents: dict[str, Sequence[Any]] = {}
        for signal in SIGNALS:
            payloads = drawn(STRATEGIES[signal.name], seed, count)
            self.payloads[signal.name] = payloads
            self.documents[signal.name] = [
                json.loads(as_json(signal.name, each)) for each in payloads
            ]


def drawn(strategy: st.SearchStrategy[Any], seed: int, count: int) -> list[bytes]:
    """Draw requests' bytes; the larger ones are the more telling, so the smallest are left out."""
    found: list[bytes] = []

    @hypothesis.seed(seed)
    @settings(
        max_examples=2 * count,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(request: Any) -> None:
        found.append(request if isinstance(request, bytes) else request.SerializeToString())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        collect()
    return sorted(set(found), key=lambda each: (len(each), each))[-count:]
