"""Old bpftrace writes some values without quotes: give them theirs, so that it is JSON."""

import json
import re

# What is quoted; what a parenthesis holds; and what is bare, as far as the next of JSON's signs.
_TOKEN = re.compile(
    r"""
    "(?:[^"\\]|\\.)*"
    | \([^()"]*\)
    | [^"\[\]{},:\s](?:[^"\[\]{},:]|:(?=\S))*
    """,
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def quoted(text: str) -> str:
    """Put what is neither quoted nor a number into quotes.

    >>> quoted('{"type": "map", "data": {"@k": main+7, "@n": 3}}')
    '{"type": "map", "data": {"@k": "main+7", "@n": 3}}'
    """
    return _TOKEN.sub(_quote, text)


def _quote(found: re.Match[str]) -> str:
    """Give a token as JSON."""
    token = found[0]
    bare = token.rstrip()
    if token[0] == '"' or _NUMBER.fullmatch(bare) or bare in ("true", "false", "null"):
        return token
    return json.dumps(bare, ensure_ascii=False) + token[len(bare) :]
