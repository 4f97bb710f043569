"""What a restored database lacked: what came again from Stripe and the bank since its backup, and nothing of ours explains.

Orders, payouts and refunds of the gap are gone from the database; their money is not. Stripe's events and balance and
the bank's lines come again, are posted to the cent, and what names no order of ours is an exception for finance to
decide, as any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.core.backup.queries import find_last_restoration
from marketplace.core.database import fetch_row
from marketplace.finance.reconciliation.exception_queries import list_exceptions_since
from marketplace.finance.reconciliation.queries import SQL

if TYPE_CHECKING:
    import datetime as dt


class CameAgain(Struct, frozen=True):
    """How many movements came from outside that are of the gap or later."""

    events: int
    movements: int
    bank_lines: int


async def list_gap() -> list[str]:
    """Return what is known of the gap of the last restore, a sentence a line; more follows as Stripe and the bank are read."""
    restoration = await find_last_restoration()
    if restoration is None:
        return ["This database was never restored."]
    again = await _count_again(restoration.backed_up_at)
    at = f"{restoration.backed_up_at:%Y-%m-%d %H:%M:%S} UTC"
    stripe = f"{again.events} events and {again.movements} balance transactions of Stripe"
    lines = [f"Of {at} and later: {stripe}, {again.bank_lines} bank lines."]
    for found in await list_exceptions_since(restoration.backed_up_at):
        amount = "" if found.amount_minor is None else f", {found.amount_minor / 100:.2f} EUR"
        lines.append(f"{found.at:%Y-%m-%d %H:%M:%S} {found.why} {found.reference}{amount}")
    if len(lines) == 1:
        lines.append("All of it is explained by what the backup knew.")
    lines.append("Numbers of invoices and credit notes that were issued in the gap are issued again: see your mail.")
    return lines


async def _count_again(since: dt.datetime) -> CameAgain:
    again = await fetch_row(CameAgain, SQL["count_come_again"], since)
    assert again, "a count is one row"
    return again
