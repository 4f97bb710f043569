"""Sales as the lower packages leave them, row by row, so that a test can also leave one in the wrong state."""

import datetime as dt
import uuid

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.money.credit.actions import grant
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import record
from marketplace.money.payments.actions import request_payment
from marketplace.money.payments.rules import Line
from marketplace.sales.orders.invoices import issue_invoices
from tests.catalogue.builders import EMPTY_SHEET
from tests.support.reads import fetch_value

PARTNER, OFFER, RELEASE = uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=3)
NET, VAT = 10_000, 2_000
DOCUMENT = b'{"price":{"lots":[["",{"demand":{"all":10000}},[0,1,"publish",[],[]],[[[0,24,"all",1]],[]]]]}}'
"""What settling a sale reads of its quote; nobody signed it."""


async def write_shop() -> None:
    """Make a vetted partner, three lines, and one sealed release of one dataset, on offer."""
    now = clock.now()
    notice, month = uuid.uuid4(), dt.timedelta(days=30)
    await execute(
        "INSERT INTO partner (id, company, country, vat_number, signed_up_at) VALUES ($1, 'Acme', 'FR', '', $2)",
        PARTNER,
        now,
    )
    await execute("INSERT INTO subscriber (reference) VALUES (1), (2), (3)")
    await execute("INSERT INTO purpose (code, category, use, title_fr, title_en) VALUES ('a.b', 'a', 'b', 'P', 'P')")
    await execute(
        "INSERT INTO notice (id, purpose, version, text_fr, text_en, published_at) VALUES ($1, 'a.b', 1, 'x', 'x', $2)",
        notice,
        now - month,
    )
    await execute(
        """INSERT INTO consent_record (subscriber, purpose, notice, given, at, receipt, channel)
           SELECT reference, 'a.b', $1, true, $2, gen_random_uuid(), 'contract' FROM subscriber""",
        notice,
        now - month,
    )
    await execute(
        """INSERT INTO dataset (code, purpose, title_fr, title_en, description_fr, description_en, area, h3_resolution,
                                grain, max_cells, max_events, epsilon_micro, budget_micro, spent_micro,
                                created_at)
           VALUES ('city', 'a.b', 'Ville', 'City', 'x', 'x', 'x', 5, 'day', 5, 1, 1000000, 9000000, 1000000, $1)""",
        now,
    )
    await execute(
        """INSERT INTO release (id, dataset, period_from, period_to, specification, state, started_at, sealed_at,
                                epsilon_micro, sampler, row_count, hours_by_day, published_by_day, published_by_zone,
                                contributors, total_weight, cells_sha256, manifest_sha256)
           VALUES ($1, 'city', $2, $3, 'x', 'sealed', $3, $3, 1000000, 'opendp', 9, '{720}', '{9}', '{9}', 3, 6, 'x', 'x')""",
        RELEASE,
        now - month,
        now,
    )
    await execute(
        """INSERT INTO licence_terms (code, lines_fr, lines_en, months, usage_right)
           VALUES ('standard-1', 'x', 'x', 12, 'publish')"""
    )
    await execute(EMPTY_SHEET)
    await execute(
        """INSERT INTO offer (id, dataset, terms, sheet, listed_at) VALUES ($1, 'city', 'standard-1', 'sheet', $2)""",
        OFFER,
        now,
    )


