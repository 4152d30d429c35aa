"""``make fuzz``: a long campaign over sockets, and decoding under fire in a process beside it.

python tests/fuzz/run.py [--seconds N] [--seed N] [--keep FOLDER]

What is found is kept in tests/fuzz/corpus, which ``make check`` replays first. Status 1 if there
is any.
"""

import argparse
import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.account import Finding
from tests.fuzz.campaign import Report, batches, run
from tests.fuzz.cases import SIGNAL_OF_NAME, Case
from tests.fuzz.target import MIB, Target
from tests.otlp.receivers import ROOT, environment

CORPUS = Path(__file__).with_name("corpus")
BATCH = 1500
SEEDS_EACH = 40


def main() -> int:
    """Fuzz, print what was done and keep what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path, default=CORPUS)
    asked = parser.parse_args()
    # Whoever ends us so still gets every process ended and every folder taken away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"seed {asked.seed}, {asked.seconds:.0f} s", flush=True)
    with tempfile.TemporaryDirectory(prefix="tailgate-fuzz-") as name:
        folder = Path(name)
        beside = start_in_process(asked.seed, asked.seconds, folder / "scratch")
        try:
            report, target = fuzz_target(folder, asked.seed, asked.seconds, asked.keep)
            told, _ = beside.communicate(timeout=120)
        finally:
            if beside.poll() is None:
                beside.kill()
            beside.wait()
        print_report(report, target, told)
        more = in_process_findings(beside.returncode, told, folder)
    for finding in more:
        keep(finding, asked.keep)
    print(f"{len(report.findings) + len(more)} findings")
    return 1 if report.findings or more else 0


def fuzz_target(folder: Path, seed: int, seconds: float, kept: Path) -> tuple[Report, Target]:
    """Run a campaign against a receiver of its own."""
    target = Target(folder)
    told = 0
    try:
        target.wait_until_ready()

        def tell(report: Report) -> None:
            nonlocal told
            for finding in report.findings[told:]:
                keep(finding, kept)
            told = len(report.findings)
            held = {name: size // MIB for name, size in target.resident_bytes().items()}
            rate = report.sent / report.seconds
            print(
                f"{report.seconds:6.0f} s {report.sent:9,} sent {rate:6.0f}/s "
                f"{len(report.findings)} found, MiB {held}",
                flush=True,
            )

        report = run(target, batches(seed, BATCH, SEEDS_EACH), seconds, tell)
        status = target.stop()
        if status:
            report.findings.append(Finding(f"the receiver stopped with status {status}"))
        return report, target
    finally:
        target.end()


def start_in_process(seed: int, seconds: float, scratch: Path) -> "subprocess.Popen[str]":
    """Start decoding under fire in a process that may die of it."""
    scratch.mkdir()
    return subprocess.Popen(
        [
            *(sys.executable, str(Path(__file__).with_name("in_process.py"))),
            *(str(seed), str(seconds), str(scratch)),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=ROOT,
    )


def in_process_findings(status: int, told: str, folder: Path) -> list[Finding]:
    """Read what that process found, or that it died and of what."""
    if status:
        case = (folder / "scratch" / "case").read_text(encoding="utf-8")
        return [_finding(f"decoding ended the process: status {status}", case)]
    return [_finding(one["what"], one["case"]) for one in json.loads(told)["findings"]]


def _finding(what: str, told: str) -> Finding:
    """Make a case to be sent of what decoding tried, where it is a request."""
    parts: Sequence[str] = json.loads(told)
    if parts[0] not in SIGNAL_OF_NAME:
        return Finding(f"{what}; tried: {told[:2000]}")
    body = bytes.fromhex(parts[1])
    return Finding(what, Case(parts[0], "grpc", body, {}, body))


def print_report(report: Report, target: Target, told: str) -> None:
    """Print how much was done."""
    print(f"over sockets: {report.sent:,} cases, {report.sent / report.seconds:.0f}/s")
    for name, count in sorted(target.answers.items()):
        print(f"  {name:<26} {count:>9,}")
    print(f"  items acknowledged and landed {sum(target.account.kept.values()):,}")
    if told:
        print(f"in process: {json.loads(told)['cases']:,} cases")


def keep(finding: Finding, folder: Path) -> None:
    """Say what was found and keep its case."""
    print(f"FOUND {finding.what}", flush=True)
    if finding.case is not None:
        name = hashlib.sha256(finding.case.body).hexdigest()[:12]
        file = finding.case.save(folder, name, finding.what[:300])
        print(f"      kept as {file}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
