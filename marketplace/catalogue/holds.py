"""Prices that are good for weeks, held or awaited by bank transfer: a company has one of a dataset, and then none for a while.

Signed for a quarter of an hour they delay nobody. For weeks they keep a steward from changing the offer, or from auctioning
it exclusively: no company does that for ever without buying, by whichever of its accounts and ways to pay.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

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

TIME_TO_LAPSE: Final = dt.timedelta(minutes=5)
"""After its page has closed, an order that nobody pays is lapsed by a job."""
MINUTE: Final = dt.timedelta(minutes=1)
DAY: Final = dt.timedelta(days=1)


class HeldAlready(Conflict):
    """A company wants a second price of a dataset that is good for weeks, or one soon after another lapsed."""


class LastHold(Struct, frozen=True):
    """Until when a price that a partner had for weeks, and did not pay, is or was good."""

    partner: uuid.UUID
    held_until: dt.datetime
    page_until: dt.datetime | None
    """Until when the page is, or was, open on which a transfer could be chosen; None where it has no such page."""

    @property
    def was_left(self) -> bool:
        """Whether nobody chose a transfer on its page, or a debit that held the price for longer than a day."""
        return self.page_until is not None and self.held_until < self.page_until + DAY

    def next_at(self, now: dt.datetime) -> dt.datetime:
        """Return from when on there may be another one: after a page, for on an open one all may still be left."""
        if self.page_until is not None and self.page_until + TIME_TO_LAPSE > now:
            return self.page_until + TIME_TO_LAPSE
        return self.held_until + rules.BETWEEN_HOLDS


async def _list_own(
    partner: uuid.UUID, offer: uuid.UUID, now: dt.datetime, *, by_transfer: bool, quote: uuid.UUID | None = None
) -> list[LastHold]:
    """Return what a partner's company has, or had of late and did not pay, of an offer's prices that are good for weeks.

    by_transfer: only orders that wait, or waited, for a transfer count; quote: it does not. What was paid counts neither:
    it was bought. An order alone is nothing yet, for it may lapse.
    """
    await lock(f"held prices {offer}")  # Of two accounts of a company at once, one comes second and sees the other.
    asked = (offer, now - rules.BETWEEN_HOLDS, quote, by_transfer)
    last = await fetch_rows(LastHold, SQL["list_last_holds"], *asked)
    own = await of_one_company(partner, sorted({one.partner for one in last})) if last else []
    return [one for one in last if one.partner in own]


def _refuse(sentence: str, own: Sequence[LastHold], now: dt.datetime) -> None:
    """Refuse one more price while any of them counts: with a sentence that names the day, or the end of a page that is open."""
    if not (counted := [one for one in own if not one.was_left]):
        return
    last = max(counted, key=lambda one: one.next_at(now))
    if last.page_until is not None and last.next_at(now) == last.page_until + TIME_TO_LAPSE:
        raise HeldAlready(
            "Your company has a page open on which an order of this dataset may be paid by bank transfer: pay there, or ask "
            "again once it has closed with nothing chosen there, in {minutes} minutes.",
            minutes=max((last.next_at(now) - now) // MINUTE + 1, 2),
        )
    raise HeldAlready(sentence, day=paris_day(last.next_at(now)) + DAY)  # on which it may be at any hour


async def refuse_holding_on(partner: uuid.UUID, offer: uuid.UUID, now: dt.datetime) -> None:
    """Refuse to hold a price of an offer while another one is held, and for a while after one lapsed: see rules."""
    _refuse(
        "Your company holds a price of this dataset, or let one lapse: it can hold the next one from {day} on. "
        "A price for a quarter of an hour is signed at any time.",
        await _list_own(partner, offer, now, by_transfer=False),
        now,
    )


async def refuse_awaiting(
    partner: uuid.UUID, offer: uuid.UUID, quote: uuid.UUID, now: dt.datetime, *, by_page: bool
) -> None:
    """Refuse that an order of a quote waits for a transfer while another of its offer does, and for a while after one lapsed.

    by_page: whether it is to be chosen on a page; who left several of them chooses none there.
    """
    own = await _list_own(partner, offer, now, by_transfer=True, quote=quote)
    _refuse(
        "An order of this dataset waits for your company’s payment, or lapsed without it: once that is paid, or from "
        "{day} on, the next one can wait. Pay this one otherwise; the quote is as it was.",
        own,
        now,
    )
    if by_page and sum(one.was_left for one in own) >= rules.MOST_LEFT:
        raise HeldAlready("Your company left several pages of this dataset unpaid: pay this order otherwise.")


async def accept_quote(
    quote: uuid.UUID, at: dt.datetime, payable_until: dt.datetime | None = None, page_until: dt.datetime | None = None
) -> None:
    """Write down that a quote was ordered, and until when it may be paid, inside the order's transaction.

    page_until: until when the page is open on which a transfer may be chosen, where there is one.
    """
    accepted = QuoteAcceptance(quote=quote, accepted_at=at, payable_until=payable_until, page_until=page_until)
    await QuoteAcceptance.insert(accepted).on_conflict(action="DO NOTHING")


async def close_quotes(
    quotes: Sequence[uuid.UUID], at: dt.datetime | None = None, *, was_left: bool = False, is_closed: bool = False
) -> None:
    """Write down that ordered quotes were paid, or that they lapsed at an instant; inside the transaction that makes it so.

    was_left: nobody chose a transfer or a debit, so that what could be paid on a page could be no longer than that was open.
    is_closed: the marketplace closed their pages, which therefore nobody left.
    """
    await execute(
        """UPDATE quote_acceptance
           SET payable_until = least($2, CASE WHEN $3 THEN page_until END),
               page_until = CASE WHEN NOT $4 THEN page_until END
           WHERE quote = ANY ($1)
           AND ($2::timestamptz IS NULL OR payable_until > least($2, CASE WHEN $3 THEN page_until END))""",
        list(quotes),
        at,
        was_left,
        is_closed,
    )
