"""Questions that can be put to a lake, one file a job."""
