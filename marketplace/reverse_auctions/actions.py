"""What can be done about reverse auctions: the operator announces one, and a subscriber states an amount or withdraws it.

One price per stratum, set by the first ask that does not win, within a budget fixed before opening. Asks are sealed for
the closing job; nobody else reads them, how many did is counted once, at the end, with noise, and refusing has no consequence: nothing
but the award reads an ask. Consent is asked apart, and can be withdrawn as ever.
Source: J. Staiano et al., Money walks, UbiComp 2014, section 3.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock, sealing
from marketplace.database import execute, fetch_rows, fetch_scalar, transaction
from marketplace.datasets.tables import Dataset
from marketplace.errors import Conflict, Expired, Invalid, NotFound
from marketplace.reverse_auctions.queries import share_auction
from marketplace.reverse_auctions.rules import FEWEST_SHOWN, Stratum, Timing, ask_id, check_announcement, check_ask
from marketplace.reverse_auctions.tables import ReverseAuction, ReverseAuctionAsk, ReverseAuctionStratum
from marketplace.subscriber_registry import refuse_without_table

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
    """Announce a reverse auction for a dataset; with `auction` (a form's id), the same one again changes nothing.

    Each stratum wants `fewest` people or more, and its budget is enough for so many at the most that is paid: its price
    is then that most, or what somebody asked behind so many others, so that no few accomplices learn what one person
    stated. Strata and budgets are fixed from here on, and an auction never opens before it is announced. Refuses
    Invalid, NotFound for the dataset, and Conflict where a stratum of age bands could not be checked.
    """
    auction, now = auction or uuid.uuid4(), clock.now()
    timing = Timing(max(timing.opens_at, now), timing.closes_at, timing.promise_from, timing.promise_to)
    check_announcement(strata, timing, fewest)
    bands = await fetch_scalar(list, Dataset.select(Dataset.age_bands).where(Dataset.code == dataset))
    if bands is None:
        raise NotFound("There is no dataset {dataset}.", dataset=dataset)
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
            await ReverseAuctionStratum.insert(*(_row_of(one, auction, n) for n, one in enumerate(strata)))
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
    """State the least a subscriber would accept, in micro-euros; a later statement replaces it until the auction closes.

    Refuses Invalid, AskAboveMost, NotFound, Conflict before it opens and Expired once it is closed.
    """
    wanted = (ReverseAuctionStratum.id == stratum) & (ReverseAuctionStratum.auction == auction)
    most_micro = await fetch_scalar(
        int, ReverseAuctionStratum.select(ReverseAuctionStratum.reserve_micro).where(wanted)
    )
    if most_micro is None:
        raise NotFound("There is no such call.")
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


class OpenCall(Struct, frozen=True):
    """A call that is not over."""

    id: uuid.UUID


async def withdraw(subscriber: int, auction: uuid.UUID) -> None:
    """Withdraw an ask before the auction closes: its content is erased, and nothing follows from it. Refuses as `ask`."""
    async with transaction():
        at = await _lock_open(auction)
        own = (ReverseAuctionAsk.auction == auction) & (ReverseAuctionAsk.subscriber == subscriber)
        await ReverseAuctionAsk.update(
            {ReverseAuctionAsk.withdrawn_at: at, ReverseAuctionAsk.sealed: b""}, force=True
        ).where(own & ReverseAuctionAsk.withdrawn_at.is_null())


async def withdraw_asks(subscriber: int) -> None:
    """Withdraw every ask of a line whose call is not over, in the transaction that erases its holder."""
    open_calls = await fetch_rows(
        OpenCall,
        """SELECT auction.id FROM reverse_auction AS auction JOIN reverse_auction_ask AS ask ON ask.auction = auction.id
           WHERE ask.subscriber = $1 AND ask.withdrawn_at IS NULL AND auction.closes_at > clock_timestamp()
           ORDER BY auction.id""",
        subscriber,
    )
    for call in open_calls:
        with contextlib.suppress(Expired):  # at its very end: it is counted as it was
            await withdraw(subscriber, call.id)


async def _lock_open(auction: uuid.UUID) -> dt.datetime:
    """Lock an open auction against its award, and return the database's instant, read once it is locked."""
    row = await share_auction(auction)
    if row.locked_at < row.opens_at:
        raise Conflict("This call is not open yet.")
    if row.state != "open" or row.locked_at >= row.closes_at:
        raise Expired("This call is closed.")
    return row.locked_at
