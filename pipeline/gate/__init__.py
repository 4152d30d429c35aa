"""Verdicts: what is asked of a comparison, what it answers, and the exit status that follows."""
