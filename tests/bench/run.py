"""``make bench``: every bench, or those named, and one table.

python tests/bench/run.py [--json FILE] [receive cli …]
"""

import argparse
import dataclasses
import importlib
import json
import platform
import sys
from pathlib import Path

from measure import table


def main() -> int:
    """Run benches and print what they measured; status 1 if a goal was missed."""
    here = Path(__file__).parent
    known = sorted(file.stem.removeprefix("bench_") for file in here.glob("bench_*.py"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(known)}")
    parser.add_argument("--json", type=Path, help="write the measures there as well")
    arguments = parser.parse_args()
    measures = []
    for name in arguments.names or known:
        print(f"{name} …", file=sys.stderr, flush=True)
        measures += importlib.import_module(f"bench_{name}").main()
    print(f"{platform.machine()}, Python {platform.python_version()}")
    print(table(measures))
    if arguments.json:
        told = [dataclasses.asdict(measure) for measure in measures]
        arguments.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return 1 if any(measure.reached is False for measure in measures) else 0


if __name__ == "__main__":
    sys.exit(main())
