"""Why an operation got worse, written into a page, a pull request and a test report."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from pipeline.jobs.why_answer import Exemplar, Growth, Why
from pipeline.report.text import MISSING, significant
from pipeline.report.visible import escaped, visible

_NANO_A_SECOND = 1_000_000_000
_MOST_EXEMPLARS = 10
_MOST_CAUSES = 12
_MOST_LETTERS = 300
# In a pull request's comment, which has an end.
_MOST_FOLDED = 10


def why_html(why: Why) -> str:
    """Give what explains one operation: a list of causes and a table of requests to look at."""
    causes = "".join(f"<li>{escaped(_short(each.text))}</li>" for each in why.causes[:_MOST_CAUSES])
    parts = [
        '<section class="why"><h4>Why</h4>',
        "".join(f"<p>{escaped(_grown(each))}</p>" for each in why.growth),
        f"<ul>{causes}</ul>" if causes else "",
        f'<p class="quiet">{escaped(_short(why.reason))}</p>' if why.reason else "",
        _left(len(why.causes) - _MOST_CAUSES, "causes"),
    ]
    parts.append(_exemplars("Requests of the canary to look at", why.exemplars))
    parts.append(_exemplars("Usual requests of the baseline", why.baseline_exemplars))
    return "".join([*parts, "</section>"])


def why_markdown(whys: Sequence[Why]) -> list[str]:
    """Give lines for a pull request, folded away by operation; HTML because Markdown has none."""
    lines: list[str] = []
    for number, why in enumerate(whys):
        if number == _MOST_FOLDED:
            return [*lines, "", f"{len(whys) - number} more are explained in the JSON."]
        lines += ["", "<details>", f"<summary>Why: {escaped(_named(why))}</summary>", "", "<ul>"]
        lines += [f"<li>{escaped(_short(each.text))}</li>" for each in why.causes[:_MOST_CAUSES]]
        if why.reason:
            lines.append(f"<li>{escaped(_short(why.reason))}</li>")
        for each in why.exemplars[:_MOST_EXEMPLARS]:
            lines.append(f"<li>{_took(each)}: trace <code>{escaped(each.trace_id)}</code></li>")
        lines += ["</ul>", "</details>"]
    return lines


def why_sentences(why: Why) -> list[str]:
    """Give causes and exemplars of one operation as plain sentences."""
    told = [visible(_short(each.text)) for each in why.causes[:_MOST_CAUSES]]
    told += [visible(_short(why.reason))] if why.reason else []
    traces = [visible(each.trace_id) for each in why.exemplars[:3]]
    return [*told, *([f"slow requests: {', '.join(traces)}"] if traces else [])]


def _exemplars(title: str, exemplars: Sequence[Exemplar]) -> str:
    """Give requests as a table; empty for none."""
    if not exemplars:
        return ""
    rows = "".join(_exemplar(each) for each in exemplars[:_MOST_EXEMPLARS])
    names = ("took", "began (UTC)", "trace", "span", "instance")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    return (
        f'<h4>{title}</h4><div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{_left(len(exemplars) - _MOST_EXEMPLARS, 'requests')}"
    )


def _grown(each: Growth) -> str:
    """Write how much slower the requests of a scope became."""
    baseline, canary = significant(each.baseline_ms), significant(each.canary_ms)
    sure = "" if math.isnan(each.margin_ms) else f" ± {significant(each.margin_ms, 3)}"
    return (
        f"{each.scope}: {baseline} → {canary} ms, {each.growth_ms:+.3g}{sure} ms "
        f"({each.baseline_requests:,.0f} and {each.canary_requests:,.0f} requests looked at)"
    )


def _exemplar(each: Exemplar) -> str:
    """Give one request as a row."""
    seconds = each.start_unix_nano / _NANO_A_SECOND
    began = (
        datetime.fromtimestamp(seconds, UTC).isoformat(" ", "milliseconds").removesuffix("+00:00")
    )
    cells = (
        _took(each),
        began,
        f"<code>{escaped(each.trace_id)}</code>",
        f"<code>{escaped(each.span_id)}</code>",
        escaped(_short(each.service_instance_id)) or MISSING,
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _took(each: Exemplar) -> str:
    return f"{significant(each.duration_ms)} ms" + (", failed" if each.failed else "")


def _named(why: Why) -> str:
    return _short(" · ".join(each for each in (why.service_name, why.operation) if each))


def _left(count: int, what: str) -> str:
    return f'<p class="quiet">{count} more {what} are in the JSON.</p>' if count > 0 else ""


def _short(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"
