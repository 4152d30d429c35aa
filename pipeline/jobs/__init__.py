"""Questions that can be put to a lake, one file a job."""

from pipeline.jobs.baseline import BASELINE
from pipeline.jobs.job import Job

JOBS: tuple[Job, ...] = (BASELINE,)

__all__ = ["JOBS", "Job"]
