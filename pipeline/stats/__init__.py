"""Arithmetic only: numpy in, numbers out; no files, no SQL, no clock."""
