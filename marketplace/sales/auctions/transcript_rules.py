"""An auction's transcript, and the award that `pricing` computes from it; anyone computes the same. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.core.instants import microseconds
from marketplace.sales.auctions.registry import get_kind
from marketplace.sales.auctions.rules import commitments_of
from pricing.auctions.transcript import KINDS as PRICE_RULES
from pricing.auctions.transcript import Transcript, leaves, terms_entry
from pricing.merkle import merkle_root

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from marketplace.sales.auctions.rows import AuctionTerms, Bid, Lot

VERSION: Final = 1
"""The version of the format of a transcript's terms, which its root covers."""


def price_rule_of(auction: AuctionTerms) -> str:
    """Return the name of an auction's price rule in transcripts."""
    return get_kind(auction.kind).price_rules[auction.price_rule]


def terms_document(auction: AuctionTerms, lots: Sequence[Lot]) -> dict[str, Any]:
    """Return the auction's terms as its transcript states them. lots: by position."""
    kind = get_kind(auction.kind)
    stated: dict[str, Any] = {
        "version": VERSION,
        "currency": auction.currency,
        "lots": [str(lot.release) for lot in lots],
        "licence_terms": auction.licence_terms,
        "months": auction.months,
        "reserve_minor": auction.reserve_minor,
        "opens_at": microseconds(auction.opens_at),
        "closes_at": microseconds(auction.scheduled_close_at),
        "pay_within_hours": auction.pay_within_hours,
        "unsecured_minor": auction.unsecured_minor,
    }
    if kind.most_lots > 1:
        stated["reserves_minor"] = [lot.reserve_minor for lot in lots]
    return stated | kind.terms(auction)


def terms_digest(auction: AuctionTerms, lots: Sequence[Lot]) -> str:
    """Return the first leaf under the root, hex: it fixes the terms before the first bid."""
    terms = {"auction": str(auction.id), "kind": price_rule_of(auction), "terms": terms_document(auction, lots)}
    return terms_entry(terms).hex()


def entries_of(auction: AuctionTerms, lots: Sequence[Lot], bids: Sequence[Bid]) -> list[bytes]:
    """Return the leaves after the terms: the seller's bids, then each accepted bid's commitments in order."""
    entry_of, _ = PRICE_RULES[price_rule_of(auction)]
    seller = [entry_of(str(auction.id), one) for one in get_kind(auction.kind).seller_bids(lots)]
    return seller + [bytes.fromhex(each) for bid in bids for each in commitments_of(bid)]


def _shown_refused(auction: AuctionTerms, refused: Sequence[Bid]) -> list[dict[str, Any]]:
    """Return open bids that were refused for the minimum as transcripts show them."""
    bids = get_kind(auction.kind).bids
    return [shown for bid in refused for shown in bids.reveals(bid, {}, "")]


def root_of(auction: AuctionTerms, lots: Sequence[Lot], bids: Sequence[Bid], refused: Sequence[Bid]) -> bytes:
    """Return the root published at close. bids: the accepted ones in order. refused: for the minimum, in order."""
    entries = entries_of(auction, lots, bids) + [bytes.fromhex(each) for bid in refused for each in commitments_of(bid)]
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
    """Return all data from which anyone can compute the award again, with the award as `pricing` computes it."""
    shown = (*get_kind(auction.kind).seller_bids(lots), *reveals)
    return Transcript(
        auction=str(auction.id),
        kind=price_rule_of(auction),
        terms=terms_document(auction, lots),
        entries=tuple(entries_of(auction, lots, bids)),
        reveals=shown,
        root=bytes.fromhex(root),
        award=awarded(auction, lots, shown),
        refused=tuple(_shown_refused(auction, refused)),
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
    """Return the positions of the lots that an outcome wins."""
    if "goods" in outcome:
        return sorted(int(name.rpartition("-")[2]) for name in outcome["goods"])
    return [0] * bool(outcome["units"])
