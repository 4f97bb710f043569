"""Prices that are good for weeks, held or awaiting a bank transfer: one for each company and dataset.

Quotes of a quarter of an hour delay nobody. Quotes of weeks keep a steward from changing the offer, or from auctioning
it exclusively. So after a lapsed one a company gets no other for a while, with any of its accounts or ways to pay.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.catalogue.offers import rules
from marketplace.catalogue.offers.queries import SQL
from marketplace.catalogue.offers.tables import QuoteAcceptance
from marketplace.core.database import execute, fetch_rows
from marketplace.core.errors import Conflict
from marketplace.core.locks import lock
from marketplace.core.web.formats import paris_day
from marketplace.people.identity.companies import of_one_company

if TYPE_CHECKING:
    from collections.abc import Sequence

TIME_TO_LAPSE: Final = dt.timedelta(minutes=5)
"""How long after its page has closed a job lapses an unpaid order."""
MINUTE: Final = dt.timedelta(minutes=1)
DAY: Final = dt.timedelta(days=1)


class HeldAlready(Conflict):
    """A company wants a second price of a dataset that is good for weeks, or one soon after another lapsed."""


class LastHold(Struct, frozen=True):
    """Until when a partner's unpaid price of weeks is or was good."""

    partner: uuid.UUID
    held_until: dt.datetime
    page_until: dt.datetime | None
    """Until when its page for choosing a transfer is or was open; None without such a page."""

    @property
    def was_left(self) -> bool:
        """Whether nobody chose a transfer on its page, or a debit that held the price for more than a day."""
        return self.page_until is not None and self.held_until < self.page_until + DAY

    def next_at(self, now: dt.datetime) -> dt.datetime:
        """Return when another one is allowed; for an open page its end, since it may still be left unpaid."""
        if self.page_until is not None and self.page_until + TIME_TO_LAPSE > now:
            return self.page_until + TIME_TO_LAPSE
        return self.held_until + rules.BETWEEN_HOLDS


async def _list_own(
    partner: uuid.UUID, offer: uuid.UUID, now: dt.datetime, *, by_transfer: bool, quote: uuid.UUID | None = None
) -> list[LastHold]:
    """Return a company's present and recent unpaid prices of an offer that are good for weeks.

    by_transfer: count only orders that wait, or waited, for a transfer. quote: is not counted. A paid price does not
    count, since it was bought. An order alone is not payment yet, since it may lapse.
    """
    await lock(f"held prices {offer}")  # Of two simultaneous accounts of a company, the second one sees the first.
    asked = (offer, now - rules.BETWEEN_HOLDS, quote, by_transfer)
    last = await fetch_rows(LastHold, SQL["list_last_holds"], *asked)
    own = await of_one_company(partner, sorted({one.partner for one in last})) if last else []
    return [one for one in last if one.partner in own]


def _refuse(sentence: str, own: Sequence[LastHold], now: dt.datetime) -> None:
    """Refuse one more price while any of these counts, and name the day, or the end of an open page."""
    if not (counted := [one for one in own if not one.was_left]):
        return
    last = max(counted, key=lambda one: one.next_at(now))
    if last.page_until is not None and last.next_at(now) == last.page_until + TIME_TO_LAPSE:
        raise HeldAlready(
            "Your company has a page open on which an order of this dataset may be paid by bank transfer: pay there, or ask "
            "again once it has closed with nothing chosen there, in {minutes} minutes.",
            minutes=max((last.next_at(now) - now) // MINUTE + 1, 2),
        )
    raise HeldAlready(sentence, day=paris_day(last.next_at(now)) + DAY)  # at any hour of that day


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
    """Refuse a second order of an offer that waits for a transfer, also for a while after one lapsed.

    by_page: whether the transfer is to be chosen on a page; refused for a company that left several such pages.
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
    """Record that a quote was ordered, and until when it may be paid, inside the order's transaction.

    page_until: until when the page for choosing a transfer is open, if there is one.
    """
    accepted = QuoteAcceptance(quote=quote, accepted_at=at, payable_until=payable_until, page_until=page_until)
    await QuoteAcceptance.insert(accepted).on_conflict(action="DO NOTHING")


async def close_quotes(
    quotes: Sequence[uuid.UUID], at: dt.datetime | None = None, *, was_left: bool = False, is_closed: bool = False
) -> None:
    """Record that ordered quotes were paid, or lapsed at an instant, inside that transaction.

    was_left: nobody chose a transfer or a debit, so the order was payable only while its page was open. is_closed: the
    marketplace closed the pages, so nobody left them.
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
