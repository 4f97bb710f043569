"""The verbs of spending limits: write one, revoke it, and count what is ordered, in the transaction that orders it.

Nothing is ordered or bid for a partner without `spend` or `count_bids`: they lock the limit and its month, so however
many orders come at once, the next one sees what the last one spent.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from marketplace.core import clock
from marketplace.core.database import execute, fetch_row, fetch_rows, fetch_scalar, transaction
from marketplace.core.errors import Conflict, NotFound, existing
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity.ending import require_administrator
from marketplace.people.spending import rules
from marketplace.people.spending.queries import SQL, get_holder
from marketplace.people.spending.rules import BeyondLimit, LockedLimit, Purchase, Spender, Terms, month_of
from marketplace.people.spending.tables import SpendingLimit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.core.database import Values
    from marketplace.people.identity.actors import Actor


class Allowed(Struct, frozen=True):
    """A purchase that its spender's limit allows."""

    by: Spender
    purchase: Purchase
    limit: LockedLimit


class OpenBids(Struct, frozen=True):
    """The bids of a partner in an auction: who bid last, under which limit, and whether that is in force still."""

    person: uuid.UUID | None
    api_key: uuid.UUID | None
    spending_limit: uuid.UUID | None
    month: dt.date
    in_force: bool


# ------------------------------------------------------------------ limits
async def write_limit(owner: Actor, holder: uuid.UUID, terms: Terms) -> None:
    """Write the limit of a colleague or a key of the owner's company, or replace what it says.

    Refuses who does not administer the company, terms that `check_terms` refuses, a colleague whose role orders nothing,
    and a stranger's id with NotFound.
    """
    assert owner.partner
    now = clock.now()
    rules.check_terms(terms, now)
    async with transaction():
        await require_administrator(owner.partner, owner.person)
        found = await get_holder(owner.partner, holder)
        if not found.may_order:
            raise Conflict("By their role {name} orders nothing: change the role first.", name=found.name)
        column = SpendingLimit.api_key if found.is_key else SpendingLimit.person
        new = SpendingLimit(
            id=uuid.uuid4(),
            partner=owner.partner,
            person=None if found.is_key else holder,
            api_key=holder if found.is_key else None,
            order_minor=terms.order_minor,
            month_minor=terms.month_minor,
            datasets=terms.datasets,
            purposes=terms.purposes,
            ends_at=terms.ends_at,
            approval_minor=terms.approval_minor,
            written_at=now,
            revoked_at=None,
        )
        changed = [getattr(SpendingLimit, name) for name in (*Terms.__struct_fields__, "written_at", "revoked_at")]
        written = SpendingLimit.insert(new).on_conflict(action="DO UPDATE", target=column, values=changed)
        await written.returning(SpendingLimit.id)
        await execute(SQL["change_ceilings"], holder, month_of(now), terms.month_minor)
        await note_access(owner, "spending_limit_written", holder, **structs.asdict(terms))


async def revoke_limit(owner: Actor, holder: uuid.UUID) -> None:
    """Revoke a limit: nothing more is ordered under it, and what it ordered and is not paid lapses. Once is enough."""
    assert owner.partner
    async with transaction():
        await require_administrator(owner.partner, owner.person)
        found = await get_holder(owner.partner, holder)
        column = SpendingLimit.api_key if found.is_key else SpendingLimit.person
        revoked: Values = {SpendingLimit.revoked_at: clock.now()}
        in_force = SpendingLimit.update(revoked).where(column == holder, SpendingLimit.revoked_at.is_null())
        if await in_force.returning(SpendingLimit.id):
            await note_access(owner, "spending_limit_revoked", holder)
        existing(
            await fetch_scalar(uuid.UUID, SpendingLimit.select(SpendingLimit.id).where(column == holder)),
            NotFound("There is no such limit."),
        )


# ------------------------------------------------------------------ orders
async def spend(by: Spender, purchase: Purchase, at: dt.datetime, *, auction: uuid.UUID | None = None) -> None:
    """Count an order or bid against its spender's limit, in the transaction that places it; refuses with BeyondLimit.

    at: the instant of the order, whose month in Paris it counts in. auction: that of a bid.
    """
    (limit,) = await lock_limits([by], [purchase.subject], at)
    rules.check(limit, purchase, at)
    await count_purchases([Allowed(by, purchase, limit)], at, auction=auction)


async def spend_award(
    by: Spender | None, purchase: Purchase, bids: uuid.UUID, partner: uuid.UUID, at: dt.datetime
) -> None:
    """Count an award's order with the bids that won it, which counted all of it; refuses with BeyondLimit.

    by: who pays: an owner without a limit, or who bid; None: a job. Only an owner pays for bids whose limit was revoked.
    """
    row = await fetch_row(OpenBids, SQL["lock_bids"], bids)
    limit = (await lock_limits([by], [purchase.subject], at))[0] if by else None
    is_owner = limit is not None and limit.spending_limit is None and limit.is_owner
    is_bidder = by is None or (row is not None and (by.person, by.key) == (row.person, row.api_key))
    if row is None or not (is_owner or (is_bidder and row.in_force)):
        raise BeyondLimit(
            "The spending limit of this bid was revoked: an administrator of your company pays for what it won."
        )
    await execute(
        """INSERT INTO spending (subject, partner, person, api_key, spending_limit, month, amount_minor, at, bids)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
        purchase.subject,
        partner,
        by.person if by else row.person,
        by.key if by else row.api_key,
        None if is_owner else row.spending_limit,
        row.month,
        purchase.amount_minor,
        at,
        bids,
    )


async def return_spent(orders: Sequence[uuid.UUID]) -> int:
    """Give back what orders that nobody can pay any more had counted for; return how many. Once is enough."""
    return await fetch_scalar(int, "SELECT return_spending($1::uuid[])", list(orders)) or 0 if orders else 0


async def count_late(orders: Sequence[uuid.UUID]) -> None:
    """Count orders again that had lapsed and were paid after all; the others of these are counted already."""
    await execute("SELECT count_late_spending($1::uuid[])", list(orders))


# ------------------------------------------------------------------ bids
async def lock_limits(spenders: Sequence[Spender], subjects: Sequence[uuid.UUID], at: dt.datetime) -> list[LockedLimit]:
    """Return the limit of each spender in turn, locked with the month of `at` until the transaction ends."""
    people, keys = [one.person for one in spenders], [one.key for one in spenders]
    since = at - rules.APPROVAL_COUNTS_FOR
    return await fetch_rows(LockedLimit, SQL["lock_limits"], people, keys, list(subjects), month_of(at), since)


async def count_purchases(allowed: Sequence[Allowed], at: dt.datetime, *, auction: uuid.UUID | None = None) -> None:
    """Count orders, or bids in place of those partners' former ones in an auction, after `lock_limits` and `check`."""
    await execute(
        SQL["count_purchases"],
        [one.purchase.subject for one in allowed],
        auction,
        [one.by.partner for one in allowed],
        [one.by.person for one in allowed],
        [one.by.key for one in allowed],
        [one.limit.spending_limit for one in allowed],
        [one.purchase.amount_minor for one in allowed],
        month_of(at),
        at,
        [one.purchase.approved_by for one in allowed],
    )


async def close_bids(subjects: Sequence[uuid.UUID]) -> int:
    """Give back what bids counted for beyond what was bought, once their auction is over; return how many were open."""
    return await fetch_scalar(int, "SELECT close_bids_spending($1::uuid[])", list(subjects)) or 0 if subjects else 0
