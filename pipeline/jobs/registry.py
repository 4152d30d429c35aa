"""All jobs by name; who needs one of them imports its module, which is quicker."""

from pipeline.jobs.audit import AUDIT
from pipeline.jobs.baseline import BASELINE
from pipeline.jobs.cache import CACHE
from pipeline.jobs.capacity import CAPACITY
from pipeline.jobs.changes import CHANGES
from pipeline.jobs.hotspots import HOTSPOTS
from pipeline.jobs.job import Job
from pipeline.jobs.judge import JUDGE
from pipeline.jobs.profile_diff import PROFILE_DIFF

JOBS: tuple[Job, ...] = (BASELINE, JUDGE, AUDIT, CHANGES, CAPACITY, CACHE, HOTSPOTS, PROFILE_DIFF)

__all__ = ["JOBS"]
