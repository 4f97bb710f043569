"""Compare a bid's receipt with the log and its auction's transcript, for the page; `proof.js` does so without us."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.core.errors import NotFound
from marketplace.core.settings import settings
from marketplace.core.signing import public_key
from marketplace.oversight.public_log import queries, rules
from marketplace.sales.auctions.queries import get_transcript
from pricing.auctions.receipt import compare, read_receipt
from pricing.auctions.transcript import from_json
from pricing.merkle import merkle_root
from pricing.refusals import PricingRefusal

if TYPE_CHECKING:
    from pricing.auctions.receipt import Receipt
    from pricing.log.notes import Checkpoint

SHOWN_REFUSED = "refused_below_minimum"
"""The only refusal after which a bid is in a transcript."""


class CheckedBid(Struct, frozen=True):
    """The result of checking a receipt, step by step; None if a step cannot be decided, now or ever."""

    is_signed: bool
    """The operator signed it."""
    has_terms: bool | None
    """Its terms are those in the log from before the first bid."""
    is_counted: bool | None
    """The bid is in the transcript, which is under the root in the log from the auction's close.

    False for an accepted bid if the log has the auction as cancelled, since only an auction without bids is cancelled.
    """
    auction: str
    answer: str


async def check_bid(text: str, published: Checkpoint | None) -> CheckedBid | None:
    """Check a downloaded bid's receipt; None if this text is no receipt."""
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
