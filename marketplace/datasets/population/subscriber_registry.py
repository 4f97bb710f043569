"""The age bands and home zones of the operator's table of subscribers, for checking claims; stored nowhere else.

The table is in the event store, and only jobs read it line by line. The site asks whether there is one, and how many
lines each home zone and age band has; it never looks anybody up.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from marketplace.core import object_store
from marketplace.core.errors import Conflict
from marketplace.core.settings import settings
from marketplace.datasets.builds.event_store import Store
from marketplace.privacy.simulation.lines import LineCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Registry:
    """The age band of every line that the operator's latest table names, as arrays."""

    def __init__(self) -> None:
        """Read the table; refuse if none was ever ingested."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        store = Store(object_store.store())
        source = pa.BufferReader(store.read(_table_of(store)))
        table = pq.read_table(source, columns=["subscriber_id", "age_band"])
        bands = table["age_band"].combine_chunks().dictionary_encode()
        references = table["subscriber_id"].to_numpy().astype(np.int64)
        order = np.argsort(references)
        self.names = [str(name) for name in bands.dictionary.to_pylist()]
        self._references: NDArray[np.int64] = references[order]
        self._bands: NDArray[np.int32] = bands.indices.to_numpy()[order]

    def are_in(self, references: NDArray[np.int64], age_bands: Sequence[str]) -> NDArray[np.bool_]:
        """Return for each line whether the operator has it in one of these age bands; False for an unknown line."""
        if not len(self._references):
            return np.zeros(len(references), np.bool_)
        wanted = np.isin(np.arange(len(self.names)), [n for n, name in enumerate(self.names) if name in age_bands])
        places = np.minimum(np.searchsorted(self._references, references), len(self._references) - 1)
        known: NDArray[np.bool_] = self._references[places] == references
        return known & wanted[self._bands[places]]


def count_lines() -> LineCounts:
    """Return how many lines each home zone and age band has, by name, without reading references.

    Refuses if no table was ever ingested. The same table is counted once a process.
    """
    store = Store(object_store.store())
    table = _table_of(store)
    return _counted(settings().objects, str(table["name"]), int(table["crc"]))


@functools.lru_cache(maxsize=4)
def _counted(objects: str, name: str, checksum: int) -> LineCounts:
    """Count the table of this name and checksum; objects: the address of its store."""
    del objects
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    store = Store(object_store.store())
    whole = pa.BufferReader(store.read({"name": name, "crc": checksum}))
    table = pq.read_table(whole, columns=["home_zone", "age_band"])
    counted = table.group_by(["home_zone", "age_band"]).aggregate([([], "count_all")])
    counted = counted.sort_by([("home_zone", "ascending"), ("age_band", "ascending")])
    return LineCounts(
        tuple(map(str, counted["home_zone"].to_pylist())),
        tuple(map(str, counted["age_band"].to_pylist())),
        counted["count_all"].to_numpy().astype(np.int64),
    )


def refuse_without_table() -> None:
    """Refuse if the operator's table of subscribers was never ingested."""
    _table_of(Store(object_store.store()))


def _table_of(store: Store) -> dict[str, Any]:
    if store.state.subscribers is None:
        raise Conflict("The event store has no table of subscribers: ingest one first.")
    return store.state.subscribers
