"""Tables on disk: append, snapshot, compact, retain; catalog.connect() asks them in SQL."""

from pipeline.lake.commit import Action, Application, append, application_sequence, commit, removals
from pipeline.lake.lake import Lake, open_lake
from pipeline.lake.snapshot import Change, DataFile, Snapshot, changes_since, take_snapshot

__all__ = [
    "Action",
    "Application",
    "Change",
    "DataFile",
    "Lake",
    "Snapshot",
    "append",
    "application_sequence",
    "changes_since",
    "commit",
    "open_lake",
    "removals",
    "take_snapshot",
]
