"""Protobuf bytes to Arrow: ptars' readers of whole requests.

ptars reads the wire format straight into columns. Recursive values it leaves as bytes, which
collectors/otlp/anyvalue.py reads. It holds the GIL, so whole requests are read in landing only.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import pyarrow as pa
from google.protobuf.descriptor import Descriptor
from ptars import HandlerPool

from pipeline.errors import BadRequest


@cache
def handler(descriptor: Descriptor) -> Any:
    """Give the reader of a message type."""
    return HandlerPool([descriptor.file]).get_for_message(descriptor)


def read(reader: Any, payloads: Sequence[bytes]) -> pa.RecordBatch:
    """Read messages as one row each.

    Raises:
        BadRequest: one of them is not such a message.
    """
    try:
        return reader.list_to_record_batch(list(payloads))
    except ValueError as error:
        raise BadRequest(str(error)) from error
    except BaseException as error:
        # A panic in Rust comes as an exception that no handler of Exception sees.
        if type(error).__name__ != "PanicException":
            raise
        raise BadRequest(f"the decoder gave up: {error}") from error
