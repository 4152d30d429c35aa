"""The README of a recorded sample, written from what was counted."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version as installed
from string import Template
from typing import Any

from shop_model import FAULTS, HOST_SIGMA

PACKAGES = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-grpc", "grpcio", "protobuf")

TEMPLATE = Template("""\
# A recorded sample: two versions of a small shop

Written by `data/shop.py record`, together with `expected.json`; do not edit by hand.

## Where it comes from

Real processes, real HTTP calls on loopback, the real OpenTelemetry SDK and its OTLP exporter over
gRPC. What is made up is the work: a service sleeps for a lognormal time instead of computing,
hosts differ by about $host_spread %, and all of them drift together from minute to minute.
Customers arrive as a Poisson process that never waits for an answer.

- Made by `$command`
- Recorded $start to $end UTC; spans start in $minutes calendar minutes
- Python $python, $packages
- Host names are made up (`shop-host-1` ...); `server.address` is the logical name of a service
- The load: $load

To make it again: `make sample`, or the command above. Ids and times differ each time, the
arrivals and their baskets do not (seed $seed).

## Files

Each file holds one version's OTLP export requests (`ExportTraceServiceRequest`) as they arrived,
each after its length in 4 bytes, big end first: the framing of the OpenTelemetry Collector's file
exporter. The whole is gzipped.

$files

`expected.json` holds what a plain walk over these protobufs counts: spans, errors and exact
p50, p95 and p99 of the duration for each service, version, kind and operation. The method is
$quantile_method.

## What is in it

$versions

Instances, for either version: $instances.

## What is wrong with $fault_version

$faults

$measured

## Operations that serve requests

Durations in milliseconds.

$operations
""")


def table(header: list[str], rows: list[list[Any]]) -> str:
    """Write a Markdown table.

    >>> print(table(["a", "b"], [[1, "x"]]))
    | a | b |
    |---|---|
    | 1 | x |
    """
    lines = [header, ["---"] * len(header), *rows]
    marked = ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]
    marked[1] = marked[1].replace(" ", "")
    return "\n".join(marked)


def _utc(unix_nano: int) -> str:
    return datetime.fromtimestamp(unix_nano / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")


def readme(expected: dict[str, Any]) -> str:
    """Write the README for the facts of `expected.json`."""
    versions = expected["versions"]
    first = next(iter(versions.values()))
    return TEMPLATE.substitute(
        command=expected["command"],
        host_spread=f"{HOST_SIGMA * 100:g}",
        start=_utc(expected["start_unix_nano_min"]),
        end=_utc(expected["end_unix_nano_max"]),
        minutes=expected["minutes_started_in"],
        load=expected["load"],
        python=platform.python_version(),
        packages=", ".join(f"{package} {installed(package)}" for package in PACKAGES),
        seed=expected["seed"],
        files=table(
            ["file", "bytes", "unpacked", "sha256"],
            [
                [
                    f"`{name}`",
                    f"{facts['bytes']:,}",
                    f"{facts['bytes_unpacked']:,}",
                    facts["sha256"],
                ]
                for name, facts in expected["files"].items()
            ],
        ),
        quantile_method=expected["quantile_method"],
        versions=table(
            ["version", "traces", "spans", "export requests", "first start", "last end"],
            [
                [
                    version,
                    facts["traces"],
                    facts["spans"],
                    facts["export_requests"],
                    _utc(facts["start_unix_nano_min"]),
                    _utc(facts["end_unix_nano_max"]),
                ]
                for version, facts in versions.items()
            ],
        ),
        instances=", ".join(f"{len(ids)} of {name}" for name, ids in first["instances"].items()),
        fault_version=expected["fault_version"],
        faults=_faults(expected["faults"]),
        measured=_measured(versions),
        operations=_operations(expected["operations"]),
    )


def _faults(sizes: dict[str, float]) -> str:
    if not sizes:
        return "Nothing: no fault was switched on."
    return "\n".join(
        f"- `{fault.name}={sizes[fault.name]:g}`: "
        + fault.effect.replace("SIZE", f"{sizes[fault.name]:g}")
        for fault in FAULTS
        if fault.name in sizes
    )


def _measured(versions: dict[str, Any]) -> str:
    rows = []
    for version, facts in versions.items():
        cache, carts = facts["price_cache"], facts["cart_reads"]
        rows.append(
            [
                version,
                f"{carts['database_spans'] / max(1, carts['requests']):.2f}",
                f"{100 * cache['hits'] / max(1, cache['hits'] + cache['misses']):.1f} %",
            ]
        )
    return "As counted:\n\n" + table(
        ["version", "database spans a cart read", "price cache hits"], rows
    )


def _operations(operations: list[dict[str, Any]]) -> str:
    served = [row for row in operations if row["kind"] == "SERVER"]
    served.sort(key=lambda row: (row["service"], row["operation"], row["version"]))
    return table(
        ["service", "operation", "version", "spans", "errors", "p50", "p95", "p99"],
        [
            [row["service"], f"`{row['operation']}`", row["version"], row["spans"], row["errors"]]
            + [f"{row[f'duration_ms_p{percent}']:.2f}" for percent in (50, 95, 99)]
            for row in served
        ],
    )
