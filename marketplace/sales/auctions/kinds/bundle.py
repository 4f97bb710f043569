"""A bundle auction: sealed bids for several releases, alone or together; the allocation worth most wins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.core.words import Bilingual, Words
from marketplace.sales.auctions.kind_rules import AuctionKind
from marketplace.sales.auctions.sealed_rules import Packages, good

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.sales.auctions.rows import AuctionTerms, Lot

SELLER: Final = "seller-"
"""Begins the names of the seller's own bids; no pseudonym does."""


def _rule(auction: AuctionTerms) -> Bilingual:
    if auction.price_rule == "vcg":
        return Words(
            "State what each release, or all of them together, is worth to you; you win at most one of your packages. The "
            "site finds the allocation worth most, and each winner pays what the others would have gained without it, or "
            "the reserve where that is more. So bid what it is worth to you. This rule has a risk: who bids under several names "
            "can lower the price, down to the reserve."
        ).in_both()
    return Words(
        "State what each release, or all of them together, is worth to you; you win at most one of your packages. The "
        "site finds the allocation worth most, and winners pay the least that leaves no group of losers with a better "
        "offer."
    ).in_both()


def _terms(_: AuctionTerms) -> dict[str, Any]:
    return {}


def _seller_bids(lots: Sequence[Lot]) -> list[dict[str, Any]]:
    """Return the seller's own open bids: the reserve on each lot, so that none is sold below it."""
    return [
        {"bidder": f"{SELLER}{at}", "goods": [good(at)], "amount_minor": lot.reserve_minor, "nonce": "00" * 32}
        for at, lot in enumerate(lots)
    ]


KIND: Final = AuctionKind(
    code="bundle",
    title=Words("Bundle auction"),
    summary=Words("Sealed bids for several releases, of one dataset or of several, alone or together."),
    price_rules={"core": "core", "vcg": "vcg"},
    bids=Packages(),
    rule=_rule,
    terms=_terms,
    most_lots=12,
    seller_bids=_seller_bids,
)
