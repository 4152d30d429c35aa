"""Every error tailgate raises, drawn as a tree.

TailgateError                  anything we say on purpose, which is printed without a trace
├── UsageError                 the call or its settings are wrong           exit status 2
│   ├── BadSetting             a key of tailgate.toml or a TAILGATE_* value
│   ├── NotSaved               nothing was saved under a name
│   ├── BadQuery               SQL that is not one read-only statement, or does not run
│   └── BadWindow              a time or a duration that cannot be read
├── LakeError                  the folder of tables                         exit status 2
│   ├── NotALake               a folder that holds something else
│   ├── UnknownSchemaVersion   written by a major version we do not know
│   ├── LakeUnavailable        not readable, not writable, no space left
│   └── CommitConflict         others kept committing; nothing was written
├── JournalError               the receiver's durable log                   exit status 2
│   └── JournalInUse           another process holds it
├── BadRequest                 bytes that are not the message they claim to be
├── BadFile                    a file that is damaged or not what it is taken for  exit status 1
│   └── UnknownFormat          a file that no collector reads
├── Unauthenticated            nobody we know sends this
├── Overloaded                 a limit of the receiver is reached; send again later
├── CannotListen               a port that is taken or not ours to take     exit status 2
└── NotEnoughData              too little to answer                         exit status 3
"""


class TailgateError(Exception):
    """Anything tailgate says on purpose: names the thing, the fact and the way out."""

    exit_status = 2


class UsageError(TailgateError):
    """The call or its settings are wrong."""


class BadSetting(UsageError):
    """A key of tailgate.toml or a TAILGATE_* value that cannot be used."""


class NotSaved(UsageError):
    """Nothing was saved under a name."""


class BadQuery(UsageError):
    """SQL that is not one read-only statement, or that does not run."""


class BadWindow(UsageError):
    """A time or a duration that cannot be read."""


class LakeError(TailgateError):
    """The folder of tables cannot do what was asked."""


class NotALake(LakeError):
    """A folder that holds something other than a lake."""


class UnknownSchemaVersion(LakeError):
    """Tables written by a major version that this one does not know."""


class LakeUnavailable(LakeError):
    """The lake's folder is not readable, not writable or full."""


class CommitConflict(LakeError):
    """Other writers kept committing first; nothing was written."""


class JournalError(TailgateError):
    """The receiver's durable log cannot do what was asked."""


class JournalInUse(JournalError):
    """Another process holds the journal."""


class BadRequest(TailgateError):
    """Bytes that are not the message they claim to be."""


class Unauthenticated(TailgateError):
    """Nobody we know sends this."""


class BadFile(TailgateError):
    """A file that is damaged, unbounded, changing, or not what it is taken for."""

    exit_status = 1


class UnknownFormat(BadFile):
    """A file that no collector reads, or that could be several things."""


class Overloaded(TailgateError):
    """A limit of the receiver is reached for now.

    Attributes:
        retry_seconds: when to send again.
    """

    def __init__(self, message: str, retry_seconds: float) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class CannotListen(TailgateError):
    """A port that is taken, or not ours to take."""


class NotEnoughData(TailgateError):
    """Too little data to answer."""

    exit_status = 3
