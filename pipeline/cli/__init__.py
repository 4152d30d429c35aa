"""The command line: one file per command; the only place that knows both collectors and jobs."""
