"""What a request holds, and how much of it cannot be kept."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from collectors.otlp.columns import Bools


@dataclass(frozen=True)
class Rejection:
    """What a request holds and how much of it cannot be kept.

    Attributes:
        total: items in the request.
        rejected: how many of them are invalid.
        reasons: how many by reason; an item may have several.
        warning: what its sender should know although all is kept; empty when there is nothing.
    """

    total: int
    rejected: int
    reasons: dict[str, int]
    warning: str = ""


def rejection(total: int, masks: Mapping[str, Bools]) -> Rejection:
    """Count what is invalid.

    >>> rejection(3, {"no name": np.array([True, False, True])})
    Rejection(total=3, rejected=2, reasons={'no name': 2}, warning='')
    """
    if not masks:
        return Rejection(total, 0, {})
    reasons = {reason: int(mask.sum()) for reason, mask in masks.items()}
    return Rejection(total, int(np.logical_or.reduce(list(masks.values())).sum()), reasons)
