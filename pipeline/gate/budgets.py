"""Budget: a limit of tailgate.toml, with everything that the checks need to know of it.

[[budget]]
name = "checkout stays fast"
service = "checkout"            # patterns: * and ?
operation = "POST /checkout"
metric = "p95_ms"
max = 600

[[budget]]
name = "no slower than the release before"
metric = "p95_ms"
baseline = "service.version=1.4.1"
where = "service.version=1.4.2"
max_increase_percent = 10
max_increase = 50               # in the metric's unit; both must be exceeded

[[budget]]
name = "checkout's promise"
service = "checkout"
slo = "99.9"
window = "30d"
max_burn_rate = 6
"""

import math
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase

from pipeline.gate.budget_keys import ABSOLUTE, RELATIVE, SLO, SQL, unit_of
from pipeline.jobs.cache_names import CacheNames
from pipeline.jobs.judge_request import Pairs
from pipeline.jobs.named_metrics import INCREASE


@dataclass(frozen=True)
class Budget:
    """One limit.

    Attributes:
        name: for people.
        service, operation: patterns of what it is for.
        where: column and value pairs of the requests that count.
        metric: what is measured; empty for a budget on SQL and an error budget.
        most, least: the value lies between; infinite for no limit.
        warn_most: beyond it, within ``most``, there is a warning.
        baseline: what a relative budget compares with; empty where the judge's sides are meant.
        increase_ratio, increase: how much worse than the baseline it may be; both must be
            exceeded. 0 for both in a budget that is not relative.
        direction: which way is worse.
        attributes: of the data points that count.
        call: pattern of the names of calls.
        cache: pattern of the names of caches.
        cache_names: of attributes that tell of caches, as the section [cache] of the file says.
        cpu_price: of a core for an hour; 0 where nothing is priced.
        function: pattern of the names of functions.
        cumulative: whether what a function calls counts for it.
        profile_type, sample_type: of profiles; empty for their default.
        target: share of events that must be good; None for no error budget.
        window_nano: of an error budget; 0 for the window of the check.
        threshold_ms: what an event may take; infinite where failing is what is bad.
        most_burn_rate: how fast the budget may burn; infinite for no limit.
        least_left: share of the budget that must be left; minus infinity for no limit.
        exact: whether spans are counted, and series that never vary judged.
        sql: a statement that gives one number; empty for any other.
        must_have_data: whether no data is a failure.
        critical: whether breaking it fails the whole.
        weight: what it counts for in the score.
    """

    name: str
    service: str = "*"
    operation: str = "*"
    where: Pairs = ()
    metric: str = ""
    most: float = math.inf
    least: float = -math.inf
    warn_most: float = math.inf
    baseline: Pairs = ()
    increase_ratio: float = 0.0
    increase: float = 0.0
    direction: str = INCREASE
    attributes: Pairs = ()
    call: str = ""
    cache: str = "*"
    cache_names: CacheNames = field(default_factory=CacheNames)
    cpu_price: float = 0.0
    function: str = ""
    cumulative: bool = False
    profile_type: str = ""
    sample_type: str = ""
    target: Decimal | None = None
    window_nano: int = 0
    threshold_ms: float = math.inf
    most_burn_rate: float = math.inf
    least_left: float = -math.inf
    exact: bool = False
    sql: str = ""
    must_have_data: bool = False
    critical: bool = True
    weight: float = 1.0

    @property
    def kind(self) -> str:
        """Tell which kind it is of."""
        if self.sql:
            return SQL
        if self.target is not None:
            return SLO
        if self.baseline or not (math.isfinite(self.most) or math.isfinite(self.least)):
            return RELATIVE
        return ABSOLUTE

    @property
    def for_judge(self) -> bool:
        """Tell whether it has no sides of its own: ``tailgate judge`` gives it some."""
        return self.kind == RELATIVE and not self.baseline

    @property
    def unit(self) -> str:
        """Give the unit of its metric."""
        return unit_of(self.metric)

    def concerns(self, service: str, operation: str) -> bool:
        """Tell whether it is for an operation."""
        return fnmatchcase(service, self.service) and fnmatchcase(operation, self.operation)
