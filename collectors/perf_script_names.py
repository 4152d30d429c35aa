"""Names of functions as perf prints them, tidied for people: Java, JavaScript, Rust, C++, Go."""

import re
from typing import NamedTuple

_JAVA = re.compile(r"^L?([\w$/-]+)(?:;::|;\.|::)([\w$<>]+)(?:\(.*)?$")
# perf cuts names far below that; longer ones are damage, and costly to search.
_MACHINE_NAME_MOST = 4096

# perf cuts long names, and the method with it.
_CUT_JAVA = re.compile(r"^L[\w$]+(?:/[\w$-]+)+;?$")
_JAVASCRIPT = re.compile(
    r"^(?:LazyCompile|Function|Script|Eval|JS|Callback):[*~^+]?(?P<name>.*?)"
    r"(?:(?:^|\s)(?P<file>\S+?):(?P<line>\d+)(?::(?P<column>\d+))?)?(?:\s\[.*\])?$"
)
_OTHER_JAVASCRIPT = re.compile(r"^(?:RegExp|Builtin|Stub|Handler|BytecodeHandler|Wasm|WASM):")
_RUST_HASH = re.compile(r"::h[0-9a-f]{16}$")
_RUST_ESCAPES = {
    "$LT$": "<",
    "$GT$": ">",
    "$RF$": "&",
    "$BP$": "*",
    "$C$": ",",
    "$LP$": "(",
    "$RP$": ")",
    "$u20$": " ",
    "$u27$": "'",
    "$u5b$": "[",
    "$u5d$": "]",
    "$u7b$": "{",
    "$u7d$": "}",
    "$u7e$": "~",
}
_VERSION = re.compile(r"@@?[A-Z][\w.]*$")
_NOTABLE = re.compile(r"operator\s*(?:\(\)|->\*?|<=>|<<=?|>>=?|[<>]=?)|->|[(<{\[]")
_OPEN = {"(": ")", "<": ">", "{": "}", "[": "]"}
# The sign in "->" and "=>" closes nothing.
_BRACKET = re.compile(r"[(<{\[)}\]]|(?<![-=])>")


class Name(NamedTuple):
    """What a symbol says.

    Attributes:
        function: the name for people.
        kind: python, java or js; empty where it does not show.
        file, line, column: where in the source; 0 for unknown.
    """

    function: str
    kind: str = ""
    file: str = ""
    line: int = 0
    column: int = 0


def tidy(symbol: str, is_jit: bool) -> Name:
    """Read a symbol.

    Args:
        symbol: as perf prints it, without its offset.
        is_jit: it is in code that was made as the program ran.

    >>> tidy("Lorg/app/Shop;::pay", True)
    Name(function='org.app.Shop.pay', kind='java', file='', line=0, column=0)
    >>> tidy("LazyCompile:*pay /srv/shop.js:12", True)
    Name(function='pay', kind='js', file='/srv/shop.js', line=12, column=0)
    >>> tidy("core::fmt::write::h0123456789abcdef", False).function
    'core::fmt::write'
    """
    if symbol.startswith("py::"):
        function, _, file = symbol[4:].partition(":")
        return Name(function or symbol, "python", file)
    if is_jit and len(symbol) <= _MACHINE_NAME_MOST:
        found = _of_virtual_machine(symbol)
        if found:
            return found
    if symbol.startswith("L") and ";" in symbol and (java := _JAVA.match(symbol)):
        return Name(f"{java[1].replace('/', '.')}.{java[2]}", "java")
    plain = _RUST_HASH.sub("", symbol)
    if "$" in plain and any(escape in plain for escape in _RUST_ESCAPES):
        plain = _without_escapes(plain)
    return Name(short_name(_VERSION.sub("", plain)) or symbol)


def _of_virtual_machine(symbol: str) -> Name | None:
    """Read a symbol of Java or JavaScript; None for another."""
    if symbol == "Interpreter":
        return Name(symbol, "java")
    if script := _JAVASCRIPT.match(symbol):
        line, column = (int((script[part] or "0")[:9]) for part in ("line", "column"))
        return Name(script["name"] or "(anonymous)", "js", script["file"] or "", line, column)
    if _OTHER_JAVASCRIPT.match(symbol):
        return Name(symbol, "js")
    if "/" in symbol and (java := _JAVA.match(symbol)):
        return Name(f"{java[1].replace('/', '.')}.{java[2]}", "java")
    if _CUT_JAVA.match(symbol):
        return Name(symbol[1:].replace("/", "."), "java")
    return None


def _without_escapes(symbol: str) -> str:
    """Give a name of Rust as it stands in its source."""
    for escape, meaning in _RUST_ESCAPES.items():
        symbol = symbol.replace(escape, meaning)
    plain = symbol.replace("..", "::")
    return plain[1:] if plain.startswith("_<") else plain


def short_name(symbol: str) -> str:
    """Cut the list of arguments off a C++ name, and nothing that belongs to the name.

    Args:
        symbol: a name in clear text; others are given back.

    >>> short_name("std::function<int (int)>::operator()(int) const")
    'std::function<int (int)>::operator()'
    >>> short_name("(anonymous namespace)::run(char*)"), short_name("net/http.(*conn).serve")
    ('(anonymous namespace)::run', 'net/http.(*conn).serve')
    """
    if "(" not in symbol:
        return symbol
    found = _NOTABLE.search(symbol)
    while found:
        place, behind = found.span()
        if found[0] in _OPEN:
            behind = _balanced(symbol, place)
            if not behind:
                return symbol
            if found[0] == "(" and _are_arguments(symbol, place, behind):
                return symbol[:place].rstrip()
        found = _NOTABLE.search(symbol, behind)
    return symbol


def _are_arguments(symbol: str, place: int, behind: int) -> bool:
    """Tell whether what is in parentheses is the list of arguments of the function itself."""
    if not place or symbol.endswith("decltype", 0, place):
        return False
    # A scope, as in f(int)::local, or Go's receiver.
    return not symbol.startswith(("::", "."), behind)


def _balanced(symbol: str, place: int) -> int:
    """Give the place behind the bracket that closes the one here; 0 where none does."""
    wanted: list[str] = []
    for found in _BRACKET.finditer(symbol, place):
        bracket = found[0]
        if bracket in _OPEN:
            wanted.append(_OPEN[bracket])
        elif wanted.pop() != bracket:
            return 0
        if not wanted:
            return found.end()
    return 0
