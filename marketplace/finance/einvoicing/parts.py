"""Documents that settle in parts: each payment of an order on credit is reported once, by a status 212 or in a report.

A payment that was undone or transferred back is reported below zero. If an invoice is cancelled and issued again, its
reported amounts are reported again with the opposite sign, and the new invoice reports each payment again.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

import msgspec
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_rows, fetch_scalar, transaction
from marketplace.core.web.formats import paris_day
from marketplace.finance.einvoicing.cdar import Party, Receipt, write_receipt
from marketplace.finance.einvoicing.codes import PAYMENT_RECEIVED
from marketplace.finance.einvoicing.queries import SQL
from marketplace.finance.einvoicing.tables import Flow, SettledPart, Transmission

BATCH_SIZE: Final = 200
CORRECTED: Final = "corrected"


class PartToSay(Struct, frozen=True):
    """A payment of an order on credit that is not reported; amounts in cents, `paid_minor` is the new paid total."""

    invoice: uuid.UUID
    movement: uuid.UUID
    settled_at: dt.datetime
    amount_minor: int
    paid_minor: int
    net_minor: int
    vat_minor: int
    number: str
    issued_at: dt.datetime
    address: str
    document: bytes

    def vat_of_part(self) -> int:
        """Return its VAT, in cents: with earlier payments and credit notes it adds up to the order's.

        It is divided like `part_of` does; but the clocks of two machines may put an undone payment before the payment
        itself.
        """
        total = self.net_minor + self.vat_minor
        left = total - self.paid_minor
        net = (left + self.amount_minor) * self.net_minor // total - left * self.net_minor // total
        return self.amount_minor - net


class PartToSayBack(Struct, frozen=True):
    """A cancelled invoice with its reported amounts, in cents."""

    invoice: uuid.UUID
    number: str
    issued_at: dt.datetime
    address: str
    document: bytes
    amount_minor: int
    vat_minor: int


async def queue_part_receipts() -> int:
    """Write the status 212 of every payment of a deposited document on credit, once each.

    Return how many were written.
    """
    written = 0
    for one in await fetch_rows(PartToSayBack, SQL["list_parts_to_say_back"]):
        written += await _report(one, CORRECTED, -one.amount_minor, -one.vat_minor, clock.now())
    while found := await fetch_rows(PartToSay, SQL["list_parts_to_say"], BATCH_SIZE, True, clock.now()):  # noqa: FBT003
        for part in found:
            written += await _report(part, str(part.movement), part.amount_minor, part.vat_of_part(), part.settled_at)
    return written


async def _report(
    one: PartToSay | PartToSayBack, source: str, total_minor: int, vat_minor: int, settled_at: dt.datetime
) -> int:
    """Write a part and its file for the outbox, in one transaction; return 0 if another process did."""
    now = clock.now()
    new = SettledPart(
        id=uuid.uuid4(),
        invoice=one.invoice,
        source=source,
        total_minor=total_minor,
        vat_minor=vat_minor,
        settled_at=settled_at,
    )
    once = (SettledPart.invoice, SettledPart.source)
    async with transaction():
        if not await _may_be_said(one.invoice, source):
            return 0
        if not await SettledPart.insert(new).on_conflict(action="DO NOTHING", target=once).returning(SettledPart.id):
            return 0
        name = f"{one.number}-{PAYMENT_RECEIVED}-{source[:8]}"
        body = write_receipt(_receipt(one, name, total_minor, settled_at), now)
        await Flow.insert(
            Flow(
                id=uuid.uuid4(),
                kind="receipt",
                part=new.id,
                name=f"{name}.xml",
                body=body,
                next_at=now,
                created_at=now,
            )
        )
    return 1


async def _may_be_said(invoice: uuid.UUID, source: str) -> bool:
    """Return whether a document is still deposited, or corrected, for a reversal of its parts.

    Its transmission is locked until the caller's transaction ends, and a status that rejects it waits for that.
    """
    its = Transmission.select(Transmission.state).where(Transmission.invoice == invoice)
    state = await fetch_scalar(str, its.lock_rows("UPDATE"))
    return state == (CORRECTED if source == CORRECTED else "deposited")


def _receipt(one: PartToSay | PartToSayBack, name: str, total_minor: int, settled_at: dt.datetime) -> Receipt:
    document = msgspec.json.decode(one.document)
    seller, buyer = document["seller"], document["buyer"]
    return Receipt(
        id=name,
        number=one.number,
        kind="invoice",
        issued_on=paris_day(one.issued_at),
        received_on=paris_day(settled_at),
        vat_basis_points=document["vat_basis_points"],
        total_minor=total_minor,
        currency=document["currency"],
        seller=Party(seller["name"], seller["siren"]),
        buyer=Party(buyer["name"], buyer["vat_number"][-9:], one.address),
    )


async def list_parts_to_report(before: dt.datetime) -> list[PartToSay]:
    """Return the payments with VAT before an instant, of orders on credit outside the network, in no report."""
    return await fetch_rows(PartToSay, SQL["list_parts_to_say"], None, False, before)  # noqa: FBT003


async def write_reported(parts: list[PartToSay], report: uuid.UUID) -> None:
    """Record that a report has these payments, in the transaction that makes it."""
    for part in parts:
        await SettledPart.insert(
            SettledPart(
                id=uuid.uuid4(),
                invoice=part.invoice,
                source=str(part.movement),
                total_minor=part.amount_minor,
                vat_minor=part.vat_of_part(),
                settled_at=part.settled_at,
                report=report,
            )
        )
