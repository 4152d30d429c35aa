"""Looking every minute, few runs: ``python -m tests.simulate.sequential`` has the many."""

import numpy as np
import pytest

from tests.simulate.scenarios import SCENARIOS
from tests.simulate.sequential import MIXED5, NEVER, first_minutes

SCENARIO = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.mark.slow
def test_instances_and_drifting_minutes_are_not_taken_for_a_shift_however_often_looked_at() -> None:
    found = first_minutes(MIXED5, 0.0, 14, (0.95,))
    assert (found["looks"] == NEVER).all()
    assert (found["e-values"] == NEVER).all()


@pytest.mark.slow
def test_a_fifth_slower_at_p95_is_found_within_ten_minutes_of_an_hour() -> None:
    found = first_minutes(SCENARIO["iid"], 0.20, 6, (0.95,))
    assert np.median(found["e-values"]) <= 10
    assert found["looks"].max() < NEVER
