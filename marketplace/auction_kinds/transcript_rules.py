"""What a transcript says of an auction, and the award that `pricing` computes from it; anyone re-computes the same. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.auction_kinds.registry import get_kind
from marketplace.auction_kinds.rules import commitments_of
from marketplace.instants import microseconds
from pricing.auctions.replay import BINDS_REFUSED
from pricing.auctions.transcript import KINDS as PRICE_RULES
from pricing.auctions.transcript import Transcript, leaves, terms_entry
from pricing.merkle import merkle_root

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from marketplace.auction_kinds.rows import AuctionTerms, Bid, Lot

STATES_LICENCE: Final = 4
"""From this version of its terms on, a transcript states the licence terms that each lot is sold under, so for how long."""


def price_rule_of(auction: AuctionTerms) -> str:
    """Return the name of an auction's price rule in transcripts."""
    return get_kind(auction.kind).price_rules[auction.price_rule]


def terms_document(auction: AuctionTerms, lots: Sequence[Lot]) -> dict[str, Any]:
    """Return the auction's terms as its transcript states them. lots: by position."""
    kind = get_kind(auction.kind)
    stated: dict[str, Any] = {
        "currency": auction.currency,
        "lots": [str(lot.release) for lot in lots],
        "reserve_minor": auction.reserve_minor,
    }
    if auction.terms_version > 1:
        stated |= {
            "version": auction.terms_version,
            "opens_at": microseconds(auction.opens_at),
            "closes_at": microseconds(auction.scheduled_close_at),
            "pay_within_hours": auction.pay_within_hours,
            "unsecured_minor": auction.unsecured_minor,
        }
        if auction.terms_version >= STATES_LICENCE:
            stated["licence_terms"] = auction.licence_terms
        if kind.most_lots > 1:
            stated["reserves_minor"] = [lot.reserve_minor for lot in lots]
    return stated | kind.terms(auction)


def terms_digest(auction: AuctionTerms, lots: Sequence[Lot]) -> str:
    """Return the first leaf under the root, hex: it binds the terms before the first bid."""
    terms = {"auction": str(auction.id), "kind": price_rule_of(auction), "terms": terms_document(auction, lots)}
    return terms_entry(terms).hex()


def entries_of(auction: AuctionTerms, lots: Sequence[Lot], bids: Sequence[Bid]) -> list[bytes]:
    """Return the leaves after the terms: the seller's bids, then each accepted bid's commitments in order."""
    entry_of, _ = PRICE_RULES[price_rule_of(auction)]
    seller = [entry_of(str(auction.id), one) for one in get_kind(auction.kind).seller_bids(lots)]
    return seller + [bytes.fromhex(each) for bid in bids for each in commitments_of(bid)]


def shown_refused(auction: AuctionTerms, refused: Sequence[Bid]) -> list[dict[str, Any]]:
    """Return open bids that were refused for the minimum as transcripts show them."""
    bids = get_kind(auction.kind).bids
    return [shown for bid in refused for shown in bids.reveals(bid, {}, "")]


def root_of(auction: AuctionTerms, lots: Sequence[Lot], bids: Sequence[Bid], refused: Sequence[Bid]) -> bytes:
    """Return the root that is published at close. bids: the accepted ones in order. refused: for the minimum, as they came."""
    bound = refused if auction.terms_version >= BINDS_REFUSED else []
    entries = entries_of(auction, lots, bids) + [bytes.fromhex(each) for bid in bound for each in commitments_of(bid)]
    return merkle_root(leaves(str(auction.id), price_rule_of(auction), terms_document(auction, lots), entries))


def transcript(
    auction: AuctionTerms,
    root: str,
    lots: Sequence[Lot],
    bids: Sequence[Bid],
    reveals: Sequence[Mapping[str, Any]],
    *,
    refused: Sequence[Bid],
) -> Transcript:
    """Return everything from which anyone re-computes the award, the award itself as `pricing` computes it."""
    shown = (*get_kind(auction.kind).seller_bids(lots), *reveals)
    return Transcript(
        auction=str(auction.id),
        kind=price_rule_of(auction),
        terms=terms_document(auction, lots),
        entries=tuple(entries_of(auction, lots, bids)),
        reveals=shown,
        root=bytes.fromhex(root),
        award=awarded(auction, lots, shown),
        refused=tuple(shown_refused(auction, refused)) if auction.terms_version >= BINDS_REFUSED else (),
    )


def awarded(auction: AuctionTerms, lots: Sequence[Lot], reveals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the award of an auction's price rule for these bids."""
    _, award_of = PRICE_RULES[price_rule_of(auction)]
    return award_of(terms_document(auction, lots), reveals)


def bidders_outcomes(auction: AuctionTerms, lots: Sequence[Lot], award: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return an award's outcomes without the seller's."""
    seller = {one["bidder"] for one in get_kind(auction.kind).seller_bids(lots)}
    return [outcome for outcome in award["outcomes"] if outcome["bidder"] not in seller]


def lots_of(outcome: Mapping[str, Any]) -> list[int]:
    """Return the positions of the lots an outcome gives."""
    if "goods" in outcome:
        return sorted(int(name.rpartition("-")[2]) for name in outcome["goods"])
    return [0] * bool(outcome["units"])
