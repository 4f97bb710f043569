"""The rules of spending: who spends, what is bought, and whether a limit allows it. Amounts are in cents before VAT."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.errors import Cents, Invalid, NotAllowed
from marketplace.core.web.formats import paris_day

if TYPE_CHECKING:
    from marketplace.people.identity.actors import Actor

APPROVAL_COUNTS_FOR: Final = dt.timedelta(days=1)
"""What is ordered within this time counts together for approval, so that nobody splits an order to avoid it."""
MOST_MINOR: Final = 10**12
"""The highest ceiling: ten thousand million euros."""
LONGEST: Final = dt.timedelta(days=2 * 366)
"""A limit lasts this long at most."""


class BeyondLimit(NotAllowed):
    """The spending limit of who orders does not allow it."""


class NeedsApproval(BeyondLimit):
    """The spending limit allows it once an approver of the company approved exactly that order."""


class Spender(Struct, frozen=True):
    """Who orders for a partner: one of its people, or a key (the first of those that replaced each other)."""

    partner: uuid.UUID
    person: uuid.UUID | None = None
    key: uuid.UUID | None = None


class Purchase(Struct, frozen=True):
    """What an order or bid buys: its id, what it costs at most, and the datasets and purposes of its releases.

    The id of bids is that of `bids_of`.
    """

    subject: uuid.UUID
    amount_minor: int
    datasets: Sequence[str]
    purposes: Sequence[str]
    approved_by: uuid.UUID | None = None
    """Who approved exactly this."""


class LockedLimit(Struct, frozen=True):
    """A spender's limit with what is left of its month, locked; without one all but the first two are None.

    is_owner: None for a key, and for who is not of the company any more. unapproved_minor: what counts under it of the
    last day and was not approved, without the subject itself.
    """

    place: int
    is_owner: bool | None
    spending_limit: uuid.UUID | None
    order_minor: int | None
    left_minor: int | None
    reserved_minor: int
    datasets: list[str] | None
    purposes: list[str] | None
    ends_at: dt.datetime | None
    approval_minor: int | None = None
    unapproved_minor: int = 0


class Terms(Struct, frozen=True):
    """What an owner writes of a limit; `datasets` and `purposes` are codes, empty for any.

    approval_minor: beyond it within a day an approver decides about each order; None: no order needs it.
    """

    order_minor: int
    month_minor: int
    datasets: list[str]
    purposes: list[str]
    ends_at: dt.datetime
    approval_minor: int | None = None


def spender_of(actor: Actor) -> Spender:
    """Return who spends when a partner's person or key orders."""
    assert actor.partner
    return Spender(actor.partner, actor.person, actor.key)


def bids_of(auction: uuid.UUID, partner: uuid.UUID) -> uuid.UUID:
    """Return the id under which a partner's bids in an auction count."""
    return uuid.uuid5(auction, f"bids {partner}")


def month_of(instant: dt.datetime) -> dt.date:
    """Return the first day of an instant's month in Paris."""
    return paris_day(instant).replace(day=1)


def check_terms(terms: Terms, now: dt.datetime) -> None:
    """Refuse ceilings that are not amounts, an order's above the month's, and an end that is past or far away."""
    if not 0 < terms.order_minor <= MOST_MINOR:
        raise Invalid("Write how much one order may cost at most.", field="order")
    if not terms.order_minor <= terms.month_minor <= MOST_MINOR:
        raise Invalid("A month’s ceiling is at least that of one order.", field="month")
    if terms.approval_minor is not None and not 0 <= terms.approval_minor <= terms.month_minor:
        raise Invalid("What needs no approval is at most a month’s ceiling.", field="approval")
    if not now < terms.ends_at <= now + LONGEST:
        raise Invalid("A limit ends on a day to come, within two years.", field="until")


def check(limit: LockedLimit, purchase: Purchase, now: dt.datetime) -> None:
    """Refuse, with BeyondLimit, what a spender may not buy; an owner without a limit may buy anything."""
    if limit.spending_limit is None:
        if not limit.is_owner:
            raise BeyondLimit(
                "No spending limit allows this order: an administrator of your company sets one for each colleague and each key."
            )
        return
    assert limit.order_minor is not None
    assert limit.left_minor is not None
    assert limit.ends_at is not None
    if limit.ends_at <= now:
        raise BeyondLimit(
            "The spending limit ended on {day}: an administrator of your company may renew it.",
            day=paris_day(limit.ends_at),
        )
    for code in purchase.datasets:
        if limit.datasets and code not in limit.datasets:
            raise BeyondLimit("The spending limit does not include the dataset {dataset}.", dataset=code)
    for purpose in purchase.purposes:
        if limit.purposes and purpose not in limit.purposes:
            raise BeyondLimit("The spending limit does not include data for the purpose {purpose}.", purpose=purpose)
    if purchase.amount_minor > limit.order_minor:
        raise BeyondLimit(
            "The spending limit allows {most} an order before VAT, and this is {amount}.",
            most=Cents(limit.order_minor),
            amount=Cents(purchase.amount_minor),
        )
    if purchase.amount_minor > limit.left_minor + limit.reserved_minor:
        raise BeyondLimit(
            "The spending limit has {left} left this month before VAT, and this is {amount}.",
            left=Cents(limit.left_minor + limit.reserved_minor),
            amount=Cents(purchase.amount_minor),
        )
    _check_approval(limit, purchase)


def _check_approval(limit: LockedLimit, purchase: Purchase) -> None:
    """Refuse, with NeedsApproval, what goes beyond the most within a day that needs no approval."""
    unapproved_minor = limit.unapproved_minor + purchase.amount_minor
    if limit.approval_minor is not None and unapproved_minor > limit.approval_minor and purchase.approved_by is None:
        raise NeedsApproval(
            "The spending limit allows {most} within a day before VAT without approval, and with this it is {amount}.",
            most=Cents(limit.approval_minor),
            amount=Cents(unapproved_minor),
        )


def find_beyond(limit: LockedLimit, purchase: Purchase, now: dt.datetime) -> BeyondLimit | None:
    """Return why a spender may not buy something, or None if it may."""
    try:
        check(limit, purchase, now)
    except BeyondLimit as refusal:
        return refusal
    return None
