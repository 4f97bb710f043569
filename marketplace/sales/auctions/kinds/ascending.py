"""A live auction: open bids by proxy, a price that rises, and an end that a late bid moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.core.words import Words
from marketplace.sales.auctions.kind_rules import AuctionKind
from marketplace.sales.auctions.open_rules import ProxyBids

if TYPE_CHECKING:
    from marketplace.sales.auctions.rows import AuctionTerms


def _rule(auction: AuctionTerms) -> Words:
    seconds, minutes = auction.window_seconds, auction.most_extension_seconds // 60
    return Words(
        fr="Indiquez le maximum que vous paieriez ; le site enchérit pour vous, seulement autant qu’il le faut. Le plus "
        "haut maximum gagne, un palier au-dessus du deuxième. Dans les "
        f"{seconds} dernières secondes, une offre qui change la tête ou le prix repousse la fin, de {minutes} minutes au "
        "plus en tout : personne ne gagne à être le dernier.",
        en="State the most you would pay; the site bids for you, only as far as it must. The highest maximum wins, at "
        f"one step above the second. In the last {seconds} seconds a bid that changes the leader or the price moves the "
        f"end, by {minutes} minutes at most in all, so that nobody gains by being last.",
    )


def _terms(auction: AuctionTerms) -> dict[str, Any]:
    return {
        "start_minor": auction.reserve_minor,
        "increments_minor": [list(step) for step in zip(auction.steps_from_minor, auction.steps_minor, strict=True)],
        "window": auction.window_seconds * 1_000_000,
        "extension": auction.extension_seconds * 1_000_000,
        "most_extension": auction.most_extension_seconds * 1_000_000,
    }


KIND: Final = AuctionKind(
    code="ascending",
    title=Words(fr="Enchère en direct", en="Live auction"),
    summary=Words(
        fr="Offres ouvertes, un maximum par mandataire chacun, une clôture souple.",
        en="Open bids, a proxy maximum each, a soft close.",
    ),
    price_rules={"proxy": "ascending"},
    bids=ProxyBids(),
    rule=_rule,
    terms=_terms,
)
