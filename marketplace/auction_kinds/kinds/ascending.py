"""A live auction: open bids by proxy, a price that rises, and an end that a late bid moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.auction_kinds.kind_rules import AuctionKind
from marketplace.auction_kinds.open_rules import ProxyBids
from marketplace.instants import microseconds
from marketplace.words import Words

if TYPE_CHECKING:
    from marketplace.auction_kinds.rows import AuctionTerms


def _rule(auction: AuctionTerms) -> Words:
    seconds = auction.window_seconds
    if auction.most_extension_seconds is not None:
        minutes = auction.most_extension_seconds // 60
        return Words(
            fr="Indiquez le maximum que vous paieriez ; le site enchérit pour vous, seulement autant qu’il le faut. Le plus "
            "haut maximum gagne, un palier au-dessus du deuxième. Dans les "
            f"{seconds} dernières secondes, une offre qui change la tête ou le prix repousse la fin, de {minutes} minutes au "
            "plus en tout : personne ne gagne à être le dernier.",
            en="State the most you would pay; the site bids for you, only as far as it must. The highest maximum wins, at "
            f"one step above the second. In the last {seconds} seconds a bid that changes the leader or the price moves the "
            f"end, by {minutes} minutes at most in all, so that nobody gains by being last.",
        )
    return Words(
        fr="Indiquez le maximum que vous paieriez ; le site enchérit pour vous, seulement autant qu’il le faut. Le plus haut "
        f"maximum gagne, un palier au-dessus du deuxième. Une offre dans les {seconds} dernières secondes repousse la fin : "
        "personne ne gagne à être le dernier.",
        en="State the most you would pay; the site bids for you, only as far as it must. The highest maximum wins, at one "
        f"step above the second. A bid in the last {seconds} seconds moves the end, so that nobody gains by being last.",
    )


def _terms(auction: AuctionTerms) -> dict[str, Any]:
    most = auction.most_extension_seconds
    return {
        "start_minor": auction.reserve_minor,
        "increments_minor": [list(step) for step in zip(auction.steps_from_minor, auction.steps_minor, strict=True)],
        "opens_at": microseconds(auction.opens_at),
        "closes_at": microseconds(auction.scheduled_close_at),
        "window": auction.window_seconds * 1_000_000,
        "extension": auction.extension_seconds * 1_000_000,
    } | ({} if most is None else {"most_extension": most * 1_000_000})


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
