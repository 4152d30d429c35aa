"""Columns that many rows share: resource, scope and the request they came in.

Each is worked out once a resource, a scope or a request, and then taken for every row.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.otlp.attributes import Attributes
from collectors.otlp.columns import Ints, null_if_empty, numbers
from collectors.otlp.split import TooWideError
from pipeline.schema.common import RESOURCE_COLUMNS, UNKNOWN_SERVICE

# A small request can become a large table: its resource stands in every row. Several times what
# requests with attributes as people have them come to, and little enough to hold.
_MOST_SPREAD_BYTES = 256 << 20


@dataclass(frozen=True)
class Batch:
    """The requests that rows came in.

    Attributes:
        ids: content hash of each request.
        times_unix_nano: when each was received.
        request_of_row: for each row the number of its request.
    """

    ids: Sequence[bytes]
    times_unix_nano: Ints
    request_of_row: Ints

    def times_of_rows(self) -> Ints:
        """Give for each row when its request was received, in ns."""
        times: Ints = self.times_unix_nano[self.request_of_row]
        return times

    def columns(self) -> dict[str, pa.Array]:
        """Give the ingest columns."""
        ids = pa.array([batch_id.hex() for batch_id in self.ids], pa.string())
        return {
            "ingest_batch_id": ids.take(pa.array(self.request_of_row)),
            "ingest_time_unix_nano": pa.array(self.times_of_rows()),
        }


def resource_columns(
    resources: pa.StructArray, resource_of_row: Ints, warnings: Counter[str]
) -> dict[str, pa.Array]:
    """Give the columns of the resource.

    Args:
        resources: n structs with a ``resource``.
        resource_of_row: for each row the number of its resource.
        warnings: gains what was repaired.

    Returns:
        One array a column, as long as ``resource_of_row``.
    """
    attributes = Attributes(_attribute_lists(resources.field("resource")))
    columns = {
        column.name: attributes.text(*column.sources)
        for column in RESOURCE_COLUMNS
        if column.sources
    }
    columns["service_name"] = pc.fill_null(null_if_empty(columns["service_name"]), UNKNOWN_SERVICE)
    columns["service_instance_id"] = pc.coalesce(
        columns["service_instance_id"],
        pc.binary_join_element_wise(
            attributes.text("host.name"), attributes.text("process.pid"), "/"
        ),
    )
    columns["resource_attributes"] = attributes.to_map()
    warnings.update(attributes.warnings)
    return _spread(columns, resource_of_row)


def scope_columns(
    scopes: pa.StructArray,
    scope_of_row: Ints,
    resources: pa.StructArray,
    resource_of_row: Ints,
    warnings: Counter[str],
) -> dict[str, pa.Array]:
    """Give the columns of the instrumentation scope and the two schema URLs.

    Args:
        scopes: structs with a ``scope`` and a ``schema_url``.
        scope_of_row: for each row the number of its scope.
        resources: structs with a ``schema_url``.
        resource_of_row: for each row the number of its resource.
        warnings: gains what was repaired.
    """
    scope = scopes.field("scope")
    attributes = Attributes(_attribute_lists(scope))
    own = {
        "scope_name": null_if_empty(scope.field("name")),
        "scope_version": null_if_empty(scope.field("version")),
        "scope_attributes": attributes.to_map(),
        "scope_schema_url": null_if_empty(scopes.field("schema_url")),
    }
    warnings.update(attributes.warnings)
    above = {"resource_schema_url": null_if_empty(resources.field("schema_url"))}
    return _spread(own, scope_of_row) | _spread(above, resource_of_row)


def _attribute_lists(owner: pa.StructArray) -> pa.ListArray:
    """Give the attribute lists of a message that may be absent; absent has none."""
    lists: pa.ListArray = owner.field("attributes")
    return lists


def _spread(columns: dict[str, pa.Array], rows: Ints) -> dict[str, pa.Array]:
    """Take each column for every row.

    Raises:
        TooWideError: that would be too much text at once.
    """
    sizes = np.sum([_text_bytes(column) for column in columns.values()], axis=0)
    if int(sizes[rows].sum()) > _MOST_SPREAD_BYTES:
        raise TooWideError(f"more than {_MOST_SPREAD_BYTES} bytes of repeated attributes")
    indices = pa.array(rows)
    return {name: column.take(indices) for name, column in columns.items()}


def _text_bytes(column: pa.Array) -> Ints:
    """Give the bytes of text in each entry of a text or map column."""
    if not pa.types.is_map(column.type):
        return numbers(pc.binary_length(column))
    each = numbers(pc.binary_length(column.keys)) + numbers(pc.binary_length(column.items))
    up_to = np.concatenate([[0], np.cumsum(each)])
    offsets = column.offsets.to_numpy()
    return np.asarray(up_to[offsets[1:]] - up_to[offsets[:-1]], dtype=np.int64)
