"""The JSON Schema of the budgets in tailgate.toml, for editors: made of the table of keys."""

import math
from typing import Any

from pipeline.gate.budget_keys import (
    ABSOLUTE,
    BUDGET_KINDS,
    FLAG,
    KEYS,
    NEEDS_ONE_OF,
    NUMBER,
    RELATIVE,
    SLO,
    SQL,
    TEXT,
    Key,
    metric_names,
)
from pipeline.jobs.cache_names import SECTION, section_schema
from pipeline.jobs.named_metrics import GENERIC

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# The keys that a budget of a kind cannot do without.
_REQUIRED = {ABSOLUTE: ("metric",), RELATIVE: ("metric",), SLO: ("slo",), SQL: ("sql",)}


def budget_schema() -> dict[str, Any]:
    """Give the schema of a settings file, draft 2020-12; budgets and [cache] are told in full."""
    budget = {
        "type": "object",
        "properties": {key.name: _property(key) for key in KEYS},
        "additionalProperties": False,
        "oneOf": [_of_kind(kind) for kind in BUDGET_KINDS],
    }
    return {
        "$schema": DIALECT,
        "title": "tailgate.toml",
        "description": "Settings and budgets of tailgate.",
        "type": "object",
        "properties": {
            "budget": {"type": "array", "minItems": 1, "items": budget},
            SECTION: section_schema(),
        },
    }


def _property(key: Key) -> dict[str, Any]:
    """Say what one key takes."""
    said: dict[str, Any] = {"type": key.type, "description": key.meaning}
    if key.name == "metric":
        known = [name for name in metric_names() if not name.startswith(GENERIC)]
        said |= {"anyOf": [{"enum": known}, {"pattern": f"^{GENERIC}.+$"}]}
    if key.type == TEXT:
        said |= {"minLength": 1}
    if key.type == NUMBER and math.isfinite(key.least):
        said |= {"minimum": key.least}
    if key.choices:
        said |= {"enum": list(key.choices)}
    if key.pattern:
        said |= {"pattern": f"^({key.pattern})$"}
    if key.example != "" or key.type == FLAG:
        said |= {"examples": [key.example if key.example != "" else True]}
    return said


def _of_kind(kind: str) -> dict[str, Any]:
    """Say which keys budgets of a kind have."""
    return {
        "title": BUDGET_KINDS[kind],
        "required": list(_REQUIRED[kind]),
        "properties": {key.name: False for key in KEYS if kind not in key.kinds},
        "anyOf": [{"required": [name]} for name in NEEDS_ONE_OF[kind]],
    }