async def write_order(*, on_credit: bool = False, partner: uuid.UUID = PARTNER, net_minor: int = NET) -> uuid.UUID:
    """Order a licence of the release, and ask Stripe for its payment; on credit it is owed instead, within a limit."""
    order_id, quote, now = uuid.uuid4(), uuid.uuid4(), clock.now()
    await execute(
        """INSERT INTO quote (id, partner, offer, release, terms, months, amount_minor, document, signature, quoted_at, expires_at)
           VALUES ($1, $2, $3, $4, 'standard-1', 12, $5, $6, 'x', $7, $8)""",
        quote,
        partner,
        OFFER,
        RELEASE,
        net_minor,
        DOCUMENT,
        now,
        now + dt.timedelta(minutes=15),
    )
    await execute(
        """INSERT INTO purchase_order (id, number, partner, net_minor, vat_minor, total_minor, vat_basis_points, vat_rule, state,
                                       may_repeat, ordered_at)
           VALUES ($1, $2, $3, $4, $5, $4::bigint + $5::bigint, 2000, 'domestic', 'awaiting_payment', true, $6)""",
        order_id,
        f"P-{order_id.hex[:8].upper()}",
        partner,
        net_minor,
        VAT,
        now,
    )
    await execute("INSERT INTO order_lot (quote, purchase_order, position) VALUES ($1, $2, 1)", quote, order_id)
    if on_credit:
        number = await fetch_value("SELECT number FROM purchase_order WHERE id = $1", order_id)
        async with transaction():
            await grant(partner, order_id, number=number, total_minor=net_minor + VAT)
        return order_id
    await request_payment(
        order_id,
        amount_minor=net_minor + VAT,
        lines=[Line("Licence", net_minor), Line("VAT", VAT)],
        email="a@partner.example",
        success_url="http://x.example/",
        cancel_url="http://x.example/",
        locale="fr",
        expires_at=now + dt.timedelta(hours=1),
    )
    return order_id


async def pay_unseen(order_id: uuid.UUID) -> None:
    """Let the payment be paid without any Stripe."""
    await execute("UPDATE stripe_command SET state = 'done' WHERE subject = $1", order_id)
    await execute(
        """UPDATE payment SET state = 'paid', paid_at = $2, received_minor = amount_minor, charge_id = 'ch_' || subject,
                  session_id = 'cs_' || subject
           WHERE subject = $1""",
        order_id,
        clock.now(),
    )


async def write_settled(order_id: uuid.UUID) -> uuid.UUID:
    """Grant what was paid, with its sale entry; return the licence."""
    licence, now = uuid.uuid4(), clock.now()
    await execute("UPDATE purchase_order SET state = 'paid', paid_at = $2 WHERE id = $1", order_id, now)
    await execute(
        """INSERT INTO licence (id, purchase_order, quote, release, terms, posted_minor, net_minor,
                                subscribers_basis_points, operator_basis_points, sold_at, hold_until)
           SELECT $1, $2, quote, $3, 'standard-1', $4, $4, 5000, 3500, $5, $6 FROM order_lot WHERE purchase_order = $2""",
        licence,
        order_id,
        RELEASE,
        NET,
        now,
        now + dt.timedelta(days=14),
    )
    await execute(
        "INSERT INTO entitlement (id, licence, partner, release, starts_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6)",
        uuid.uuid4(),
        licence,
        PARTNER,
        RELEASE,
        now,
        now + dt.timedelta(days=365),
    )
    sale = [(chart.PARTNERS, chart.LICENCES_SOLD, NET), (chart.PARTNERS, chart.VAT_COLLECTED, VAT)]
    await record("sale", order_id, at=now, text="Sale", postings=sale)
    await issue_invoices([order_id])
    return licence


async def write_paid_order() -> uuid.UUID:
    """Order a licence, and pay it without any Stripe."""
    order_id = await write_order()
    await pay_unseen(order_id)
    return order_id


async def write_sold_order() -> uuid.UUID:
    """Order a licence, pay and settle it."""
    order_id = await write_paid_order()
    await write_settled(order_id)
    return order_id


async def write_refund(order_id: uuid.UUID) -> None:
    """Record that all the money went back."""
    now = clock.now()
    await execute("UPDATE payment SET state = 'refunded', refunded_minor = amount_minor WHERE subject = $1", order_id)
    await execute("UPDATE purchase_order SET state = 'refunded', returned_minor = total_minor WHERE id = $1", order_id)
    await execute(
        "UPDATE licence SET cancelled_at = $2, returned_minor = net_minor WHERE purchase_order = $1", order_id, now
    )
    await execute(
        """INSERT INTO order_return (id, purchase_order, kind, net_minor, vat_minor, total_minor, lots_minor, at)
           SELECT id, id, 'refund', net_minor, vat_minor, total_minor, ARRAY[net_minor], $2 FROM purchase_order WHERE id = $1""",
        order_id,
        now,
    )
    await execute(
        "UPDATE entitlement SET revoked_at = $2 WHERE licence IN (SELECT id FROM licence WHERE purchase_order = $1)",
        order_id,
        now,
    )
    refund = [(chart.LICENCES_SOLD, chart.PARTNERS, NET), (chart.VAT_COLLECTED, chart.PARTNERS, VAT)]
    await record("refund", order_id, at=now, text="Refund", postings=refund)
    await issue_invoices([order_id])


