"""Limited licences: sealed bids for so many licences; all winners pay the highest losing bid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.core.words import Words
from marketplace.sales.auctions.kind_rules import AuctionKind
from marketplace.sales.auctions.sealed_rules import OneAmount

if TYPE_CHECKING:
    from marketplace.sales.auctions.rows import AuctionTerms


def _rule(auction: AuctionTerms) -> Words:
    if auction.licences == 1:
        return Words(
            fr="Une licence va à la plus haute offre sous pli, qui paie la meilleure offre non retenue, ou la réserve. "
            "Offrez donc ce que cela vaut pour vous.",
            en="One licence goes to the highest sealed bid, which pays the best bid that did not win, or the reserve. So bid "
            "what it is worth to you.",
        )
    return Words(
        fr=f"{auction.licences} licences vont aux plus hautes offres sous pli, et tous les gagnants paient le même prix : la "
        "meilleure offre non retenue, ou la réserve. Offrez donc ce qu’une licence vaut pour vous.",
        en=f"{auction.licences} licences go to the highest sealed bids, and all winners pay the same: the best bid that did "
        "not win, or the reserve. So bid what a licence is worth to you.",
    )


def _terms(auction: AuctionTerms) -> dict[str, Any]:
    return {"licences": auction.licences}


KIND: Final = AuctionKind(
    code="limited",
    title=Words(fr="Licences limitées", en="Limited licences"),
    summary=Words(
        fr="Offres scellées pour un certain nombre de licences ; tous les gagnants paient la meilleure offre perdante.",
        en="Sealed bids for so many licences; all winners pay the best losing bid.",
    ),
    price_rules={"uniform_price": "uniform_price"},
    bids=OneAmount(),
    rule=_rule,
    terms=_terms,
    most_licences=1000,
)
