"""Questions that can be put to a lake, one file a job."""

from pipeline.jobs.baseline import BASELINE
from pipeline.jobs.job import Job
from pipeline.jobs.judge import JUDGE

JOBS: tuple[Job, ...] = (BASELINE, JUDGE)

__all__ = ["JOBS", "Job"]
