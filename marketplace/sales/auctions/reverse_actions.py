"""Actions on reverse auctions: the operator announces one, and a subscriber states an amount or withdraws it.

Each stratum has one price, set by the first losing ask, within a budget fixed before opening. Asks are sealed for the
closing job, and nobody else reads them; the number of askers is counted once, at the end, with noise; refusing has no
consequence, because only the award reads an ask. Consent is asked for separately, and can be withdrawn as usual.
Source: J. Staiano et al., Money walks, UbiComp 2014, section 3.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import TYPE_CHECKING, Final

from marketplace.catalogue.sheets.actions import keep_least
from marketplace.catalogue.sheets.rules import least_that_covers
from marketplace.core import clock, sealing
from marketplace.core.database import execute, fetch_column, fetch_scalar, transaction
from marketplace.core.errors import Conflict, Expired, Invalid, NotFound, existing
from marketplace.core.settings import settings
from marketplace.datasets.population.subscriber_registry import refuse_without_table
from marketplace.datasets.releases.actions import charge_call
from marketplace.datasets.releases.tables import Dataset
from marketplace.sales.auctions.reverse_queries import SQL, share_auction
from marketplace.sales.auctions.reverse_rules import (
    COUNTS_EPSILON_MICRO,
    FEWEST_SHOWN,
    Stratum,
    Timing,
    ask_id,
    check_announcement,
    check_ask,
)
from marketplace.sales.auctions.reverse_tables import ReverseAuction, ReverseAuctionAsk, ReverseAuctionStratum
from pricing.money import EUR

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

PADDED_TO_BYTES: Final = 64
"""Every ask is as long as the longest, so that a length reveals nothing."""


async def announce(
    dataset: str,
    strata: Sequence[Stratum],
    *,
    timing: Timing,
    by: str,
    auction: uuid.UUID | None = None,
    fewest: int = FEWEST_SHOWN,
) -> uuid.UUID:
    """Announce a reverse auction for a dataset; with `auction` (a form's id), a second request changes nothing.

    Each stratum needs `fewest` people or more, and a budget for that many at the highest payment: its price is then
    that maximum, or an ask behind that many others, so that a few accomplices do not learn what one person stated. All
    that is promised for a licence is at most what the least charge of an order covers, which is kept until it ends.
    Strata and budgets are fixed from then on, and an auction never opens before its announcement. Raises Invalid,
    NotFound for the dataset, and Conflict if a stratum of age bands could not be checked, or if a year of subscribers has
    no room for the loss of its counts, which is charged now: before anybody's answer is read.
    """
    auction, now = auction or uuid.uuid4(), clock.now()
    timing = Timing(max(timing.opens_at, now), timing.closes_at, timing.promise_from, timing.promise_to)
    check_announcement(strata, timing, fewest)
    bands = existing(
        await fetch_scalar(list, Dataset.select(Dataset.age_bands).where(Dataset.code == dataset)),
        NotFound("There is no dataset {dataset}.", dataset=dataset),
    )
    if not {band for one in strata for band in one.age_bands} <= set(bands):
        raise Invalid("A group is of age bands that the dataset declares.", field="bands-0")
    if any(one.age_bands for one in strata):
        await asyncio.to_thread(refuse_without_table)
    row = ReverseAuction(
        id=auction,
        dataset=dataset,
        opens_at=timing.opens_at,
        closes_at=timing.closes_at,
        promise_from=timing.promise_from,
        promise_to=timing.promise_to,
        state="open",
        announced_by=by,
        announced_at=now,
    )
    async with transaction():
        if await ReverseAuction.insert(row).on_conflict(action="DO NOTHING", target=ReverseAuction.id):
            await charge_call(auction, timing.closes_at, COUNTS_EPSILON_MICRO)
            await ReverseAuctionStratum.insert(*(_row_of(one, auction, n) for n, one in enumerate(strata)))
            interval = timing.promise_from, timing.promise_to
            promised = await fetch_scalar(int, SQL["get_promised"], dataset, *interval) or 0
            least = least_that_covers(promised, settings().operator_basis_points)
            await keep_least(auction, EUR, least, timing.promise_to)
    return auction


def _row_of(stratum: Stratum, auction: uuid.UUID, position: int) -> ReverseAuctionStratum:
    return ReverseAuctionStratum(
        id=uuid.uuid4(),
        auction=auction,
        position=position,
        title_fr=stratum.title_fr,
        title_en=stratum.title_en,
        age_bands=list(stratum.age_bands),
        wanted=stratum.wanted,
        budget_micro=stratum.budget_micro,
        reserve_micro=stratum.reserve_micro,
    )


async def ask(subscriber: int, auction: uuid.UUID, stratum: uuid.UUID, *, least_micro: int) -> uuid.UUID:
    """State the lowest payment a subscriber would accept, in µ€; a later statement replaces it until the close.

    Raises Invalid, AskAboveMost, NotFound, Conflict before it opens and Expired once it is closed.
    """
    wanted = (ReverseAuctionStratum.id == stratum) & (ReverseAuctionStratum.auction == auction)
    most_micro = existing(
        await fetch_scalar(int, ReverseAuctionStratum.select(ReverseAuctionStratum.reserve_micro).where(wanted)),
        NotFound("There is no such call."),
    )
    check_ask(least_micro, most_micro)
    row = ask_id(auction, subscriber)
    sealed = sealing.seal({"least_micro": least_micro}, row, sealing.sealing_key(), padded_to=PADDED_TO_BYTES)
    async with transaction():
        at = await _lock_open(auction)
        await execute(
            """INSERT INTO reverse_auction_ask (id, stratum, auction, subscriber, sealed, asked_at)
               VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (id) DO UPDATE
               SET stratum = excluded.stratum, sealed = excluded.sealed, asked_at = excluded.asked_at,
                   withdrawn_at = NULL""",
            row,
            stratum,
            auction,
            subscriber,
            sealed,
            at,
        )
    return row


async def withdraw(subscriber: int, auction: uuid.UUID) -> None:
    """Withdraw an ask before the auction closes: its content is erased, without further effect.

    Raises the same errors as `ask`.
    """
    async with transaction():
        at = await _lock_open(auction)
        own = (ReverseAuctionAsk.auction == auction) & (ReverseAuctionAsk.subscriber == subscriber)
        await ReverseAuctionAsk.update(
            {ReverseAuctionAsk.withdrawn_at: at, ReverseAuctionAsk.sealed: b""}, force=True
        ).where(own & ReverseAuctionAsk.withdrawn_at.is_null())


async def withdraw_asks(subscriber: int) -> None:
    """Withdraw every ask of a line in open calls, in the transaction that erases its holder."""
    open_calls = await fetch_column(
        uuid.UUID,
        """SELECT auction.id FROM reverse_auction AS auction JOIN reverse_auction_ask AS ask ON ask.auction = auction.id
           WHERE ask.subscriber = $1 AND ask.withdrawn_at IS NULL AND auction.closes_at > clock_timestamp()
           ORDER BY auction.id""",
        subscriber,
    )
    for call in open_calls:
        with contextlib.suppress(Expired):  # just before its award: it is counted as it was
            await withdraw(subscriber, call)


async def _lock_open(auction: uuid.UUID) -> dt.datetime:
    """Lock an open auction against its award, and return the database's instant, read once it is locked."""
    row = await share_auction(auction)
    if row.locked_at < row.opens_at:
        raise Conflict("This call is not open yet.")
    if row.state != "open" or row.locked_at >= row.closes_at:
        raise Expired("This call is closed.")
    return row.locked_at
