"""Actions in an auction: bid, openly or under seal; cancel it before its first bid. `announcing` announces one.

A bid is accepted or refused once, in one transaction that locks the auction's row; its instant is the database's
`clock_timestamp()`, read once the row is locked, so the log is in the order of the instants. Slow work is done before
or after.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec import Struct

from marketplace.catalogue.offers.actions import grant_window
from marketplace.core import sealing
from marketplace.core.database import columns, execute, fetch_row, select, transaction
from marketplace.core.errors import Conflict, Expired, Invalid, NotAllowed, NotFound
from marketplace.core.facts.actions import state_fact
from marketplace.people.spending.actions import spend
from marketplace.people.spending.rules import Purchase, Spender, bids_of, spender_of
from marketplace.sales.auctions import rules, sealed_rules
from marketplace.sales.auctions.bid_queue import queue_of
from marketplace.sales.auctions.eligibility import NO_PAYMENT_METHOD, find_cover
from marketplace.sales.auctions.kind_rules import Package, SealedBids
from marketplace.sales.auctions.placing import OpenBid, lock_for_bids
from marketplace.sales.auctions.queries import SoldData, get_sold_data, get_terms, list_reserves, lock_auction
from marketplace.sales.auctions.receipts import BidReceipt, receipt_of
from marketplace.sales.auctions.registry import get_kind
from marketplace.sales.auctions.rows import AuctionNow, AuctionTerms, Bid, Lot
from marketplace.sales.auctions.tables import Auction, AuctionLead
from marketplace.sales.auctions.tables import Bid as BidTable
from marketplace.sales.auctions.transcript_rules import terms_digest
from pricing.money import EUR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.people.identity.actors import Actor
    from marketplace.sales.auctions.rows import LockedAuction

NOT_VETTED: Final = "Your company is not vetted yet; a steward looks at new partners within two working days."
BARRED: Final = "Your company did not pay what it won in an auction, and may not bid for a time, nor before it has paid what it owes."
DEPOSIT_TOO_SMALL: Final = (
    "So high a bid needs a deposit of its size: have it held back on a card, on the auction’s page, and bid then."
)
REFUSALS: Final = {
    "not_vetted": NOT_VETTED,
    "no_payment_method": NO_PAYMENT_METHOD,
    "barred": BARRED,
    "deposit_too_small": DEPOSIT_TOO_SMALL,
}
"""Each answer of the SQL function `bid_refusals`, in words."""
CHANNEL: Final = "auctions"
"""The channel on which a commit that changes an auction notifies; the payload is the auction's id."""
TERMS_KEPT: Final = 1000
AnyAuction = TypeVar("AnyAuction", bound=AuctionNow)


class FixedTerms(Struct, frozen=True):
    """The fixed part of an auction: its terms, its lots, and their hash as the public log has it, hex."""

    auction: AuctionTerms
    lots: list[Lot]
    digest: str
    sold: SoldData

    def purchase_of(self, partner: uuid.UUID, amount_minor: int) -> Purchase:
        """Return what a partner's bid of this amount may buy, as its spending limit counts it."""
        return Purchase(bids_of(self.auction.id, partner), amount_minor, self.sold.datasets, self.sold.purposes)


class SealedBid(Struct, frozen=True):
    """A request to bid under seal: the plain values, which are used only during the request, and the stored ones."""

    id: uuid.UUID
    by: Spender
    pseudonym: str
    bids: SealedBids
    content: dict[str, Any]
    nonce: str
    sealed: bytes

    @property
    def partner(self) -> uuid.UUID:
        """Whose bid it is."""
        return self.by.partner

    def commitments(self, auction: AuctionTerms, covered_minor: int) -> list[str]:
        """Return the commitment to the bid and the most that the bid may be, hex."""
        return self.bids.commitments(auction, self.pseudonym, self.content, self.nonce, covered_minor)


