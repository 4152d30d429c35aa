"""The layers of ARCHITECTURE.md hold in the code."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
MOST_LINES = 300
MOST_FUNCTION_LINES = 50

# Used by every layer; they hold no state and do no I/O of their own.
EVERYWHERE = {"numpy", "pyarrow", "pipeline"}


def layers() -> list[list[str]]:
    """Read the table of layers."""
    block = re.search(r"((?:^    (?:pipeline|collectors)[^\n]*\n)+)", TEXT, re.MULTILINE)
    assert block
    return [[name.strip() for name in line.split("·")] for line in block[1].splitlines()]


def third_parties() -> dict[str, list[str]]:
    """Read the table of third parties."""
    rows = re.findall(r"^\| (\w+) \| ([\w., ]+) \|$", TEXT, re.MULTILINE)
    return {name: [place.strip() for place in places.split(",")] for name, places in rows}


def modules() -> list[tuple[str, Path]]:
    """Give every module of the product with its dotted name."""
    found = []
    for package in ("pipeline", "collectors"):
        for file in sorted((ROOT / package).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            found.append((".".join(part for part in parts if part != "__init__"), file))
    return found


def imports(file: Path) -> Iterator[str]:
    """Give what a module imports, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_of(name: str) -> tuple[int, str] | None:
    """Give the layer a module stands in, and the name it stands under."""
    for number, names in enumerate(layers()):
        for prefix in names:
            if name == prefix or name.startswith(prefix + "."):
                return number, prefix
    return None


@pytest.mark.parametrize(("name", "file"), modules(), ids=lambda value: str(value))
def test_a_module_imports_only_from_layers_above_its_own(name: str, file: Path) -> None:
    own = layer_of(name)
    if own is None:
        assert name == "pipeline", f"{name} stands in no layer of ARCHITECTURE.md"
        assert not list(imports(file))
        return
    for imported in imports(file):
        other = layer_of(imported)
        if other is None or other[1] == own[1]:
            continue
        assert other[0] < own[0], f"{name} imports {imported}"


@pytest.mark.parametrize(("name", "file"), modules(), ids=lambda value: str(value))
def test_a_third_party_is_imported_only_where_the_table_says(name: str, file: Path) -> None:
    table = third_parties()
    for imported in imports(file):
        top = imported.split(".")[0]
        if top in sys.stdlib_module_names or top in EVERYWHERE or top == "collectors":
            continue
        assert top in table, f"{name} imports {top}, which ARCHITECTURE.md does not name"
        allowed = table[top]
        assert any(name == place or name.startswith(place + ".") for place in allowed), (
            f"{name} imports {top}, which belongs to {', '.join(allowed)}"
        )


@pytest.mark.parametrize(("name", "file"), modules(), ids=lambda value: str(value))
def test_modules_and_functions_stay_short_and_open_with_a_sentence(name: str, file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert text.count("\n") <= MOST_LINES
    assert ast.get_docstring(tree), f"{name} has no opening sentence"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = int(node.end_lineno or 0) - node.lineno + 1
            assert length <= MOST_FUNCTION_LINES, f"{name}.{node.name} has {length} lines"


def test_each_layer_of_the_table_is_told_once() -> None:
    names = [name for line in layers() for name in line]
    assert len(names) == len(set(names))
    assert {"pipeline.lake", "collectors", "pipeline.cli"} <= set(names)
