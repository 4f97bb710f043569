"""What winners owe: ordered once a sale, charged to the saved method off session, else paid on Stripe's page.

A sale's row is locked while it is ordered, so that a winner who clicks and the job that charges never make two orders of
one award. An order that came to nothing lapses, and the winner may ask for another until the time to pay is over.
"""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING, Final

from marketplace import clock
from marketplace.auctions import rules
from marketplace.database import execute, fetch, fetch_one, transaction
from marketplace.datasets.queries import list_revocations
from marketplace.errors import Conflict, Expired, NotAllowed, NotFound
from marketplace.purchases.actions import order_awarded, send_payment_request
from marketplace.purchases.rules import ENGLISH_CHECKOUT, CheckoutWords

if TYPE_CHECKING:
    from marketplace.identity.actors import Actor

AT_ONCE: Final = 50


async def pay(
    actor: Actor, sale: uuid.UUID, *, order_id: uuid.UUID, words: CheckoutWords = ENGLISH_CHECKOUT
) -> uuid.UUID:
    """Order what a partner won, and return the order to pay on Stripe's page; one that still may be paid is returned again."""
    if actor.partner is None:
        raise NotAllowed("Only a partner pays for what it won.")
    order = await _order(sale, order_id, partner=actor.partner, person=actor.person, words=words)
    await send_payment_request(order)
    return order


async def charge_sales() -> int:
    """Order every fresh award and charge the winner's saved method, once, however late; return how many. A job."""
    fresh = await fetch(
        """SELECT sale.id FROM auction_sale AS sale WHERE sale.state = 'due' AND sale.purchase_order IS NULL
           AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = sale.release) ORDER BY sale.due_at, sale.id LIMIT $1""",
        AT_ONCE,
    )
    for row in fresh:
        # The order's id is the sale's: whoever died between ordering and charging is found again by the worker.
        with contextlib.suppress(Conflict):  # Called back this instant: the next run says so.
            await _order(row["id"], row["id"], off_session=True)
    return len(fresh)


async def _order(
    sale: uuid.UUID,
    order_id: uuid.UUID,
    *,
    off_session: bool = False,
    partner: uuid.UUID | None = None,
    person: uuid.UUID | None = None,
    words: CheckoutWords = ENGLISH_CHECKOUT,
) -> uuid.UUID:
    """Order one sale unless an order of it is paid or still may be, and return that order; the intent is committed with it."""
    async with transaction():
        held = await fetch_one("SELECT id FROM auction_sale WHERE id = $1 FOR UPDATE", sale)
        row = held and await fetch_one(
            """SELECT sale.*, outcome.auction, outcome.partner, outcome.pseudonym, outcome.round, auction.root, auction.terms,
                      (SELECT offer.id FROM release JOIN offer ON offer.dataset = release.dataset
                       WHERE release.id = sale.release) AS offer,
                      purchase_order.state AS order_state,
                      (SELECT email FROM person WHERE person.partner = outcome.partner
                       ORDER BY person.id = $3 DESC NULLS LAST, created_at, id LIMIT 1) AS email
               FROM auction_sale AS sale JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
               JOIN auction ON auction.id = outcome.auction
               LEFT JOIN purchase_order ON purchase_order.id = sale.purchase_order
               WHERE sale.id = $1 AND ($2::uuid IS NULL OR outcome.partner = $2)""",
            sale, partner, person,
        )  # fmt: skip
        if not row:
            raise NotFound("There is nothing to pay.")
        if row["purchase_order"] and row["order_state"] != "lapsed":
            return uuid.UUID(str(row["purchase_order"]))
        if await list_revocations([row["release"]]):
            raise Conflict("This release was called back: there is nothing to pay.")
        if row["state"] != "due" or (row["due_at"] <= clock.now() and not off_session):
            raise Expired("The time to pay has passed.")
        await order_awarded(
            row["partner"], auction=row["auction"], offer=row["offer"], terms=row["terms"], release=row["release"], net_minor=row["net_minor"],
            document=rules.award_document(row), order_id=order_id, email=row["email"] or "", words=words, off_session=off_session,
        )  # fmt: skip
        await execute("UPDATE auction_sale SET purchase_order = $2 WHERE id = $1", sale, order_id)
    return order_id
