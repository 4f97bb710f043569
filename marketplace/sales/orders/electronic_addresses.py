"""Where French partners receive invoices electronically, by the annuaire: written by `einvoicing`, read by invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, select
from marketplace.sales.orders.tables import ElectronicAddress

if TYPE_CHECKING:
    import uuid


class Receiving(Struct, frozen=True):
    """Where a partner receives invoices electronically; `address` None: nowhere, or not chosen among `lines`."""

    address: str | None
    lines: str


async def find_receiving(partner: uuid.UUID) -> Receiving | None:
    """Return a partner's record of the annuaire; None if it was never requested, as for companies outside France."""
    return await fetch_row(Receiving, select(Receiving, ElectronicAddress).where(ElectronicAddress.partner == partner))


async def write_lines(partner: uuid.UUID, siren: str, *, lines: list[str], address: str | None) -> None:
    """Write a partner's record of the annuaire, and the line that receives invoices; None: no line, or not chosen."""
    row = ElectronicAddress(partner=partner, siren=siren, lines=" ".join(lines), address=address, looked_at=clock.now())
    changed = [ElectronicAddress.siren, ElectronicAddress.lines, ElectronicAddress.address, ElectronicAddress.looked_at]
    await ElectronicAddress.insert(row).on_conflict(
        target=ElectronicAddress.partner, action="DO UPDATE", values=changed
    )
