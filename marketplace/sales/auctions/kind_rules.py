"""What a kind of auction defines: its words, its limits, how its bids are read and bound, and its price rule.

A kind is one file in `kinds/`, listed in `registry`. Its `bids` are open or sealed: `open_rules` and `sealed_rules`
have one ready form of each. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from msgspec import Struct

from marketplace.core.words import Bilingual, Words
from marketplace.sales.auctions.rows import AuctionTerms, Lot

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    from marketplace.sales.auctions.rows import AuctionNow, Bid


class Package(NamedTuple):
    """Lots by position, and their worth together to a bidder, in cents."""

    lots: Sequence[int]
    amount_minor: int


class BidField(Struct, frozen=True):
    """A field of the bid form: its name, its label, and its minimum, in cents.

    The label's fields {dataset} and {period}, if it has them, are those of the lot at position `lot`.
    """

    name: str
    label: Words
    least_minor: int
    is_required: bool
    lot: int | None = None


class Bids(Protocol):
    """How the bids of a kind are typed and shown."""

    def fields(self, auction: AuctionNow, lots: Sequence[Lot]) -> list[BidField]:
        """Return the fields of the form."""

    def read(self, typed: Mapping[str, Any], lots: int) -> list[Package]:
        """Return the value that a person typed in those fields; raises Invalid."""

    def minimum_minor(self, auction: AuctionNow) -> int:
        """Return the minimum of the next bid for one lot."""

    def reveals(self, bid: Bid, content: Mapping[str, Any], nonce: str) -> list[dict[str, Any]]:
        """Return a bid as transcripts show it, one line for each of its commitments."""


class Bidding(Protocol):
    """An auction with open bids and its row locked: each accepted bid changes it; see `rows.AuctionNow`."""

    leader: uuid.UUID | None
    leading_maximum_minor: int | None
    price_minor: int | None
    closes_at: dt.datetime

    def place(self, partner: uuid.UUID, maximum_minor: int, at: dt.datetime) -> str:
        """Accept or refuse a bid received at `at`; return the answer, a key of `rules.SENTENCES`."""


class OpenBids(Bids, Protocol):
    """Bids that everybody sees as they come; each states a maximum."""

    is_sealed: Literal[False]

    def begin(self, auction: AuctionNow) -> Bidding:
        """Return the auction as it is now, to place bids in."""


class SealedBids(Bids, Protocol):
    """Bids that nobody reads before the end; a bidder has one, which cannot be replaced."""

    is_sealed: Literal[True]

    def content(self, packages: Sequence[Package], lots: int) -> dict[str, Any]:
        """Return the content of a bid to encrypt; raises Invalid for content that this kind does not accept."""

    def packages(self, content: Mapping[str, Any]) -> list[Package]:
        """Return the value from which `content` was made."""

    def commitments(
        self, auction: AuctionTerms, named: str, content: Mapping[str, Any], nonce: str, covered_minor: int
    ) -> list[str]:
        """Return the commitments to a bid before it is shown, hex; `named` is the bidder's pseudonym.

        covered_minor: the highest bid that its deposit covers.
        """


class AuctionKind(Struct, frozen=True):
    """A kind of auction. `rule` says it in words for one auction; `terms` are the further terms of its transcript."""

    code: str
    title: Words
    summary: Words
    price_rules: Mapping[str, str]
    """Each of its price rules, the usual one first: its name here → its key in `pricing.auctions.transcript.KINDS`."""
    bids: OpenBids | SealedBids
    rule: Callable[[AuctionTerms], Bilingual]
    terms: Callable[[AuctionTerms], dict[str, Any]]
    most_lots: int = 1
    most_licences: int = 1
    has_window: bool = False
    """Whether others may not buy during a window."""
    seller_bids: Callable[[Sequence[Lot]], list[dict[str, Any]]] = lambda lots: []  # noqa: ARG005 (most kinds have none)
    """The seller's own open bids, as transcripts show them."""

    @property
    def sells_ordinary_licences(self) -> bool:
        """Whether a bid is for one licence as posted: not for several releases, nor for excluding others."""
        return self.most_lots == 1 and not self.has_window

    @property
    def usual_price_rule(self) -> str:
        """The price rule of an auction that names none."""
        return next(iter(self.price_rules))
