"""A small web shop of real processes, traced with OpenTelemetry, with faults to switch on.

Two versions run side by side and share the traffic evenly. `run` sends their spans and metrics to
any OTLP receiver; `record` keeps spans as the sample in data/sample, `profile` what profilers see
of it. In `run`, what requests cost and what bounds them is set by switches, so that what is
estimated of it can be held against the truth.
"""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shop_model import FAULTS, FAULTY_VERSION, OPERATIONS, SERVICES, VERSIONS, Known, fault_from
from shop_switches import (
    LoadStep,
    above_zero,
    count_from,
    cpu_from,
    load_steps,
    not_below_zero,
    ramp_from,
    visit_from,
    writable,
)

if TYPE_CHECKING:
    from shop_fleet import Plan
    from shop_load import Arrival, Tally

EXAMPLES = """\
faults, switched on with --fault NAME or --fault NAME=SIZE, for one version only:
{faults}

examples:
  python data/shop.py run --endpoint http://127.0.0.1:4317 --seconds 60 --rate 20
  python data/shop.py run --fault slow-tail --fault errors=0.1
  python data/shop.py record --out data/sample/otlp --seconds 720 --rate 11.4 \\
      --fault slow-operation --fault n-plus-one
"""

RUN_EXAMPLES = """
operations, for --cpu-ms OPERATION=MS, each with the service that answers it:
{operations}

  # checkout burns 20 ms of CPU a request and works on two at once; how many can it take?
  python data/shop.py run --seconds 600 --ramp 5:40:8 --release 1.4.1 --metrics 5 \\
      --cpu-ms "POST /checkout=20" --concurrency checkout=2 --tally ramp.json
  # every price is kept for 3 s and 6 are written a second; what is stale, what costs a miss?
  python data/shop.py run --cache-ttl 3 --price-writes 6 --miss-ms 25 --tally prices.json
"""


def fault_table() -> str:
    """Return the faults with their default sizes, a line each."""
    return "\n".join(
        f"  {fault.name:<15} {fault.size:>5g} {fault.unit:<8} {fault.effect}" for fault in FAULTS
    )


def operation_table() -> str:
    """Return what each service answers, a line each."""
    return "\n".join(
        f"  {service} {name}" for service, names in OPERATIONS.items() for name in names
    )