async def mirror_charge(order_id: uuid.UUID, *, fee: int = 205) -> None:
    """Copy the charge from Stripe's balance and post it."""
    now, name = clock.now(), f"txn_{order_id}"
    await execute(
        """INSERT INTO balance_transaction (id, category, amount_minor, fee_minor, net_minor, source_id, charge_id,
                                            payment_subject, status, created_at, available_on)
           SELECT $1, 'charge', $2, $3, $2::bigint - $3::bigint, charge_id, charge_id, subject, 'available', $4, $4
           FROM payment WHERE subject = $5""",
        name,
        NET + VAT,
        fee,
        now,
        order_id,
    )
    charge = [(chart.STRIPE, chart.PARTNERS, NET + VAT), (chart.STRIPE_FEES, chart.STRIPE, fee)]
    await record("stripe_charge", name, at=now, text="Charge", postings=charge)


async def hold_shares(licence: uuid.UUID, *, pool: int = 4_897, operator: int = 3_428, fee: int = 205) -> None:
    """Split a licence among the three, weights 1, 2 and 3, as held."""
    now, distributable = clock.now(), NET - fee
    run = await fetch_value(
        "INSERT INTO share_run (kind, at, amount_minor, people) VALUES ('hold', $1, $2, 0) RETURNING id", now, pool
    )
    await execute(
        """INSERT INTO licence_split (licence, fee_minor, distributable_minor, pool_minor, operator_minor,
                                      platform_minor, people, total_weight, denominator, shares_micro, rounding_micro,
                                      state, held_by, split_at)
           VALUES ($1, $2, $3, $4, $5, $6, 3, 6, 6, $4::bigint * 10000, 0, 'held', $7, $8)""",
        licence,
        fee,
        distributable,
        pool,
        operator,
        distributable - pool - operator,
        run,
        now,
    )
    shares = [
        (chart.SUBSCRIBERS_SHARES, chart.SUBSCRIBERS_HELD, pool),
        (chart.OPERATOR_SHARE, chart.OPERATOR_PAYABLE, operator),
    ]
    await record("shares_held", licence, at=now, text="Held", postings=shares)


async def release_shares(licence: uuid.UUID, *, pool: int = 4_897) -> None:
    """Let the held shares become the subscribers'."""
    now = clock.now()
    run = await fetch_value(
        "INSERT INTO share_run (kind, at, amount_minor, people) VALUES ('release', $1, $2, 3) RETURNING id", now, pool
    )
    close = await fetch_value(
        """INSERT INTO share_close (month, begun_at, next_reference, people, shares_micro, run)
           SELECT coalesce(max(month), '2026-01-01') + interval '1 month', $1, NULL, 3, $2, $3 FROM share_close
           RETURNING id""",
        now,
        pool * 10_000,
        run,
    )
    await execute(
        "UPDATE licence_split SET state = 'released', ended_by = $2, close = $3 WHERE licence = $1", licence, run, close
    )
    await execute("SELECT begin_closing($1)", close)
    await execute(
        """INSERT INTO closing_share (close, subscriber, payable_micro)
           SELECT $1, subscriber, micro FROM unnest($2::bigint[], $3::bigint[]) AS part (subscriber, micro)""",
        close,
        [1, 2, 3],
        parts_of(pool),
    )
    await execute("SELECT add_closing_key(), attach_closing($1)", close)
    moved = [(chart.SUBSCRIBERS_HELD, chart.SUBSCRIBERS_PAYABLE, pool)]
    await record("shares_released", licence, at=now, text="Released", postings=moved)


def parts_of(pool: int) -> list[int]:
    """Return each one's part of a pool, in millionths; the last one receives what is left."""
    whole = pool * 10_000
    return [whole // 6, whole // 3, whole - whole // 6 - whole // 3]
