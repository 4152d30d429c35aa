"""speedscope's JSON: the profiles of one document, sampled or as events."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from collectors.collector import Collector, Head, Reading, Reject, Rows

if TYPE_CHECKING:
    from collectors.expand import Content

# Either may stand anywhere in the document's beginning: writers order keys as they like.
_SCHEMA = re.compile(rb'"\$schema"\s*:\s*"https?:(?:\\?/){2}(?:www\.)?speedscope\.app\\?/')
_SHARED_FRAMES = re.compile(rb'"shared"\s*:\s*\{\s*"frames"\s*:')
_PROFILE = re.compile(rb'"type"\s*:\s*"(?:sampled|evented)"')
_BOM = b"\xef\xbb\xbf"


def _sniff(head: Head) -> bool:
    """Tell a speedscope document by its schema, or by its frames and profiles."""
    text = head.content.removeprefix(_BOM).lstrip()
    if not text.startswith(b"{"):
        return False
    by_content = _SHARED_FRAMES.search(text) and _PROFILE.search(text)
    return bool(_SCHEMA.search(text) or by_content)


def _read(content: "Content", reading: Reading) -> Iterator[Rows | Reject]:
    """Read a speedscope document."""
    from collectors.speedscope_rows import read

    return read(content, reading)


SPEEDSCOPE = Collector(
    format="speedscope",
    summary="speedscope JSON, sampled and evented, as py-spy and others write it",
    signals=("profiles",),
    suffixes=(".speedscope.json", ".json"),
    sniff=_sniff,
    read=_read,
)
