"""A bid's receipt held against the log and its auction's transcript, for the page; `proof.js` does the same in the browser."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.auctions.queries import get_transcript
from marketplace.errors import NotFound
from marketplace.settings import settings
from marketplace.signing import public_key
from marketplace.transparency import queries, rules
from pricing.auctions.receipt import compare, read_receipt
from pricing.auctions.transcript import from_json
from pricing.merkle import merkle_root
from pricing.refusals import PricingRefusal

if TYPE_CHECKING:
    from pricing.auctions.receipt import Receipt
    from pricing.log.notes import Checkpoint

SHOWN_REFUSED = "refused_below_minimum"
"""The one answer by which a refused bid is in a transcript."""


class CheckedBid(Struct, frozen=True):
    """What a receipt shows, each step apart; None where it cannot be said yet, or at all."""

    is_signed: bool
    """By the operator."""
    has_terms: bool | None
    """Its terms are those that the log has from before the first bid."""
    is_counted: bool | None
    """The bid is in the transcript, which is under the root that the log has from the auction's close.

    An accepted one is not where the log has its auction as cancelled, which only one without a bid is.
    """
    auction: str
    answer: str


async def check_bid(text: str, published: Checkpoint | None) -> CheckedBid | None:
    """Check a bid's receipt, as downloaded; None where this text is none."""
    try:
        receipt = read_receipt(text)
    except PricingRefusal:
        return None
    key, auction = public_key(settings().signing_key), receipt.content["auction"]
    logged = await queries.list_about(auction, published.size if published else 0)
    stated = {entry.kind: rules.read(entry.content)["statement"] for entry in logged}
    opened, closed = stated.get("auction_opened"), stated.get("auction_closed")
    is_dropped = "auction_cancelled" in stated and receipt.content["position"] is not None
    terms = receipt.content.get("terms")
    return CheckedBid(
        is_signed=receipt.public_key == key and receipt.is_signed(),
        has_terms=opened["terms_sha256"] == terms if opened and terms else None,
        is_counted=False if is_dropped else await _is_counted(receipt, key, closed["root"]) if closed else None,
        auction=auction,
        answer=receipt.content["answer"],
    )


async def _is_counted(receipt: Receipt, key: bytes, root: str) -> bool | None:
    if receipt.content["position"] is None and receipt.content["answer"] != SHOWN_REFUSED:
        return None
    try:
        made = from_json((await get_transcript(uuid.UUID(receipt.content["auction"]))).decode())
    except NotFound:
        return None
    is_whole = merkle_root(made.leaves).hex() == made.root.hex() == root
    return is_whole and not compare(made, receipt, key).differences
