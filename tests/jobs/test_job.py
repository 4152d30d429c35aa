"""How a job asks DuckDB: what a statement orders stays ordered, however much there is."""

import numpy as np
import pytest

from pipeline.jobs import job
from pipeline.jobs.job import ask, asking

ROWS = 700_000


def test_rows_come_in_the_order_that_the_statement_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"SELECT hash(range) AS key FROM range({ROWS}) ORDER BY key"
    monkeypatch.setattr(job, "statement", lambda folder, name: text)
    with asking() as connection:
        rows = ask(connection, "any", {})
    keys = rows["key"].combine_chunks().to_numpy()
    assert len(keys) == ROWS
    assert np.all(keys[1:] >= keys[:-1])
