"""What can be done about purchases: order a quote, settle what was paid, let the unpaid lapse, give money back.

Payments are pulled: a job asks which orders' payments moved and writes down what follows, each in one transaction with
its journal entry. Money that arrives after an order lapsed is honoured: the partner paid a price we had signed.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from marketplace import clock
from marketplace.catalogue.actions import accept_quote, recompute, write_awarded_quote
from marketplace.catalogue.queries import SignedQuote
from marketplace.catalogue.vat import vat as vat_on
from marketplace.database import execute, fetch, fetch_one, fetch_value, lock, transaction
from marketplace.datasets.queries import list_revocations
from marketplace.errors import Conflict, Expired, NotFound
from marketplace.ledger import chart
from marketplace.ledger.actions import Entry, record_all
from marketplace.payments import actions as payments
from marketplace.payments.events import refresh_payment
from marketplace.payments.outbox import find_command
from marketplace.payments.rules import Line
from marketplace.payments.stripe_calls import run_command
from marketplace.purchases import rules
from marketplace.purchases.invoices import write_papers
from marketplace.purchases.numbers import take_numbers
from marketplace.settings import settings
from marketplace.web.formats import paris_day
from marketplace.web.i18n import gettext, language

if TYPE_CHECKING:
    import asyncpg

TIME_TO_PAY = dt.timedelta(minutes=45)
"""Stripe's hosted page lives half an hour at least; a quote that was ordered in time may be paid a little later."""
TIME_TO_TRANSFER = dt.timedelta(days=14)
"""A bank transfer is waited for this long after the order."""
AT_ONCE = 200


async def order(partner: uuid.UUID, quote: uuid.UUID, *, order_id: uuid.UUID, email: str) -> uuid.UUID:
    """Order a quote and ask for its payment; return the order, which is the first one when the quote was ordered before.

    email: where Stripe sends its receipt. Refusals: another partner's quote, one that expired, a release no longer sold.
    """
    now = clock.now()
    async with transaction():
        row = await fetch_one(
            """SELECT quote.*, release.state AS release_state, release.dataset, offer.withdrawn_at, partner.country,
                      partner.vat_confirmed_at IS NOT NULL AS confirmed
               FROM quote JOIN release ON release.id = quote.release JOIN offer ON offer.id = quote.offer
               JOIN partner ON partner.id = quote.partner
               WHERE quote.id = $1 AND quote.partner = $2 FOR SHARE OF quote""",
            quote, partner,
        )  # fmt: skip
        if row is None:
            raise NotFound("There is no such quote.")
        await lock("order numbers")
        known: uuid.UUID | None = await fetch_value("SELECT id FROM purchase_order WHERE quote = $1", quote)
        if known is not None:
            return known
        if await fetch_value("SELECT true FROM purchase_order WHERE id = $1", order_id):
            raise Conflict("That order already exists, for another quote; go back, reload the page and try again.")
        _still_good(row, now)
        if await list_revocations([row["release"]]):
            raise Conflict("This release was called back and is no longer for sale.")
        await _write_order(row, order_id, now)
        await accept_quote(quote, now)
        await _request_payment(await _get(order_id), row["dataset"], email, now)
    await run_command(await _checkout_of(order_id))
    return order_id


async def order_awarded(
    partner: uuid.UUID,
    *,
    auction: uuid.UUID,
    offer: uuid.UUID,
    terms: str,
    release: uuid.UUID,
    net_minor: int,
    document: bytes,
    order_id: uuid.UUID,
    email: str,
    is_away: bool = False,
) -> uuid.UUID:
    """Order what an auction awarded, at its price, in the caller's transaction; the same order again is the first one.

    document: canonical bytes of the award that set the price; it takes a quote's place and is signed as one. is_away: the
    saved method is charged, and a hosted page made only where that fails.
    """
    now = clock.now()
    async with transaction():
        await lock("order numbers")
        if await fetch_value("SELECT true FROM purchase_order WHERE id = $1", order_id):
            return order_id
        quote = await write_awarded_quote(
            partner,
            auction=auction,
            offer=offer,
            terms=terms,
            release=release,
            net_minor=net_minor,
            document=document,
            expires_at=now + TIME_TO_PAY,
            now=now,
        )
        row = await fetch_one(
            """SELECT quote.*, offer.dataset, partner.country, partner.vat_confirmed_at IS NOT NULL AS confirmed
               FROM quote JOIN offer ON offer.id = quote.offer JOIN partner ON partner.id = quote.partner WHERE quote.id = $1""",
            quote,
        )
        assert row, "it was written above"
        await _write_order(row, order_id, now)
        await accept_quote(quote, now)
        await _request_payment(await _get(order_id), row["dataset"], email, now, is_awarded=True, is_away=is_away)
    return order_id


