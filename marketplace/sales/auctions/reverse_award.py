"""The job of reverse auctions: award each that is over, once, and count askers and winners, with noise.

A win is a promise, added to the dataset's contributor terms; the least charge of an order covers it and the revenue share
honours it. Age bands of a stratum are checked: the closing job reads the operator's own table, and counts no subscriber in a
stratum that the table contradicts. The site looks up nobody.

It is sized for ten million asks: they are read in pieces and stored as arrays, and written in pieces, in one
transaction.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Final

import structlog
from msgspec import Struct

from marketplace.core import sealing
from marketplace.core.database import copy_columns, fetch_column, fetch_row, fetch_rows, select, transaction
from marketplace.core.errors import Conflict
from marketplace.core.settings import settings
from marketplace.datasets.population.subscriber_registry import Registry
from marketplace.datasets.releases.contributor_terms import write_contributor_term, write_promises
from marketplace.privacy.noise import laplace
from marketplace.sales.auctions.reverse_opening import Opener
from marketplace.sales.auctions.reverse_queries import SQL, LockedAuction, lock_auction
from marketplace.sales.auctions.reverse_rules import (
    CHANGED_BY_ONE,
    COUNTS_EPSILON_MICRO,
    MICRO_PER_MINOR,
    NOT_OF_GROUP,
    REASONS,
    Asks,
    award_at,
    reasons_of,
)
from marketplace.sales.auctions.reverse_tables import ReverseAuction, ReverseAuctionStratum
from pricing.auctions.award import Reason
from pricing.auctions.reverse import StratumTerms, by_stratum

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pricing.auctions.reverse import ReverseAward
    from pricing.refusals import NotEnoughAsks

log = structlog.get_logger(__name__)
BATCH_SIZE: Final = 20
ROWS_A_READ: Final = 20_000
WON: Final = REASONS.index(Reason.WON)


class StratumTermsRow(Struct, frozen=True):
    """The budget of a stratum; amounts in micro-euros."""

    id: uuid.UUID
    position: int
    wanted: int
    budget_micro: int
    reserve_micro: int
    age_bands: list[str]


class SealedPiece(Struct, frozen=True):
    """Sealed asks by subscriber, an array a column: ids as 16 bytes, strata by position, instants in microseconds."""

    ids: list[bytes]
    subscribers: list[int]
    strata: list[int]
    sealed: list[bytes]
    asked_at: list[int]


async def award_auctions() -> int:
    """Award every reverse auction whose end has passed, once; return how many. A job."""
    due = await fetch_column(
        uuid.UUID,
        "SELECT id FROM reverse_auction WHERE state = 'open' AND closes_at <= clock_timestamp() LIMIT $1",
        BATCH_SIZE,
    )
    awarded = 0
    for auction in due:
        try:
            awarded += await _award(auction)
        except (sealing.UnopenableError, Conflict) as problem:
            log.error("reverse auction not awarded", auction=str(auction), why=str(problem))  # noqa: TRY400 (the sentence says it all)
    return awarded


async def _award(auction: uuid.UUID) -> int:
    import numpy as np  # noqa: PLC0415 (only the closing job needs it)

    async with transaction():  # Waits for all subscribers who are stating an amount now; no one may after that.
        locked = await lock_auction(auction)
        if locked.state != "open" or locked.locked_at < locked.closes_at:
            return 0
    strata = await fetch_rows(
        StratumTermsRow,
        select(StratumTermsRow, ReverseAuctionStratum)
        .where(ReverseAuctionStratum.auction == auction)
        .order_by(ReverseAuctionStratum.position),
    )
    asks = await _opened(auction, {row.id: row.position for row in strata})
    belong = await asyncio.to_thread(_belong, asks, strata)
    counted = asks.of(belong)
    terms = {row.position: StratumTerms(row.wanted, row.budget_micro, row.reserve_micro) for row in strata}
    awards = await asyncio.to_thread(by_stratum, counted.least, counted.strata, terms)
    reasons = np.full(len(asks.least), REASONS.index(NOT_OF_GROUP), dtype=np.int64)
    reasons[belong] = await asyncio.to_thread(reasons_of, counted, awards)
    async with transaction():
        locked = await lock_auction(auction)
        if locked.state != "open":
            return 0
        await _write_strata(strata, awards, np.bincount(asks.strata, minlength=len(strata)))
        await _write_outcomes(asks, reasons)
        await _promise(locked, asks, reasons, {row.position: (award_at(awards, row.position), row) for row in strata})
        await ReverseAuction.update(
            {ReverseAuction.state: "awarded", ReverseAuction.awarded_at: locked.locked_at}, force=True
        ).where(ReverseAuction.id == auction)
    return 1


async def _opened(auction: uuid.UUID, positions: dict[uuid.UUID, int]) -> Asks:
    """Read a closed auction's asks, in pieces, and open them with the key that only this job has."""
    import numpy as np  # noqa: PLC0415 (only the closing job needs it)

    rows: list[bytes] = []
    numbers, of_strata, instants, last = [], [], [], -1
    opener: Opener | None = None
    try:
        while piece := await _read(auction, last, positions):
            last, is_full = piece.subscribers[-1], len(piece.subscribers) == ROWS_A_READ
            opener = opener or Opener(settings().bid_key, is_shared=is_full)
            await opener.add(piece.ids, piece.sealed)
            rows += piece.ids
            numbers.append(np.array(piece.subscribers, dtype=np.int64))
            of_strata.append(np.array(piece.strata, dtype=np.int64))
            instants.append(np.array(piece.asked_at, dtype=np.int64))
            if not is_full:
                break
        least = await opener.all() if opener else np.zeros(0, dtype=np.int64)
    finally:
        if opener:
            opener.close()
    nothing = [np.zeros(0, dtype=np.int64)]
    who, strata, at = (np.concatenate(column or nothing) for column in (numbers, of_strata, instants))
    arrived = np.lexsort((who, at))
    ids = np.frombuffer(b"".join(rows), dtype="S16")
    return Asks(ids[arrived], who[arrived], strata[arrived], least[arrived])


