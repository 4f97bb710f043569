"""What one person proposes and another decides: who may, once, and what the trail says where both look like one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

import asyncpg

from marketplace import clock
from marketplace.database import fetch_row, select
from marketplace.errors import Conflict, NotAllowed, NotFound
from marketplace.identity.likeness import Sign, signs_of_one_human

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable

    from msgspec import Struct
    from piccolo.table import Table

    from marketplace.database import Values
    from marketplace.identity.actors import Actor


class Proposal(Protocol):
    """The row of a proposal, locked by who reads it."""

    @property
    def proposed_by(self) -> uuid.UUID:
        """Who proposed it."""

    @property
    def approved(self) -> bool | None:
        """What was decided; None as long as nothing is."""


Row = TypeVar("Row", bound="Struct")


async def propose(proposal: Table, *, otherwise: Conflict) -> bool:
    """Write a proposal in the open transaction, under its form's id; return False where that form wrote it before.

    Refuses as `otherwise` says what the database lets wait once only.
    """
    table, key = type(proposal), proposal._meta.primary_key  # noqa: SLF001 (Piccolo has no other way)
    if await table.exists().where(key == proposal[key._meta.name]):  # noqa: SLF001
        return False
    try:
        await table.insert(proposal)
    except asyncpg.UniqueViolationError:
        raise otherwise from None
    return True


async def lock_proposal(row: type[Row], table: type[Table], proposal: uuid.UUID) -> Row:
    """Return a proposal as `row`, locked until the open transaction ends; refuses NotFound."""
    by_id = select(row, table).where(table._meta.primary_key == proposal)  # noqa: SLF001 (Piccolo has no other way)
    found = await fetch_row(row, by_id.lock_rows("UPDATE"))
    if found is None:
        raise NotFound("There is no such proposal.")
    return found


async def decide(
    table: type[Table], proposal: uuid.UUID, row: Proposal, actor: Actor, *, approve: bool
) -> dict[str, str]:
    """Write what a second person decides of a proposal, in the open transaction; return what the trail says of the two.

    table: has the columns decided_by, decided_at and approved. Refuses what was decided before, and who proposed it.
    """
    if row.approved is not None:
        raise Conflict("That is decided already.")
    if row.proposed_by == actor.person:
        raise NotAllowed("You proposed it: someone else must decide.")
    decision: Values = {"decided_by": actor.person, "decided_at": clock.now(), "approved": approve}
    await table.update(decision).where(table._meta.primary_key == proposal)  # noqa: SLF001 (Piccolo has no other way)
    return await alike(actor.person, row.proposed_by)


async def alike(one: uuid.UUID | None, other: uuid.UUID | None) -> dict[str, str]:
    """Return what says that two people who decided together may be one, as the trail has it; nothing where nothing does."""
    signs = await signs_of_one_human(one, other)
    return {"alike": ", ".join(signs)} if signs else {}


async def signs_of_proposers(reader: uuid.UUID | None, rows: Iterable[Proposal]) -> dict[uuid.UUID, list[Sign]]:
    """Return, for each other person whose proposal waits, what says that it may be the reader who would decide."""
    waiting = {row.proposed_by for row in rows if row.approved is None and row.proposed_by != reader}
    return {one: await signs_of_one_human(reader, one) for one in waiting}