async def ask_for_money(order_id: uuid.UUID) -> None:
    """Have an order's intent carried out now rather than by the next worker."""
    await run_command(await _checkout_of(order_id))


def _still_good(quote: asyncpg.Record, now: dt.datetime) -> None:
    if quote["expires_at"] <= now:
        raise Expired("This quote has expired; ask for a new one on the dataset's page.")
    if quote["release_state"] != "sealed" or quote["withdrawn_at"] is not None:
        raise Conflict("This release is no longer for sale.")
    recompute(SignedQuote(**{name: quote[name] for name in SignedQuote.__struct_fields__}))


async def _write_order(quote: asyncpg.Record, order_id: uuid.UUID, now: dt.datetime) -> None:
    net = quote["amount_minor"]
    vat = vat_on(quote["country"], confirmed=quote["confirmed"], net_minor=net, on=paris_day(now))
    number, _ = await take_numbers("P", now)
    await execute(
        """INSERT INTO purchase_order (id, number, partner, quote, release, net_minor, vat_minor, total_minor, currency,
                                       vat_basis_points, vat_rule, state, ordered_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'awaiting_payment', $12)""",
        order_id, number, quote["partner"], quote["id"], quote["release"], net,
        vat.amount_minor, net + vat.amount_minor, quote["currency"], vat.basis_points, vat.rule, now,
    )  # fmt: skip


async def _request_payment(
    order_row: asyncpg.Record,
    dataset: str,
    email: str,
    now: dt.datetime,
    *,
    is_awarded: bool = False,
    is_away: bool = False,
) -> None:
    page = f"{settings().url}/{language.get()}/orders/{order_row['id']}"
    lines = [Line(gettext("Licence of {dataset}").format(dataset=dataset), order_row["net_minor"])]
    if order_row["vat_minor"]:
        lines.append(Line(gettext("VAT"), order_row["vat_minor"]))
    owed = {
        "amount_minor": order_row["total_minor"], "currency": order_row["currency"], "lines": lines, "email": email,
        "success_url": f"{page}?returned=1", "cancel_url": page, "locale": language.get(), "expires_at": now + TIME_TO_PAY,
    }  # fmt: skip
    if is_away:
        await payments.request_charge(order_row["id"], order_row["partner"], **owed)
        return
    # An award is paid in time or goes to the next: it does not wait weeks for a transfer.
    may_transfer = not is_awarded and order_row["total_minor"] >= rules.TRANSFER_FROM_MINOR
    await payments.request_payment(
        order_row["id"], **owed, transfer_from=order_row["partner"] if may_transfer else None
    )


async def _checkout_of(order_id: uuid.UUID) -> uuid.UUID:
    """Return the command that asks for an order's money: its page's, or an absent payer's charge before that."""
    command = await find_command(order_id, "checkout", "charge")
    assert command, "an order's command was written with it"
    return command


async def payment_page(partner: uuid.UUID, order_id: uuid.UUID) -> str | None:
    """Return the address of Stripe's page for an order, trying once more to have it made; None while Stripe is silent."""
    row = await fetch_one("SELECT state FROM purchase_order WHERE id = $1 AND partner = $2", order_id, partner)
    if row is None:
        raise NotFound("There is no such order.")
    if row["state"] == "lapsed":
        raise Expired("This order was not paid in time; ask for a new quote.")
    if row["state"] != "awaiting_payment":
        return None
    await run_command(await _checkout_of(order_id))
    address: str | None = await fetch_value(
        "SELECT checkout_url FROM payment WHERE subject = $1 AND state = 'open'", order_id
    )
    return address


async def look_for_money(order_id: uuid.UUID) -> None:
    """Ask Stripe where an order's payment stands and settle what is paid, for someone who waits for it."""
    await refresh_payment(order_id)
    await settle_paid()


