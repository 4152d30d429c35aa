"""A small web shop of real processes, traced with OpenTelemetry, with faults to switch on.

Two versions run side by side and share the traffic evenly. `run` sends their spans to any OTLP
receiver; `record` keeps them as the sample in data/sample, `profile` what profilers see of it.
"""

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from shop_model import FAULTS, FAULTY_VERSION, SERVICES, VERSIONS, Fault, fault_from

if TYPE_CHECKING:
    from shop_fleet import Plan
    from shop_load import Tally

EXAMPLES = """\
faults, switched on with --fault NAME or --fault NAME=SIZE, for one version only:
{faults}

examples:
  python data/shop.py run --endpoint http://127.0.0.1:4317 --seconds 60 --rate 20
  python data/shop.py run --fault slow-tail --fault errors=0.1
  python data/shop.py record --out data/sample/otlp --seconds 720 --rate 11.4 \\
      --fault slow-operation --fault n-plus-one
"""


def fault_table() -> str:
    """Return the faults with their default sizes, a line each."""
    return "\n".join(
        f"  {fault.name:<15} {fault.size:>5g} {fault.unit:<8} {fault.effect}" for fault in FAULTS
    )


def _fault(text: str) -> Fault:
    try:
        return fault_from(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: a number above zero, please")
    return number


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
    serve = commands.add_parser("serve")  # one process of the shop; the others start it
    serve.add_argument("place")
    serve.set_defaults(act=_serve)
    return top


def _add_shop_options(command: argparse.ArgumentParser) -> None:
    add: Callable[..., argparse.Action] = command.add_argument
    instances_most = max(service.instances for service in SERVICES)
    add("--seconds", type=_positive, help="how long customers come; default: %(default)s")
    add("--rate", type=_positive, help="customers a second, both versions; default: %(default)s")
    add("--fault", type=_fault, action="append", default=[], metavar="NAME[=SIZE]")
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


def _run(arguments: argparse.Namespace) -> "Tally":
    from shop_fleet import open_shop
    from shop_load import arrivals, run_load

    with open_shop(_plan(arguments, arguments.endpoint)) as gateways:
        print("the shop is open", flush=True)
        return run_load(arrivals(arguments.seed, arguments.rate, arguments.seconds), gateways)


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
