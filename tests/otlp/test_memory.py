"""What a process of ours does first leaves everything after it working."""

import subprocess
import sys

import pytest

from tests.otlp.receivers import environment

FIRST_CONVERSION = """
import pyarrow as pa
from collectors.otlp.memory import settle

settle()
print(pa.table({"a": [1]}).num_rows, pa.array([1.5, None]).null_count)
"""


@pytest.mark.slow
def test_the_first_conversion_after_settling_works() -> None:
    told = subprocess.run(
        [sys.executable, "-c", FIRST_CONVERSION],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert told.stdout == "1 1\n", told.stderr
