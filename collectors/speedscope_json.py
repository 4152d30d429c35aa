"""A profile that is one JSON document: loaded whole, within a limit, whatever is in it."""

import codecs
import json
from collections import Counter
from typing import Any

from collectors.expand import Content
from pipeline.errors import BadFile

# The document is held as Python objects, some six times its size.
DOCUMENT_BYTES_MOST = 512 << 20

_INT64_MOST = 2**63 - 1
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def load_document(content: Content, name: str, warnings: Counter[str]) -> Any:
    """Load a file of one JSON document.

    Args:
        content: the file.
        name: of its format, for errors.
        warnings: gains invalid_utf8 where bytes that are no text were replaced.

    Raises:
        BadFile: it is too large, cut off, no JSON, or nested beyond all measure.
    """
    data = bytearray()
    for chunk in content.chunks():
        data += chunk
        if len(data) > DOCUMENT_BYTES_MOST:
            raise BadFile(
                f"{content.path}: {name}: one document of more than {DOCUMENT_BYTES_MOST >> 20} "
                f"MiB; record for a shorter time, or into several files"
            )
    encoding = "utf-16" if data.startswith(_UTF_16) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        warnings["invalid_utf8"] += 1
        text = data.decode(encoding, "replace")
    del data
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadFile(
            f"{content.path}: {name}: no whole JSON document ({error}); "
            f"copy it again, or record it anew"
        ) from error


def text_of(value: Any) -> str:
    """Give a text as it is, and nothing for what is none.

    Lone halves of surrogate pairs, which JSON can write and UTF-8 cannot, are replaced.

    >>> text_of("main"), text_of(3), text_of(None)
    ('main', '', '')
    """
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def number_of(value: Any) -> int:
    """Give a positive whole number that fits 63 bits, and 0 for anything else.

    >>> number_of(7), number_of(7.0), number_of(-1), number_of(True), number_of(2**63)
    (7, 7, 0, 0, 0)
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 < value <= _INT64_MOST else 0
