"""What waits to be said of documents is held as rows of its own: what the job asks costs what waits, not what was ever sold.

Each document is noted when it is issued, by a trigger; those of before this was kept, once, by the job.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.database import execute, fetch_rows, fetch_scalar, transaction
from marketplace.einvoicing.queries import SQL, find_state
from marketplace.einvoicing.tables import EinvoicingState

if TYPE_CHECKING:
    from marketplace.database import Values

BATCH_SIZE: Final = 2_000


class Issued(Struct, frozen=True):
    """A document by its id."""

    id: uuid.UUID


async def note_older_documents() -> int:
    """Note which way each document goes that was issued before this was kept, in batches, once; return how many."""
    state, noted, last = await find_state(), 0, uuid.UUID(int=0)
    if state is None or state.has_noted:
        return 0
    after = "SELECT id FROM invoice WHERE id > $1 AND issued_at >= $2 ORDER BY id LIMIT $3"
    while batch := await fetch_rows(Issued, after, last, state.from_at, BATCH_SIZE):
        noted += await fetch_scalar(int, "SELECT note_einvoices($1)", [one.id for one in batch]) or 0
        last = batch[-1].id
    done: Values = {EinvoicingState.has_noted: True}
    await EinvoicingState.update(done).where(EinvoicingState.id == 1)
    return noted


async def forget_said() -> None:
    """No longer hold as waiting what was said meanwhile: status 212 and payments of orders on credit."""
    async with transaction():
        await execute(SQL["forget_receipts"])
        await execute(SQL["forget_parts"])
