"""The log's files in the object store, as `pricing` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core import object_store
from marketplace.oversight.public_log.rules import object_key

if TYPE_CHECKING:
    from pricing.log.tiles import Read


def reader(origin: str) -> Read:
    """Return the function that reads a log's files from the store by their paths; it blocks."""
    return lambda path: object_store.read_now(object_key(origin, path))
