"""Text of strangers made safe to show: nothing in it is markup, hidden, or turns others around."""

import html
import re
import textwrap

# Of a terminal, that lines for people fit in.
COLUMNS = 100

# Controls, which XML forbids and nobody sees, and the marks that reorder what stands around them.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff]"
)


def visible(text: str) -> str:
    r"""Write what cannot be seen as its number.

    >>> visible("a\u202eb\n")
    'a\\u202eb\\u000a'
    """
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def escaped(text: str) -> str:
    """Write a text so that it can stand in HTML or XML, also inside quotes.

    >>> escaped("</script>")
    '&lt;/script&gt;'
    """
    return html.escape(visible(text))


def folded(line: str, indent: str = "") -> str:
    """Break a long line between words, so that it fits a terminal.

    Args:
        line: without a line break.
        indent: before each of its lines; those after the first stand two further in.

    >>> folded("note: short", "  ")
    '  note: short'
    """
    return textwrap.fill(
        line,
        COLUMNS,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
