"""Rules of every kind of auction: pseudonyms, valid amounts, how a price is split over lots.

Pure: instants come in. Source: RFC 8785 (canonical JSON).
"""

from __future__ import annotations

import base64
import functools
import hmac
import re
from typing import TYPE_CHECKING, Any, Final

import rfc8785

from marketplace.core.errors import Invalid
from marketplace.core.instants import microseconds
from pricing.auctions.transcript import is_void, proxy_entry
from pricing.money import largest_remainder

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping, Sequence

    from marketplace.sales.auctions.rows import Bid

LARGEST_BID_MINOR: Final = 80_000_000
"""With VAT added it is still below the most that Stripe charges at once."""
SENTENCES = {
    "sealed": "Accepted and sealed: nobody reads it before the end.",
    "leading": "Accepted: you lead.",
    "outbid_at_once": "Accepted, but an earlier maximum is as high or higher: you do not lead.",
    "maximum_raised": "Accepted: your maximum is raised, the price stays.",
    "refused_too_early": "Refused: the auction is not open yet.",
    "refused_too_late": "Refused: the auction had closed when your bid was read.",
    "refused_below_minimum": "Refused: it is below the minimum.",
    "refused_not_a_raise": "Refused: you lead already, and this does not raise your maximum.",
    "refused_already_bid": "Refused: you have bid already, and a sealed bid cannot be replaced.",
}
"""The meaning of each answer to a bid, for people and machines."""
LAST_ROUND: Final = 3
"""An award and two second chances: an accomplice who wins after the first defaulter gains nothing by not paying."""
UNSECURED_TIMES: Final = 3
"""Up to this many times all reserves, a saved payment method or the auction's deposit is enough to bid."""
DEPOSIT_TIMES: Final = (2, 5, 10, 50)
"""A higher bid needs a deposit of its size, rounded up to a multiple of the free amount, so that it reveals no bid."""
STEPS: Final = ((0, 100), (5_000, 250), (20_000, 500), (50_000, 1_000), (200_000, 2_500), (1_000_000, 10_000))
"""The usual increments, in cents: from this price on, how much higher the next bid must be."""


@functools.lru_cache(maxsize=10_000)
def pseudonym(salt: bytes, partner: uuid.UUID) -> str:
    """Return a partner's pseudonym in one auction; without the salt nobody can find out who it is."""
    return "B" + base64.b32encode(hmac.digest(salt, partner.bytes, "sha256"))[:7].decode()


def check_amount(amount_minor: int, currency: str, expected: str) -> None:
    """Refuse amounts that no auction accepts: another currency, nothing, or more than can be charged."""
    if currency != expected:
        raise Invalid("This auction is held in {currency}.", currency=expected)
    if not 1 <= amount_minor <= LARGEST_BID_MINOR:
        raise Invalid("A bid is between {least} and {most} cents.", least=1, most=LARGEST_BID_MINOR)


def deposit_bands(unsecured_minor: int) -> list[int]:
    """Return the deposits, in cents, for bids above the amount that needs none; empty if no bid is above it."""
    if unsecured_minor >= LARGEST_BID_MINOR:
        return []
    bands = (unsecured_minor * times for times in DEPOSIT_TIMES)
    return [*(band for band in bands if band < LARGEST_BID_MINOR), LARGEST_BID_MINOR]


def needed_deposit(amount_minor: int, unsecured_minor: int) -> int:
    """Return the smallest deposit of those bands that covers a bid, in cents; 0 if it needs none of its size."""
    if amount_minor <= unsecured_minor:
        return 0
    return next(band for band in deposit_bands(unsecured_minor) if band >= amount_minor)


def check_nonce(nonce: str) -> None:
    """Refuse a nonce that is not 32 bytes in hex."""
    if not re.fullmatch("[0-9a-f]{64}", nonce):
        raise Invalid("A sealed bid needs a nonce of 64 hex digits.")


def commitments_of(bid: Bid) -> list[str]:
    """Return the commitments to a bid in its auction's log, hex: stored if sealed, from its row if open."""
    if bid.sealed is not None:
        return list(bid.commitments)
    assert bid.maximum_minor is not None, "a bid is open or sealed"
    entry = proxy_entry(str(bid.auction), bid.pseudonym, bid.maximum_minor, microseconds(bid.received_at))
    return [entry.hex()]


def award_document(
    auction: uuid.UUID, root: str, *, bidder: str, round_number: int, release: uuid.UUID, amount_minor: int
) -> bytes:
    """Return canonical bytes of the basis of an awarded price: auction, root, bidder, round, amount."""
    return rfc8785.dumps(
        {
            "kind": "auction award",
            "auction": str(auction),
            "root": root,
            "bidder": bidder,
            "round": round_number,
            "release": str(release),
            "amount_minor": amount_minor,
        }
    )


def highest_bids(reveals: Iterable[Mapping[str, Any] | None]) -> dict[str, int]:
    """Return the highest revealed bid of each bidder for one lot, in cents by pseudonym; None for an unrevealed bid.

    A bid above its deposit does not count.
    """
    highest: dict[str, int] = {}
    for line in filter(None, reveals):
        if is_void(line):
            continue
        amount = line.get("amount_minor", line.get("maximum_minor", 0))
        highest[line["bidder"]] = max(highest.get(line["bidder"], 0), amount)
    return highest


def split_price(pays_minor: int, reserves: Sequence[int]) -> list[int]:
    """Return a package's price over its lots, exactly in proportion to their reserves: no lot is below its own."""
    return largest_remainder(pays_minor, reserves) if reserves else []
