"""Log lines of long-running processes: text for people, JSON for machines."""

import json
import logging
import os
import time

# The processes that a server starts take the format over through this.
FORMAT_VARIABLE = "TAILGATE_LOG_FORMAT"

_TEXT = "%(asctime)s %(name)s %(message)s"


class JsonFormatter(logging.Formatter):
    """One JSON object a line.

    >>> record = logging.LogRecord("tailgate.x", logging.INFO, "", 0, "n=%d", (3,), None)
    >>> line = json.loads(JsonFormatter().format(record))
    >>> line["severity"], line["logger"], line["message"]
    ('INFO', 'tailgate.x', 'n=3')
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "severity": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure(form: str | None = None) -> None:
    """Send log lines to standard error.

    Args:
        form: ``text`` or ``json``; None takes what the process that started this one uses.
    """
    chosen = form or os.environ.get(FORMAT_VARIABLE, "text")
    os.environ[FORMAT_VARIABLE] = chosen
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if chosen == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
