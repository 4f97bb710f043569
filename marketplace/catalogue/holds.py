"""Prices that are good for weeks, held or awaited by bank transfer: a company has one of a dataset, and then none for a while.

Signed for a quarter of an hour they delay nobody. For weeks they keep a steward from changing the offer, or from auctioning
it exclusively: no company does that for ever without buying, by whichever of its accounts and ways to pay.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.catalogue import rules
from marketplace.catalogue.queries import SQL
from marketplace.catalogue.tables import QuoteAcceptance
from marketplace.companies import of_one_company
from marketplace.database import execute, fetch_rows
from marketplace.errors import Conflict
from marketplace.locks import lock
from marketplace.web.formats import paris_day

if TYPE_CHECKING:
    from collections.abc import Sequence


class HeldAlready(Conflict):
    """A company wants a second price of a dataset that is good for weeks, or one soon after another lapsed."""


class LastHold(Struct, frozen=True):
    """Until when the last price that a partner had for weeks, and did not pay, is or was good."""

    partner: uuid.UUID
    held_until: dt.datetime


async def _find_next(
    partner: uuid.UUID, offer: uuid.UUID, now: dt.datetime, *, by_transfer: bool, quote: uuid.UUID | None = None
) -> dt.datetime | None:
    """Return from when on a partner's company may have its next price of an offer for weeks; None where it may now.

    by_transfer: only orders that wait, or waited, for a transfer count; quote: it does not. What was paid counts neither:
    it was bought. An order alone is nothing yet, for it may lapse.
    """
    await lock(f"held prices {offer}")  # Of two accounts of a company at once, one comes second and sees the other.
    asked = (offer, now - rules.BETWEEN_HOLDS, quote, by_transfer)
    last = {one.partner: one.held_until for one in await fetch_rows(LastHold, SQL["list_last_holds"], *asked)}
    own = await of_one_company(partner, list(last)) if last else []
    return max(last[one] for one in own) + rules.BETWEEN_HOLDS if own else None


async def refuse_holding_on(partner: uuid.UUID, offer: uuid.UUID, now: dt.datetime) -> None:
    """Refuse to hold a price of an offer while another one is held, and for a while after one lapsed: see rules."""
    if next_at := await _find_next(partner, offer, now, by_transfer=False):
        raise HeldAlready(
            "Your company holds a price of this dataset, or let one lapse: it can hold the next one from {day} on. "
            "A price for a quarter of an hour is signed at any time.",
            day=paris_day(next_at),
        )


async def refuse_awaiting(partner: uuid.UUID, offer: uuid.UUID, quote: uuid.UUID, now: dt.datetime) -> None:
    """Refuse that an order of a quote waits for a transfer while another of its offer does, and for a while after one lapsed."""
    if next_at := await _find_next(partner, offer, now, by_transfer=True, quote=quote):
        raise HeldAlready(
            "An order of this dataset waits for your company’s transfer, or lapsed without it: once that is paid, or from "
            "{day} on, the next one can wait. Pay this one otherwise; the quote is as it was.",
            day=paris_day(next_at),
        )


async def accept_quote(quote: uuid.UUID, at: dt.datetime, payable_until: dt.datetime | None = None) -> None:
    """Write down that a quote was ordered, and until when it may be paid, inside the order's transaction."""
    accepted = QuoteAcceptance(quote=quote, accepted_at=at, payable_until=payable_until)
    await QuoteAcceptance.insert(accepted).on_conflict(action="DO NOTHING")


async def close_quotes(quotes: Sequence[uuid.UUID], at: dt.datetime | None = None) -> None:
    """Write down that ordered quotes were paid, or that they lapsed at an instant; inside the transaction that makes it so."""
    await execute(
        """UPDATE quote_acceptance SET payable_until = $2
           WHERE quote = ANY ($1) AND ($2::timestamptz IS NULL OR payable_until > $2)""",
        list(quotes),
        at,
    )