async def cancel(auction: uuid.UUID, reason: str, *, by: str) -> None:
    """Cancel an auction without bids, with a reason that everyone reads."""
    if not reason.strip():
        raise Invalid("Say why the auction is cancelled.")
    async with transaction():
        locked = await lock_auction(auction)
        if locked.state == "cancelled":
            return
        if locked.state != "open" or locked.bid_count:
            raise Conflict("Somebody has bid: the auction runs to its end.")
        await Auction.update(
            {Auction.state: "cancelled", Auction.cancelled_reason: f"{reason.strip()} ({by})"}, force=True
        ).where(Auction.id == auction)
        if locked.exclusive_from and locked.exclusive_to:
            await grant_window(auction, locked.offer, None, locked.exclusive_from, locked.exclusive_to)
        # The log gets no reason: it is a person's own words, and the log is permanent.
        await state_fact("auction_cancelled", auction, {"bids": locked.bid_count})
        await notify(auction)


async def notify(auction: uuid.UUID) -> None:
    """Notify every live page, in all processes, once the open transaction commits."""
    await execute("SELECT pg_notify($1, $2)", CHANNEL, str(auction))


# ------------------------------------------------------------------ bidding
async def place_bid(
    actor: Actor, auction: uuid.UUID, *, bid: uuid.UUID, maximum_minor: int, currency: str = EUR
) -> BidReceipt:
    """Bid up to `maximum_minor` in an auction with open bids; sending the bid again returns the first answer.

    Raises Invalid for a malformed amount, and BeyondLimit for one that the bidder's spending limit does not allow; a bid
    that is too low, too late or not a raise gets an answer.
    """
    partner, fixed = _bidder(actor), await fixed_terms(auction)
    if get_kind(fixed.auction.kind).bids.is_sealed:
        raise Invalid("This auction accepts sealed bids only.")
    rules.check_amount(maximum_minor, currency, fixed.auction.currency)
    needed = rules.needed_deposit(maximum_minor, fixed.auction.unsecured_minor)
    request = OpenBid(bid, spender_of(actor), fixed.purchase_of(partner, maximum_minor), needed)
    placed = await queue_of(auction).submit(request, fixed.digest)
    if placed is None:
        async with transaction():
            _refuse_cancelled(await lock_auction(auction))
        raise NotFound("There is no such auction.")
    if placed.beyond:
        raise placed.beyond
    if placed.bid is None:
        assert placed.refusal, "a bid that is not answered is refused"
        raise NotAllowed(REFUSALS[placed.refusal])
    if placed.receipt:
        return placed.receipt
    _refuse_another(placed.bid, auction, partner, same=placed.bid.maximum_minor == maximum_minor)
    return receipt_of(placed.bid, fixed.digest, is_repeated=True)


async def place_sealed_bid(
    actor: Actor,
    auction: uuid.UUID,
    *,
    bid: uuid.UUID,
    nonce: str,
    packages: Sequence[tuple[Sequence[int], int]],
    currency: str = EUR,
) -> BidReceipt:
    """Seal a bid for one licence, or XOR packages of lots; a partner has one, which cannot be replaced.

    nonce: 64 hex digits chosen by the bidder (or its form): only with it can the commitment be checked before the end.
    packages: (lot positions, cents) pairs. Amounts are read here, encrypted for the closing job, and stored nowhere
    else.
    """
    partner, fixed = _bidder(actor), await fixed_terms(auction)
    rules.check_nonce(nonce)
    bids = get_kind(fixed.auction.kind).bids
    if not bids.is_sealed:
        raise Invalid("This auction is not sealed: state a maximum.")
    content = bids.content([Package(*one) for one in packages], len(fixed.lots))
    for _, amount_minor in packages:
        rules.check_amount(amount_minor, currency, fixed.auction.currency)
    named = rules.pseudonym(fixed.auction.salt, partner)
    sealed = sealing.seal({"content": content, "nonce": nonce}, bid, sealing.sealing_key())
    request = SealedBid(bid, spender_of(actor), named, bids, content, nonce, sealed)
    purchase = fixed.purchase_of(partner, max(amount_minor for _, amount_minor in packages))
    queue = queue_of(auction)
    async with queue.sealed_places, transaction():
        row, is_new = await _place_sealed(fixed, request)
        if is_new and row.is_accepted:
            await spend(request.by, purchase, row.received_at, auction=auction)
    return receipt_of(row, fixed.digest, is_repeated=not is_new)