async def settle_paid() -> int:
    """Grant what was paid: licence, entitlement and sale entry, once an order; return how many were settled."""
    settled = 0
    while batch := await _settle_some():
        settled += batch
    return settled


async def _settle_some() -> int:
    async with transaction():
        paid = await fetch(
            """SELECT purchase_order.*, payment.paid_at AS money_at, quote.terms, licence_terms.months
               FROM purchase_order
               JOIN payment ON payment.subject = purchase_order.id AND payment.state IN ('paid', 'refunded')
               JOIN quote ON quote.id = purchase_order.quote JOIN licence_terms ON licence_terms.code = quote.terms
               WHERE purchase_order.state IN ('awaiting_payment', 'lapsed')
               ORDER BY purchase_order.id LIMIT $1 FOR UPDATE OF purchase_order SKIP LOCKED""",
            AT_ONCE,
        )  # fmt: skip
        if not paid:
            return 0
        chosen, hold = settings(), dt.timedelta(days=settings().hold_days)
        ids, licences = [row["id"] for row in paid], [uuid.uuid4() for _ in paid]
        await execute(
            """UPDATE purchase_order SET state = 'paid', paid_at = payment.paid_at
               FROM payment WHERE payment.subject = purchase_order.id AND purchase_order.id = ANY($1)""",
            ids,
        )
        await execute(
            """INSERT INTO licence (id, purchase_order, release, terms, net_minor, currency, subscribers_basis_points,
                                    operator_basis_points, sold_at, hold_until)
               SELECT given.licence, sold.id, sold.release, given.terms, sold.net_minor, sold.currency, $4, $5,
                      sold.paid_at, sold.paid_at + $6
               FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS given (id, licence, terms)
               JOIN purchase_order AS sold USING (id)""",
            ids, licences, [row["terms"] for row in paid], chosen.subscribers_basis_points,
            chosen.operator_basis_points, hold,
        )  # fmt: skip
        await execute(
            """INSERT INTO entitlement (id, licence, partner, release, starts_at, ends_at)
               SELECT gen_random_uuid(), given.licence, sold.partner, sold.release, sold.paid_at, given.ends_at
               FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS given (id, licence, ends_at)
               JOIN purchase_order AS sold USING (id)""",
            ids, licences, [rules.months_later(row["money_at"], row["months"]) for row in paid],
        )  # fmt: skip
        await record_all([_sale(row) for row in paid])
        await write_papers(ids)
    return len(paid)


def _sale(row: asyncpg.Record) -> Entry:
    postings = [
        (chart.PARTNERS, chart.LICENCES_SOLD, row["net_minor"]),
        (chart.PARTNERS, chart.VAT_COLLECTED, row["vat_minor"]),
    ]
    return Entry("sale", str(row["id"]), row["money_at"], row["number"], postings, row["currency"], late=True)


async def lapse_unpaid() -> int:
    """Let orders go that nobody paid in time, and ask Stripe to close their pages; return how many lapsed.

    A debit that its bank has yet to honour is waited for whatever it takes, a bank transfer two weeks.
    """
    now = clock.now()
    async with transaction():
        late = await fetch(
            """UPDATE purchase_order SET state = 'lapsed'
               WHERE id IN (
                   SELECT purchase_order.id FROM purchase_order JOIN payment ON payment.subject = purchase_order.id
                   WHERE purchase_order.state = 'awaiting_payment' AND payment.state NOT IN ('paid', 'refunded')
                     AND (payment.state IN ('expired', 'failed')
                          OR payment.state <> 'processing' AND purchase_order.ordered_at <= $1
                          OR payment.transfer IS NOT NULL AND purchase_order.ordered_at <= $3)
                   ORDER BY purchase_order.id LIMIT $2 FOR UPDATE OF purchase_order SKIP LOCKED
               ) RETURNING id""",
            now - TIME_TO_PAY, AT_ONCE, now - TIME_TO_TRANSFER,
        )  # fmt: skip
        for row in late:
            await payments.request_expiry(row["id"])
    return len(late)


async def _get(order_id: uuid.UUID) -> asyncpg.Record:
    row = await fetch_one("SELECT * FROM purchase_order WHERE id = $1", order_id)
    assert row
    return row
