"""Sealed bids: one amount for one licence, or XOR packages of lots; how they are read, bound and decided. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from marketplace.core.errors import Invalid
from marketplace.core.web.formats import read_cents
from marketplace.core.words import Words
from marketplace.sales.auctions.kind_rules import BidField, Package
from pricing.auctions.ascending import BidAnswer
from pricing.auctions.transcript import commit_bid, commit_bundle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from marketplace.sales.auctions.rows import AuctionNow, AuctionTerms, Bid, LockedAuction, Lot

MOST_PACKAGES: Final = 50
SEALED: Final = "sealed"
ALREADY_BID: Final = "refused_already_bid"


def decide(auction: LockedAuction, packages: Iterable[Package], lots: Sequence[Lot], *, has_bid: bool) -> str:
    """Return the answer to a sealed bid at its instant, `locked_at`; a key of `rules.SENTENCES`.

    A bidder has one, which cannot be replaced, so nobody can choose afterwards which of two counts. Its content is
    known only during the request.
    """
    if auction.locked_at < auction.opens_at:
        return BidAnswer.REFUSED_TOO_EARLY
    if auction.locked_at >= auction.closes_at or auction.state != "open":
        return BidAnswer.REFUSED_TOO_LATE
    if has_bid:
        return ALREADY_BID
    if any(amount < sum(lots[at].reserve_minor for at in positions) for positions, amount in packages):
        return BidAnswer.REFUSED_BELOW_MINIMUM
    return SEALED


def _covered(bid: Bid) -> dict[str, Any]:
    """Return the transcript's words on a bid's limit: above it the bid is void."""
    return {"covered_minor": bid.covered_minor}


def good(lot: int) -> str:
    """Return a lot's name in the transcript of an auction of several."""
    return f"lot-{lot}"


class OneAmount:
    """A sealed bid is one amount, for the only lot; see `kind_rules.SealedBids`."""

    is_sealed: Literal[True] = True

    def fields(self, auction: AuctionNow, lots: Sequence[Lot]) -> list[BidField]:
        """Return the one field: an amount."""
        del lots
        label = Words("Your bid, in euros")
        return [BidField("amount", label, self.minimum_minor(auction), is_required=True)]

    def read(self, typed: Mapping[str, Any], lots: int) -> list[Package]:
        """Return the typed amount."""
        del lots
        return [Package((0,), read_cents(str(typed.get("amount", ""))))]

    def minimum_minor(self, auction: AuctionNow) -> int:
        """Return the reserve."""
        return auction.reserve_minor

    def content(self, packages: Sequence[Package], lots: int) -> dict[str, Any]:
        """Return the amount; refuses several packages."""
        del lots
        if len(packages) != 1:
            raise Invalid("A bid here is one amount.")
        return {"amount_minor": packages[0][1]}

    def packages(self, content: Mapping[str, Any]) -> list[Package]:
        """Return the amount, for the only lot."""
        return [Package((0,), content["amount_minor"])]

    def commitments(
        self, auction: AuctionTerms, named: str, content: Mapping[str, Any], nonce: str, covered_minor: int
    ) -> list[str]:
        """Return the one hash that binds the amount."""
        secret, amount = bytes.fromhex(nonce), content["amount_minor"]
        return [commit_bid(str(auction.id), named, amount, secret, covered_minor=covered_minor).hex()]

    def reveals(self, bid: Bid, content: Mapping[str, Any], nonce: str) -> list[dict[str, Any]]:
        """Return a bid as transcripts show it: its amount and its nonce."""
        return [{"bidder": bid.pseudonym, "amount_minor": content["amount_minor"], "nonce": nonce} | _covered(bid)]


class Packages:
    """A sealed bid is XOR packages: at most one of them wins; see `kind_rules.SealedBids`."""

    is_sealed: Literal[True] = True

    def fields(self, auction: AuctionNow, lots: Sequence[Lot]) -> list[BidField]:
        """Return a field for each lot, and one for all of them together."""
        del auction
        label = Words("{dataset}, {period}, in euros")
        together = Words("All of them together, in euros")
        fields = [
            BidField(f"lot-{at}", label, lot.reserve_minor, is_required=False, lot=at) for at, lot in enumerate(lots)
        ]
        if len(lots) > 1:
            fields.append(BidField("all", together, sum(lot.reserve_minor for lot in lots), is_required=False))
        return fields

    def read(self, typed: Mapping[str, Any], lots: int) -> list[Package]:
        """Return the typed packages; empty fields are skipped."""
        texts: list[tuple[tuple[int, ...], str]] = [((lot,), str(typed.get(f"lot-{lot}", ""))) for lot in range(lots)]
        if lots > 1:
            texts.append((tuple(range(lots)), str(typed.get("all", ""))))
        return [Package(positions, read_cents(text)) for positions, text in texts if text.strip()]

    def minimum_minor(self, auction: AuctionNow) -> int:
        """Return the cheapest lot's reserve."""
        return auction.reserve_minor

    def content(self, packages: Sequence[Package], lots: int) -> dict[str, Any]:
        """Return [[lot positions ascending], amount] for each; refuses a package without lots, or with one twice."""
        if not 1 <= len(packages) <= MOST_PACKAGES:
            raise Invalid("Bid on between 1 and {most} packages.", most=MOST_PACKAGES)
        seen = set()
        for positions, _ in packages:
            wanted = frozenset(positions)
            if not wanted or len(wanted) != len(positions) or not wanted <= set(range(lots)):
                raise Invalid("A package names one or more of the auction's lots, each once.")
            if wanted in seen:
                raise Invalid("Two packages name the same lots; only one of them can count.")
            seen.add(wanted)
        return {"packages": [[sorted(positions), amount] for positions, amount in packages]}

    def packages(self, content: Mapping[str, Any]) -> list[Package]:
        """Return the packages."""
        return [Package(lots, amount) for lots, amount in content["packages"]]

    def commitments(
        self, auction: AuctionTerms, named: str, content: Mapping[str, Any], nonce: str, covered_minor: int
    ) -> list[str]:
        """Return a hash for each package."""
        secret, of = bytes.fromhex(nonce), str(auction.id)
        return [
            commit_bundle(of, named, [good(lot) for lot in lots], amount, secret, covered_minor=covered_minor).hex()
            for lots, amount in content["packages"]
        ]

    def reveals(self, bid: Bid, content: Mapping[str, Any], nonce: str) -> list[dict[str, Any]]:
        """Return a bid as transcripts show it: a line for each package."""
        return [
            {"bidder": bid.pseudonym, "goods": [good(lot) for lot in lots], "amount_minor": amount, "nonce": nonce}
            | _covered(bid)
            for lots, amount in content["packages"]
        ]
