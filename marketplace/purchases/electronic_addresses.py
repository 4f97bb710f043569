"""Where French partners receive invoices electronically, as the annuaire says: written by `einvoicing`, read by invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace import clock
from marketplace.purchases.tables import ElectronicAddress

if TYPE_CHECKING:
    import uuid


async def write_lines(partner: uuid.UUID, siren: str, *, lines: list[str], address: str | None) -> None:
    """Write what the annuaire has of a partner, and which of its lines invoices go to; None: none, or nobody chose."""
    row = ElectronicAddress(partner=partner, siren=siren, lines=" ".join(lines), address=address, looked_at=clock.now())
    await ElectronicAddress.insert(row).on_conflict(
        target=ElectronicAddress.partner,
        action="DO UPDATE",
        values=[
            ElectronicAddress.siren,
            ElectronicAddress.lines,
            ElectronicAddress.address,
            ElectronicAddress.looked_at,
        ],
    )
