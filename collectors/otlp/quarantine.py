"""What cannot be landed is set aside with its reason, and never blocks what follows."""

import json

from collectors.otlp.frames import Damage, Frame
from collectors.otlp.journal_folder import JournalFolder
from pipeline.lake.lake import disk_errors, sync_file, sync_folder


def set_request_aside(journal: JournalFolder, frame: Frame, reason: str) -> None:
    """Keep a request's bytes in the quarantine; doing so again changes nothing.

    Raises:
        LakeUnavailable: no space left, read-only or forbidden.
    """
    about = {
        "reason": reason,
        "signal": frame.signal,
        "received_time_unix_nano": frame.time_unix_nano,
    }
    _set_aside(journal, frame.batch_id.hex(), frame.payload, about)


def set_damage_aside(journal: JournalFolder, number: int, damage: Damage) -> None:
    """Keep bytes of a segment that are no frame.

    Raises:
        LakeUnavailable: no space left, read-only or forbidden.
    """
    if damage.torn:
        reason = "no whole request up to the end of the segment: cut short by a crash, or damaged"
    else:
        reason = "damaged: no whole request here"
    about = {"reason": reason, "segment": number, "offset": damage.offset}
    _set_aside(journal, f"segment-{number}-{damage.offset}", damage.content, about)


def _set_aside(journal: JournalFolder, name: str, content: bytes, about: dict[str, object]) -> None:
    """Write the bytes and what is known of them, durable before the segment goes."""
    folder = journal.path / "quarantine"
    with disk_errors(folder):
        folder.mkdir(exist_ok=True)
        for file, data in (
            (folder / f"{name}.bin", content),
            (folder / f"{name}.json", json.dumps(about).encode()),
        ):
            file.write_bytes(data)
            sync_file(file)
        sync_folder(folder)
        sync_folder(journal.path)