async def _read(auction: uuid.UUID, after: int, positions: dict[uuid.UUID, int]) -> SealedPiece | None:
    """Read the next asks after a subscriber; None after the last."""
    strata, places = list(positions), list(positions.values())
    piece = await fetch_row(SealedPiece, SQL["read_asks"], auction, after, ROWS_A_READ, strata, places)
    return piece if piece and piece.subscribers else None


def _belong(asks: Asks, strata: Sequence[StratumTermsRow]) -> NDArray[np.bool_]:
    """Return whether each ask is of its stratum, by the operator's table; a stratum without bands accepts anyone."""
    import numpy as np  # noqa: PLC0415 (only the closing job needs it)

    belong = np.ones(len(asks.subscribers), np.bool_)
    if checked := [row for row in strata if row.age_bands]:
        registry = Registry()
        for row in checked:
            here = asks.strata == row.position
            belong[here] = registry.are_in(asks.subscribers[here], row.age_bands)
    return belong


async def _write_strata(
    strata: Sequence[StratumTermsRow],
    awards: Mapping[int, ReverseAward | NotEnoughAsks],
    answered: NDArray[np.int64],
) -> None:
    """Write the result of each stratum; answered: the number of askers, by position."""
    import numpy as np  # noqa: PLC0415 (only the closing job needs it)

    chosen = [award_at(awards, row.position).winners for row in strata]
    counts = np.concatenate([answered, np.array(chosen, np.int64)])
    noisy = np.concatenate(list(laplace(counts, sensitivity=CHANGED_BY_ONE, epsilon_micro=COUNTS_EPSILON_MICRO)))
    about = np.maximum(noisy, 0).tolist()
    for number, row in enumerate(strata):
        found = award_at(awards, row.position)
        await ReverseAuctionStratum.update(
            {
                ReverseAuctionStratum.winners: found.winners,
                ReverseAuctionStratum.price_micro: found.price_minor,
                ReverseAuctionStratum.answered_about: about[row.position],
                ReverseAuctionStratum.winners_about: about[len(strata) + number],
            },
            force=True,
        ).where(ReverseAuctionStratum.id == row.id)


async def _write_outcomes(asks: Asks, reasons: NDArray[np.int64]) -> None:
    """Write the result of every ask: a COPY per reason, in the order of the key, so that its index grows at its end."""
    import numpy as np  # noqa: PLC0415 (only the closing job needs it)

    by_id = await asyncio.to_thread(np.argsort, asks.ids)
    ids, reasons = asks.ids[by_id], reasons[by_id]
    for number in np.unique(reasons).tolist():
        here = ids[reasons == number]
        await copy_columns(
            "reverse_auction_outcome", {"ask": here, "reason": np.full(len(here), REASONS[number].encode())}
        )


async def _promise(
    auction: LockedAuction,
    asks: Asks,
    reasons: NDArray[np.int64],
    awards: Mapping[int, tuple[ReverseAward, StratumTermsRow]],
) -> None:
    """Add the wins to the dataset's terms: in all the budgets of strata with winners, and each winner's minimum.

    A promise begins no earlier than the award: earlier licences could not count it.
    """
    import numpy as np  # noqa: PLC0415 (only the closing job needs it)

    promised_micro = sum(row.budget_micro for award, row in awards.values() if award.price_minor)
    starts_at = max(auction.promise_from, auction.locked_at)
    if not promised_micro or starts_at >= auction.promise_to:
        return
    await write_contributor_term(
        auction.id,
        auction.dataset,
        promised_minor=-(-promised_micro // MICRO_PER_MINOR),
        starts_at=starts_at,
        ends_at=auction.promise_to,
    )
    prices = np.zeros(max(awards) + 1, dtype=np.int64)
    for position, (award, _) in awards.items():
        prices[position] = award.price_minor or 0
    minimums = prices[asks.strata]
    won = np.flatnonzero((reasons == WON) & (minimums > 0))
    won = won[np.argsort(asks.subscribers[won])]
    await write_promises(auction.id, asks.subscribers[won], minimums[won])
