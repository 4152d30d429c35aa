"""What the counts of folded stacks are: their profile type, unit and period."""

from dataclasses import dataclass

from collectors.origin import Origin
from collectors.profile_types import canonical_unit, normal_name

# Tools that measure how long threads wait, in µs.
_OFF_CPU_TOOLS = ("offcputime", "offwaketime", "wakeuptime")
# Tools that count what happens, whatever it is.
_EVENT_TOOLS = ("stackcount",)


@dataclass(frozen=True)
class FoldedUnit:
    """What a count means.

    Attributes:
        kind: profile type of the schema.
        name: of the sample type.
        unit: canonical.
        factor: how many of it one counts for.
        observations: whether a count is one of samples taken.
    """

    kind: str
    name: str
    unit: str
    factor: int
    observations: bool


def folded_unit(origin: Origin) -> FoldedUnit:
    """Give what the counts of a file mean, by what is said of it.

    >>> folded_unit(Origin())
    FoldedUnit(kind='cpu', name='samples', unit='count', factor=1, observations=True)
    >>> folded_unit(Origin(tool="offcputime")).factor
    1000
    """
    tool = normal_name(origin.tool).removesuffix("_bpfcc").removesuffix(".py")
    off_cpu = tool in _OFF_CPU_TOOLS
    unit, factor = canonical_unit(origin.unit or ("us" if off_cpu else "samples"))
    if off_cpu:
        kind = "off_cpu"
    elif unit == "nanoseconds":
        kind = "wall"
    elif unit == "bytes":
        kind = "alloc_space"
    else:
        # The format says nothing of it; nearly all of these files are of samples of the processor.
        kind = "events" if tool in _EVENT_TOOLS else "cpu"
    counted = unit == "count"
    return FoldedUnit(kind, "samples" if counted else kind, unit, factor, counted)


def period_nano(origin: Origin) -> int:
    """Give the time between two samples by the rate that is said; 0 for unknown.

    >>> period_nano(Origin(rate_hertz=100)), period_nano(Origin())
    (10000000, 0)
    """
    return round(1e9 / origin.rate_hertz) if origin.rate_hertz >= 1e-9 else 0
