"""The account of what was acknowledged, held against what landed and what was set aside."""

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from collectors.otlp import otlp_json
from collectors.otlp.batch_ids import batch_id
from collectors.otlp.signals import SIGNALS, Signal
from pipeline.errors import BadRequest
from pipeline.lake import open_lake, take_snapshot
from pipeline.lake.catalog import define_snapshot, session
from tests.fuzz.cases import SIGNAL_OF_NAME, Case

LAND_SECONDS = 60.0


@dataclass(frozen=True)
class Finding:
    """Something that must not be.

    Attributes:
        what: in a sentence.
        case: what did it, where that is known.
    """

    what: str
    case: Case | None = None


class Account:
    """What one lake must hold.

    Attributes:
        kept: items that must land, by signal and batch id.
    """

    def __init__(self, lake: Path) -> None:
        self.lake = lake
        self.kept: dict[tuple[str, str], int] = {}
        self._payloads: dict[tuple[str, str], bytes] = {}
        self._lock = threading.Lock()

    def take(self, case: Case, signal: Signal, response: Any) -> str:
        """Note what must land of a request that was taken; say what is wrong with that."""
        payload = payload_of(case)
        if payload is None:
            return "taken though it is bad"
        found = signal.check(payload)
        rejected = getattr(response.partial_success, signal.rejected_field)
        if rejected != found.rejected:
            return f"{rejected} were rejected, not {found.rejected}"
        if found.total > found.rejected:
            known_by = batch_id(signal.name, payload).hex()
            with self._lock:
                self.kept[signal.name, known_by] = found.total - found.rejected
                self._payloads[signal.name, known_by] = payload
        return ""

    def quarantined(self) -> list[Finding]:
        """Give what was acknowledged and could not be landed."""
        found = []
        folder = self.lake / "_journal" / "default" / "quarantine"
        for file in sorted(folder.glob("*.json")):
            about = json.loads(file.read_text())
            body = file.with_suffix(".bin").read_bytes()
            name = next((s.name for s in SIGNALS if s.number == about.get("signal")), "traces")
            what = f"{name}: acknowledged and set aside: {about['reason']}"
            found.append(Finding(what, Case(name, "grpc", body, {}, body)))
        return found

    def unlanded(self) -> list[Finding]:
        """Wait for all that was acknowledged to land; give what did not, or not as often."""
        wanted = dict(self.kept)

        def rest() -> dict[tuple[str, str], tuple[int, int]]:
            landed = self._landed()
            short = {
                key: (count, landed.get(key, 0))
                for key, count in wanted.items()
                if landed.get(key, 0) != count
            }
            return {key: told for key, told in short.items() if not self._was_sent_again(key)}

        ends = time.monotonic() + LAND_SECONDS
        while (left := rest()) and not self.quarantined() and time.monotonic() < ends:
            time.sleep(0.1)
        return [
            Finding(f"{name}: {count} of request {batch} were acknowledged, {got} landed")
            for (name, batch), (count, got) in left.items()
        ][:20]

    def _was_sent_again(self, key: tuple[str, str]) -> bool:
        """Tell whether a request's spans are all there, though compaction kept another's row."""
        name, _ = key
        signal = SIGNAL_OF_NAME[name]
        table = signal.tables[0]
        if not table.repeat_by:
            return False
        rows, _ = signal.decode([self._payloads[key]], [bytes(16)], [time.time_ns()], 1024)
        keys = rows[table.name].select(list(table.repeat_by))
        with session(1) as connection:
            define_snapshot(connection, take_snapshot(open_lake(self.lake), table))
            connection.register("sent", keys)
            names = ", ".join(f'"{column}"' for column in table.repeat_by)
            sql = f'SELECT count(*) FROM sent ANTI JOIN "{table.name}" USING ({names})'
            return connection.sql(sql).fetchone() == (0,)

    def _landed(self) -> dict[tuple[str, str], int]:
        """Count rows by signal and request."""
        counts = {}
        lake = open_lake(self.lake)
        for signal in SIGNALS:
            table = signal.tables[0]
            with session(1) as connection:
                define_snapshot(connection, take_snapshot(lake, table))
                sql = f'SELECT ingest_batch_id, count(*) FROM "{table.name}" GROUP BY ALL'
                for batch, count in connection.sql(sql).fetchall():
                    counts[signal.name, batch] = count
        return counts


def payload_of(case: Case) -> bytes | None:
    """Give what the journal must keep of a case; None if the case is to be refused."""
    signal = SIGNAL_OF_NAME[case.signal]
    assert case.content is not None
    try:
        if case.is_json:
            return otlp_json.to_protobuf(signal.request, case.content)
        signal.request.FromString(case.content)
        # What is to be counted is read by more than upb, which may know better.
        signal.check(case.content)
    except (BadRequest, DecodeError):
        return None
    return case.content