async def _place_sealed(fixed: FixedTerms, request: SealedBid) -> tuple[Bid, bool]:
    """Lock the auction, accept or refuse a sealed bid, and return it with whether it is new.

    It does not check that the deposit covers the amount: the answer would reveal the amount. Instead the covered amount
    is bound with the bid, visible to everybody, and a bid above it is void once opened.
    """
    auction = fixed.auction.id
    locked = _refuse_cancelled(await lock_for_bids(auction, [request.partner], [0]))
    (refusal,) = locked.refusals
    covered_minor = await find_cover(request.partner, auction)
    of_partner = (BidTable.auction == auction) & (BidTable.partner == request.partner)
    has_bid = await BidTable.exists().where(of_partner, BidTable.position.is_not_null())
    packages = request.bids.packages(request.content)
    answer = sealed_rules.decide(locked, packages, fixed.lots, has_bid=has_bid)
    row = BidTable(
        id=request.id,
        auction=auction,
        partner=request.partner,
        pseudonym=request.pseudonym,
        position=locked.bid_count + 1 if answer == sealed_rules.SEALED else None,
        received_at=locked.locked_at,
        sealed=request.sealed,
        commitments=request.commitments(fixed.auction, covered_minor),
        answer=str(answer),
        closes_at=locked.closes_at,
        covered_minor=covered_minor,
    )
    new = None if refusal else await _write_sealed(row, locked)
    if new is not None:
        return new, True
    known = await fetch_row(Bid, select(Bid, BidTable).where(BidTable.id == request.id))
    if known is None:
        assert refusal, "a bid that is not refused is written, or known"
        raise NotAllowed(REFUSALS[refusal])
    bound = known.covered_minor
    same = bound is not None and known.commitments == request.commitments(fixed.auction, bound)
    _refuse_another(known, auction, request.partner, same=same)
    return known, False


async def _write_sealed(bid: BidTable, locked: LockedAuction) -> Bid | None:
    """Write a sealed bid and its effects; return None if its id is known."""
    insert = BidTable.insert(bid).on_conflict(action="DO NOTHING", target=BidTable.id)
    new = await fetch_row(Bid, insert.returning(*columns(Bid, BidTable)))
    if new is None or new.position is None:
        return new
    lead = AuctionLead.update({AuctionLead.bid_count: new.position}, force=True)
    await lead.where(AuctionLead.auction == locked.id)
    await notify(locked.id)
    return new


def _refuse_another(known: Bid, auction: uuid.UUID, partner: uuid.UUID, *, same: bool) -> None:
    """Refuse an id that was used for another request; another partner's bid does not exist for this one."""
    if known.partner != partner:
        raise NotFound("There is no such bid.")
    if known.auction != auction or not same:
        raise Conflict("That form was sent before with another bid; reload the page and try again.")


def _refuse_cancelled(auction: AnyAuction) -> AnyAuction:
    if auction.state == "cancelled":
        raise Expired("This auction was cancelled: {reason}", reason=auction.cancelled_reason)
    return auction


_terms: dict[uuid.UUID, FixedTerms] = {}


async def fixed_terms(auction: uuid.UUID) -> FixedTerms:
    """Return the fixed part of an auction, cached, because the database refuses to change it."""
    known = _terms.get(auction)
    if known is None:
        terms, lots = await get_terms(auction), await list_reserves(auction)
        known = FixedTerms(terms, lots, terms_digest(terms, lots), await get_sold_data(auction))
        if len(_terms) >= TERMS_KEPT:
            _terms.clear()
        _terms[auction] = known
    return known


def _bidder(actor: Actor) -> uuid.UUID:
    if actor.partner is None or not actor.vetted:
        raise NotAllowed(NOT_VETTED)
    return actor.partner
