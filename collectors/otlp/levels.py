"""The three levels that every OTLP request has: resources, scopes in them, items in those."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from collectors.otlp.columns import Bools, Ints, flatten
from collectors.otlp.resources import Batch, resource_columns, scope_columns


@dataclass(frozen=True)
class Levels:
    """Requests taken apart.

    Attributes:
        resources, scopes, items: structs of each level, in the senders' order.
        request_of_resource, resource_of_scope, scope_of_item: where each belongs.
    """

    resources: pa.StructArray
    scopes: pa.StructArray
    items: pa.StructArray
    request_of_resource: Ints
    resource_of_scope: Ints
    scope_of_item: Ints

    def keep(self, mask: Bools) -> "Levels":
        """Give the same with only some of the items."""
        return replace(
            self, items=self.items.filter(pa.array(mask)), scope_of_item=self.scope_of_item[mask]
        )

    def shared_columns(
        self,
        batch_ids: Sequence[bytes],
        times_unix_nano: Sequence[int],
        warnings: Counter[str],
        rows: Ints | None = None,
    ) -> tuple[dict[str, pa.Array], Batch]:
        """Give the columns of resource, scope and ingest.

        Args:
            batch_ids: content hash of each request.
            times_unix_nano: when each was received.
            warnings: gains what was repaired.
            rows: for each row the number of its item; None for a row an item.

        Returns:
            One array a column, and the requests the rows came in.
        """
        scope_of_row = self.scope_of_item if rows is None else self.scope_of_item[rows]
        resource_of_row = self.resource_of_scope[scope_of_row]
        batch = Batch(
            batch_ids,
            np.asarray(times_unix_nano, dtype=np.int64),
            self.request_of_resource[resource_of_row],
        )
        columns = {
            **resource_columns(self.resources, resource_of_row, warnings),
            **scope_columns(self.scopes, scope_of_row, self.resources, resource_of_row, warnings),
            **batch.columns(),
        }
        return columns, batch


def take_apart(requests: pa.RecordBatch, signal: str, items: str) -> Levels:
    """Take requests apart.

    Args:
        requests: one row a request, as ``wire.read`` gives them.
        signal: what its resources and scopes are called after: spans, metrics, logs, profiles.
        items: the field of a scope that holds its items.
    """
    resources, request_of_resource = flatten(requests.column(f"resource_{signal}"))
    scopes, resource_of_scope = flatten(resources.field(f"scope_{signal}"))
    found, scope_of_item = flatten(scopes.field(items))
    return Levels(resources, scopes, found, request_of_resource, resource_of_scope, scope_of_item)
