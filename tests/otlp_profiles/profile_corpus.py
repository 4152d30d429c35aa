"""Where the corpus of real files is, if it is here."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest


def corpus() -> Path:
    """Give the folder of the corpus; skips where there is none."""
    beside = Path(__file__).parents[3] / "shared" / "corpus"
    folder = Path(os.environ.get("TAILGATE_CORPUS", beside))
    if not (folder / "manifest.json").is_file():
        pytest.skip(f"no corpus of real files at {folder}; TAILGATE_CORPUS says where it is")
    return folder


@cache
def entries(folder: Path) -> dict[str, dict[str, Any]]:
    """Give what the manifest says of each file."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return {entry["file"]: entry for entry in manifest["files"]}
