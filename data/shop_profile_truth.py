"""What the recorded profiles hold, counted line by line, without the code that imports them."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

_PERF_HEADER = re.compile(rb"^\S.*:\s+\d+ cpu-clock:", re.MULTILINE)


def facts(folder: Path) -> dict[str, Any]:
    """Count what each recording below a folder holds.

    Returns:
        By the file's path: the samples of profiles and the functions most often at their leaves,
        the counters and maps of the others.
    """
    return {
        str(path.relative_to(folder)): _facts(path.name, gzip.decompress(path.read_bytes()))
        for path in sorted(folder.glob("*/*.gz"))
    }


def _facts(name: str, content: bytes) -> dict[str, Any]:
    """Count one recording by its kind, which its name tells."""
    if ".pyspy." in name and name.endswith("raw.txt.gz"):
        return _of_folded(content.decode())
    if "speedscope" in name:
        profiles = json.loads(content)["profiles"]
        return {"profiles": len(profiles), "samples": sum(len(p["samples"]) for p in profiles)}
    if "chrometrace" in name:
        return {"events": len(json.loads(content))}
    if "perf-script" in name:
        return {"samples": len(_PERF_HEADER.findall(content))}
    if "perf-stat" in name:
        lines = [line for line in content.splitlines() if line and not line.startswith(b"#")]
        return {"counters": len(lines)}
    return _of_bpftrace(content)


def _of_folded(text: str) -> dict[str, Any]:
    """Count folded stacks."""
    leaves: Counter[str] = Counter()
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        leaf = stack.rpartition(";")[2].partition(" (")[0]
        leaves[leaf or "[no stack]"] += int(count)
    return {"samples": leaves.total(), "leaves": dict(leaves.most_common(3))}


def _of_bpftrace(content: bytes) -> dict[str, Any]:
    """Count what maps hold."""
    found: dict[str, Any] = {}
    for line in filter(bytes.strip, content.splitlines()):
        told = json.loads(line, object_pairs_hook=_added_up)
        if told["type"] == "map":
            for name, entries in told["data"].items():
                found[name] = sum(entries.values()) if isinstance(entries, dict) else entries
        if told["type"] == "hist":
            for name, buckets in told["data"].items():
                found[name] = sum(bucket["count"] for bucket in buckets)
    return found


def _added_up(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object; stacks that differ by their addresses alone are printed as one key twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = found[key] + value if isinstance(found.get(key), int) else value
    return found