def _checked(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let argparse say what is wrong with a switch, as its reader says it."""

    def checked(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return checked


_positive = _checked(above_zero)


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    top = argparse.ArgumentParser(
        prog="shop.py",
        description=__doc__,
        epilog=EXAMPLES.format(faults=fault_table()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="run | record | profile")
    run = commands.add_parser("run", help="open the shop and send its spans to an OTLP receiver")
    run.add_argument("--endpoint", default="http://127.0.0.1:4317", help="default: %(default)s")
    run.add_argument("--gzip", action="store_true", help="compress what is sent")
    run.add_argument("--pids-file", type=Path, help="write the process of each instance there")
    _add_run_options(run)
    run.set_defaults(act=_run, seconds=60.0, rate=20.0)
    record = commands.add_parser("record", help="open the shop and record its spans as a sample")
    record.add_argument("--out", type=Path, required=True, help="folder for the recordings")
    record.set_defaults(act=_record, seconds=720.0, rate=11.4)
    profile = commands.add_parser("profile", help="open the shop and record its profiles")
    profile.add_argument("--out", type=Path, required=True, help="folder for the recordings")
    profile.add_argument(
        "--rounds", type=int, default=6, help="how often py-spy looks; default: %(default)s"
    )
    profile.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="only this file, pyspy.raw.txt"
    )
    profile.set_defaults(act=_profile, seconds=5.0, rate=16.0)
    for command in (run, record, profile):
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        command.epilog = EXAMPLES.format(faults=fault_table())
        _add_shop_options(command)
    run.epilog = f"{run.epilog}{RUN_EXAMPLES.format(operations=operation_table())}"
    serve = commands.add_parser("serve")  # one process of the shop; the others start it
    serve.add_argument("place")
    serve.set_defaults(act=_serve)
    return top


def _add_run_options(run: argparse.ArgumentParser) -> None:
    add = run.add_argument_group("load and metrics").add_argument
    ramp, number = _checked(ramp_from), _checked(not_below_zero)
    add("--ramp", type=ramp, metavar="FROM:TO:STEPS", help="customers a second, step by step")
    visit = _checked(visit_from)
    add("--visit", type=visit, action="append", default=[], metavar="OPERATION",
        help="customers ask for nothing else; may be repeated")  # fmt: skip
    add("--tally", type=_checked(writable), metavar="FILE",
        help="what customers saw and what the processes know, as JSON")  # fmt: skip
    add("--metrics", type=number, default=10.0, metavar="SECONDS",
        help="between two exports of metrics, 0 for none; default: %(default)s")  # fmt: skip
    add("--release", choices=VERSIONS, action="append", default=[],
        help="open this version only")  # fmt: skip
    count = _checked(count_from)
    add("--scale", type=count, action="append", default=[], metavar="SERVICE=N",
        help="instances of a service, more than usual too")  # fmt: skip
    add = run.add_argument_group("what is known of the shop because it is set").add_argument
    add("--cpu-ms", type=_checked(cpu_from), action="append", default=[], metavar="OPERATION=MS",
        help="CPU time that a request burns")  # fmt: skip
    add("--concurrency", type=count, action="append", default=[], metavar="SERVICE=N",
        help="requests that an instance works on at once; more wait in a queue")  # fmt: skip
    add("--price-writes", type=number, default=0.0, metavar="RATE",
        help="prices written a second, over all products")  # fmt: skip
    add("--cache-ttl", type=number, default=0.0, metavar="SECONDS", help="a price is kept so long")
    add("--miss-ms", type=number, default=0.0, metavar="MS",
        help="what the database takes for a price that was not cached, on average")  # fmt: skip


def _add_shop_options(command: argparse.ArgumentParser) -> None:
    add: Callable[..., argparse.Action] = command.add_argument
    instances_most = max(service.instances for service in SERVICES)
    add("--seconds", type=_positive, help="how long customers come; default: %(default)s")
    add("--rate", type=_positive, help="customers a second, both versions; default: %(default)s")
    add("--fault", type=_checked(fault_from), action="append", default=[], metavar="NAME[=SIZE]")
    add("--fault-version", choices=VERSIONS, default=FAULTY_VERSION, help="default: %(default)s")
    add(
        "--compute",
        type=int,
        choices=range(101),
        default=0,
        metavar="ROUNDS",
        help="rounds of real computing in a checkout, about 1.5 ms each; default: %(default)s",
    )
    add("--seed", type=int, default=7, help="of arrivals and times of work; default: %(default)s")
    add(
        "--instances",
        type=int,
        choices=range(1, instances_most + 1),
        default=instances_most,
        help="most instances of a service a version runs; default: %(default)s",
    )
    add(
        "--export-delay",
        type=_positive,
        default=5.0,
        help="seconds between two batches of spans; default: %(default)s",
    )


def _plan(arguments: argparse.Namespace, endpoint: str) -> "Plan":
    from shop_fleet import Plan

    return Plan(
        endpoint=endpoint,
        gzip=getattr(arguments, "gzip", False),
        seed=arguments.seed,
        export_delay_s=arguments.export_delay,
        instances_most=arguments.instances,
        faults={fault.name: fault.size for fault in arguments.fault},
        fault_version=arguments.fault_version,
        compute=arguments.compute,
        pids_file=getattr(arguments, "pids_file", None),
    )


def _run(arguments: argparse.Namespace) -> "Tally | str":
    from shop_fleet import open_shop
    from shop_load import run_load, stepped
    from shop_tally import lines, tally_json

    plan = replace(
        _plan(arguments, arguments.endpoint),
        scale=dict(arguments.scale),
        versions=tuple(dict.fromkeys(arguments.release)) or VERSIONS,
        known=Known(
            metrics_s=arguments.metrics,
            cpu_ms=dict(arguments.cpu_ms),
            concurrency=dict(arguments.concurrency),
            price_writes_per_s=arguments.price_writes,
            cache_ttl_s=arguments.cache_ttl,
            miss_ms=arguments.miss_ms,
        ),
    )
    steps = load_steps(arguments.ramp, arguments.rate, arguments.seconds)
    told: dict[str, Any] = {}
    with open_shop(plan, told=told) as gateways:
        print("the shop is open", flush=True)
        customers = stepped(plan.seed, steps, plan.versions, arguments.visit)
        tally = run_load(_announced(customers, steps), gateways)
    if not arguments.tally:
        return tally
    account = tally_json(plan, steps, tally, told)
    arguments.tally.write_text(json.dumps(account, indent=1) + "\n")
    return f"{tally}\n{lines(arguments.tally, account['steps'])}"


def _announced(customers: "Iterator[Arrival]", steps: tuple[LoadStep, ...]) -> "Iterator[Arrival]":
    """Say which step of a ramp begins, to who watches."""
    before = -1
    for arrival in customers:
        if arrival.step != before and len(steps) > 1 and sys.stderr.isatty():
            step = steps[arrival.step]
            place = f"step {arrival.step + 1} of {len(steps)}"
            print(f"{place}: {step.rate_per_s:g}/s for {step.seconds:g} s", file=sys.stderr)
        before = arrival.step
        yield arrival


def _record(arguments: argparse.Namespace) -> "Tally":
    from shop_record import record

    command = ["python", "data/shop.py", *sys.argv[1:]]
    # The endpoint is the recorder's own and known only once it listens.
    plan = _plan(arguments, endpoint="")
    return record(arguments.out, plan, arguments.rate, arguments.seconds, command)


def _profile(arguments: argparse.Namespace) -> str:
    from shop_profiles import record_profiles

    plan = _plan(arguments, endpoint="")
    seconds = max(1, round(arguments.seconds))
    rounds, only = arguments.rounds, arguments.only
    return record_profiles(arguments.out, plan, arguments.rate, seconds, rounds, only)


def _serve(arguments: argparse.Namespace) -> None:
    from shop_process import serve
    from shop_tracing import Place

    serve(Place.from_json(arguments.place))


def main() -> int:
    """Run a command; return 0, 1 where the shop failed, 130 where it was interrupted."""
    arguments = parser().parse_args()
    if arguments.command == "serve":
        _serve(arguments)
        return 0
    # A shell that starts us in the background has SIGINT ignored; closing well matters more.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    # Imported here and in the commands, so that --help is quick and needs no SDK.
    from shop_fleet import ShopError

    try:
        print(arguments.act(arguments))
    except KeyboardInterrupt:
        print("interrupted; the shop is closed", file=sys.stderr)
        return 130
    except ShopError as error:
        print(f"shop.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
