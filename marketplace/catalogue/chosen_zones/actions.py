"""Save and delete a company's zones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.catalogue.chosen_zones.rules import LONGEST_TEXT
from marketplace.catalogue.chosen_zones.tables import KeptZones
from marketplace.core import clock
from marketplace.core.database import transaction
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.locks import lock

if TYPE_CHECKING:
    import uuid

    from marketplace.people.identity.actors import Actor

MOST_KEPT: Final = 50
LONGEST_NAME: Final = 80


async def keep(who: Actor, kept: uuid.UUID, *, name: str, zones: str) -> None:
    """Save zones as they were written, for all of a company's people; the same `kept` again changes nothing."""
    assert who.partner
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise Invalid("Give the zones a name of {most} signs at most.", most=LONGEST_NAME, field="name")
    if not 0 < len(zones) <= LONGEST_TEXT or "\0" in zones:
        raise Invalid("That is too long; ask about fewer zones, or simplify the drawing.", field="zones")
    async with transaction():
        await lock(f"kept zones {who.partner}")
        if await KeptZones.exists().where(KeptZones.id == kept):
            return
        if await KeptZones.count().where(KeptZones.partner == who.partner) >= MOST_KEPT:
            raise Conflict("Your company keeps {most} sets of zones: delete one first.", most=MOST_KEPT)
        row = KeptZones(id=kept, partner=who.partner, name=name, zones=zones, kept_by=who.person, kept_at=clock.now())
        await KeptZones.insert(row)


async def delete(partner: uuid.UUID, kept: uuid.UUID) -> None:
    """Delete a company's own zones; NotFound for those of another company."""
    its = (KeptZones.id == kept) & (KeptZones.partner == partner)
    if not await KeptZones.delete().where(its).returning(KeptZones.id):
        raise NotFound("There are no such zones.")
