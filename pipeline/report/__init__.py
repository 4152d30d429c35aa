"""Answers as text, JSON and CSV: one file each, the same verbs in each."""
