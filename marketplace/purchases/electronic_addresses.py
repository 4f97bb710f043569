"""Where French partners receive invoices electronically, as the annuaire says: written by `einvoicing`, read by invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace import clock
from marketplace.database import fetch_row, select
from marketplace.purchases.tables import ElectronicAddress

if TYPE_CHECKING:
    import uuid


class Receiving(Struct, frozen=True):
    """Where a partner receives invoices electronically; `address` None: nowhere, or nobody chose among `lines`."""

    address: str | None
    lines: str


async def find_receiving(partner: uuid.UUID) -> Receiving | None:
    """Return what the annuaire has of a partner; None where it was never asked, as of companies outside France."""
    return await fetch_row(Receiving, select(Receiving, ElectronicAddress).where(ElectronicAddress.partner == partner))


async def write_lines(partner: uuid.UUID, siren: str, *, lines: list[str], address: str | None) -> None:
    """Write what the annuaire has of a partner, and which of its lines invoices go to; None: none, or nobody chose."""
    row = ElectronicAddress(partner=partner, siren=siren, lines=" ".join(lines), address=address, looked_at=clock.now())
    changed = [ElectronicAddress.siren, ElectronicAddress.lines, ElectronicAddress.address, ElectronicAddress.looked_at]
    await ElectronicAddress.insert(row).on_conflict(
        target=ElectronicAddress.partner, action="DO UPDATE", values=changed
    )
