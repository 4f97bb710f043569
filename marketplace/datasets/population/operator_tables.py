"""The operator's whole table of subscribers, read from its files and compared with the previous one.

Only a line's reference leaves the event store.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marketplace.core import object_store
from marketplace.core.errors import Invalid
from marketplace.datasets.builds import input_files
from marketplace.datasets.builds.event_store import Store

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SubscriberTable:
    """A whole table of subscribers, checked row by row."""

    parquet: bytes
    references: NDArray[np.int64]
    homes: dict[str, int]
    """Home zone → its lines."""
    changed: int
    """Lines with another age band or home zone in the previous table."""

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the rows, hex."""
        return hashlib.sha256(self.parquet).hexdigest()


def read_subscribers(files: list[Path], scratch: Path) -> SubscriberTable:
    """Return the table in these files, compared with the one in the event store; refusals name file and row.

    A table without rows is refused: builds would count nobody, and spend the budget.
    """
    database = input_files.scratch_database(scratch)
    try:
        input_files.check_subscribers(database, files)
        now = database.sql("SELECT subscriber_id, age_band, home_zone FROM subscriber_as_read").to_arrow_table()
        if not now.num_rows:
            raise Invalid(
                "The table of subscribers has no rows: it must have all there are, and replaces the one before."
            )
        database.register("table_now", now)
        homes = dict(input_files.rows(database, "SELECT home_zone, count(*) FROM table_now GROUP BY home_zone"))
        changed = 0
        if (before := _table_before()) is not None:
            database.register("table_before", before)
            ((changed,),) = input_files.rows(
                database,
                """SELECT count(*) FROM table_before AS before JOIN table_now AS now USING (subscriber_id)
                   WHERE before.age_band <> now.age_band OR before.home_zone <> now.home_zone""",
            )
    finally:
        database.close()
    references = now["subscriber_id"].to_numpy().astype(np.int64, copy=False)
    return SubscriberTable(as_parquet(now), references, homes, changed)


def read_sites(files: list[Path], scratch: Path) -> bytes:
    """Return the table of sites in these files, checked row by row, as Parquet; an empty table is refused, too."""
    database = input_files.scratch_database(scratch)
    try:
        input_files.check_sites(database, files)
        now = database.sql("SELECT site, zone FROM site_as_read").to_arrow_table()
        if not now.num_rows:
            raise Invalid("The table of sites has no rows: it must have all there are, and replaces the one before.")
        return as_parquet(now)
    finally:
        database.close()


def as_parquet(table: pa.Table) -> bytes:
    """Return a table in the event store's form."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    kept = io.BytesIO()
    pq.write_table(table, kept, compression="zstd")
    return kept.getvalue()


def _table_before() -> pa.Table | None:
    """Return the table that the event store has, if any."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    store = Store(object_store.store())
    if store.state.subscribers is None:
        return None
    return pq.read_table(pa.BufferReader(store.read(store.state.subscribers)))
