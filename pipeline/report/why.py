"""Why operations got worse, as lines for a terminal and as values for programs."""

from collections.abc import Sequence
from typing import Any

from pipeline.gate.plain_values import plain
from pipeline.jobs.why_answer import Why
from pipeline.report.text import significant
from pipeline.report.visible import visible

WHY_SCHEMA = "tailgate.why/1"


def why_text_lines(whys: Sequence[Why]) -> list[str]:
    """Give lines: each operation, by how much it grew, its causes, requests to look at."""
    lines = []
    for why in whys:
        lines.append(visible(f"{why.service_name} {why.operation}".strip()))
        lines += [
            f"  {each.scope}: {each.baseline_ms:.4g} → {each.canary_ms:.4g} ms "
            f"({each.baseline_requests:.0f} and {each.canary_requests:.0f} requests)"
            for each in why.growth
        ]
        lines += [f"  - {visible(each.text)}" for each in why.causes]
        for title, shown in (
            ("canary's slow", why.exemplars),
            ("baseline's median", why.baseline_exemplars),
        ):
            for each in shown:
                failed = ", failed" if each.failed else ""
                place = visible(f"{each.trace_id} {each.service_instance_id}")
                lines.append(f"  {title}: {significant(each.duration_ms)} ms{failed}: {place}")
        if why.reason:
            lines.append(f"  note: {visible(why.reason)}")
    return lines


def why_document(whys: Sequence[Why]) -> list[dict[str, Any]]:
    """Give everything that is known, for programs; null for unknown."""
    return [plain(each) for each in whys]
