"""What an approver approves: one order, whole, by the hash of its document."""

from __future__ import annotations

import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.errors import Conflict, Expired, NotAllowed

DECIDED: Final = "That is decided already."


class PurchaseDocument(Struct, frozen=True):
    """An order as it would be placed; amounts in cents. Any change in it changes its hash."""

    quote_sha256: str
    """The hash of the signed quote, which names the release, its price and until when it holds."""
    net_minor: int
    vat_minor: int
    currency: str
    terms: str
    months: int
    asker: uuid.UUID | None
    """The colleague, or the first of the keys that replaced each other."""
    reference: str
    reason: str
    pay_by: str


def check_decision(
    *, is_own: bool, is_expired: bool, is_ordered: bool, same: bool, approved: bool | None, approve: bool
) -> None:
    """Refuse a decision of one's own order, of another document than was looked at, and what is over or decided.

    approved: what was decided before, if it was; the same decision again is no mistake.
    """
    if is_own:
        raise NotAllowed("You placed this order: somebody else approves it.")
    if not same:
        raise Conflict("That is not the document that you looked at: read it again.")
    if approved is not None and approved != approve:
        raise Conflict(DECIDED)
    if approved is None and is_ordered:
        raise Conflict("This quote has been ordered already.")
    if approved is None and is_expired:
        raise Expired("This quote has expired; ask for a new one on the dataset's page.")
