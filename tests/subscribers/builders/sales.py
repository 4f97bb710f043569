"""A small world of sealed releases and settled sales, as the lower packages leave them, with the books to match."""

import datetime as dt
import io
import uuid
from collections.abc import Container, Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from marketplace.catalogue.offers.tables import LicenceTerms, Offer, Quote
from marketplace.consent.purposes import actions as consent
from marketplace.core import clock, object_store
from marketplace.core.database import copy_in, execute, transaction
from marketplace.datasets.releases.queries import manifest
from marketplace.datasets.releases.tables import ContributorTerm, Dataset, Release
from marketplace.money.ledger.actions import record
from marketplace.money.ledger.chart import (
    DISPUTES,
    LICENCES_SOLD,
    PARTNERS,
    STRIPE,
    STRIPE_FEES,
    SUBSCRIBERS_HELD,
    SUBSCRIBERS_PAYABLE,
)
from marketplace.money.ledger.periods import bounds, month_of, next_month
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.tables import BalanceTransaction, Payment
from marketplace.people.identity.tables import Partner
from marketplace.sales.orders.disputes import follow_disputes
from marketplace.sales.orders.invoices import issue_invoices
from marketplace.sales.orders.refunds import record_refunds
from marketplace.sales.orders.tables import Entitlement, Licence, Order, OrderLot
from marketplace.subscribers.earnings.contribution_queries import find_contributions
from marketplace.subscribers.earnings.month_close import close_months
from marketplace.subscribers.earnings.rules import MICRO_PER_MINOR
from tests.catalogue.builders import EMPTY_SHEET
from tests.datasets.builders import stated_days
from tests.support.reads import fetch, fetch_one, fetch_value

PURPOSE = "presence.statistics"
MONTH = dt.timedelta(days=30)
RATES = 5000, 3500


async def write_lines(people: Iterable[int] = range(1, 6), *, unclaimed: Container[int] = ()) -> None:
    """Make lines of `people`, claimed but for some, a purpose with its notice, one dataset, one vetted partner and one offer."""
    now = clock.now()
    await copy_in(
        "subscriber",
        ["reference", "claimed_at"],
        [(who, None if who in unclaimed else now - 12 * MONTH) for who in people],
    )
    await consent.define_purpose("presence", "statistics", title_fr="Présence", title_en="Presence")
    await consent.publish_notice(
        PURPOSE, text_fr="On compte les passages.", text_en="We count passing by.", at=now - 12 * MONTH
    )
    await Dataset(
        code="lyon",
        purpose=PURPOSE,
        title_fr="Lyon heure par heure",
        title_en="Lyon by the hour",
        description_fr="…",
        description_en="…",
        area="Lyon",
        zones=[],
        age_bands=["18-39"],
        h3_resolution=7,
        grain="hour",
        max_cells=12,
        max_events=2,
        epsilon_micro=1_000_000,
        budget_micro=900_000_000,
        created_at=now - 12 * MONTH,
    ).save()
    await Partner(
        id=uuid.uuid4(), company="Acme", country="FR", vat_number="", signed_up_at=now, vetted_at=now, vetted_by="x"
    ).save()
    await LicenceTerms(code="standard-1", lines_fr="…", lines_en="…", months=12, usage_right="publish").save()
    await execute(EMPTY_SHEET)
    await Offer(
        id=uuid.uuid4(),
        dataset="lyon",
        terms="standard-1",
        sheet="sheet",
        listed_at=now,
    ).save()


async def seal_weights(
    weights: Mapping[int, int],
    *,
    started_at: dt.datetime | None = None,
    rows_a_group: int = 64,
    published: int | None = None,
    consenting: int = 0,
) -> uuid.UUID:
    """Seal a release with this manifest: reference → weight, all above zero; it publishes as many people, or `published`.

    consenting: about how many people it says it is of.
    """
    release, now = uuid.uuid4(), started_at or clock.now() - 2 * MONTH
    references = sorted(weights)
    table = pa.table(
        {
            "reference": pa.array(references, pa.int64()),
            "weight": pa.array([weights[who] for who in references], pa.int64()),
        }
    )
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=rows_a_group)
    await object_store.put(object_store.private_key(release, "manifest.parquet"), file.getvalue())
    await Release(
        id=release,
        dataset="lyon",
        period_from=now - MONTH,
        period_to=now,
        specification=str(release),
        state="sealed",
        sampler="opendp",
        started_at=now,
        sealed_at=now + dt.timedelta(hours=1),
        epsilon_micro=1_000_000,
        contributors=len(weights),
        total_weight=sum(weights.values()),
        row_count=1,
        **stated_days(now - MONTH, now, 1, zones=1),
        published_people=sum(weights.values()) if published is None else published,
        consenting=consenting,
        cells_sha256="00",
        manifest_sha256="00",
    ).save()
    await execute("UPDATE dataset SET spent_micro = spent_micro + 1000000")
    return release


async def write_sale(
    release: uuid.UUID,
    net: int = 10_000,
    *,
    fee: int | None = 300,
    rates: tuple[int, int] = RATES,
    sold_at: dt.datetime | None = None,
    hold_days: int = 14,
    posted: int | None = None,
) -> uuid.UUID:
    """Sell a licence, paid for and settled; with `fee` None, Stripe's balance is not mirrored yet.

    posted: what everybody else would pay; None: as much.
    """
    licence, order, quote = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    at = sold_at or clock.now()
    known = await fetch_one("SELECT offer.id AS offer, partner.id AS partner FROM offer, partner")
    assert known
    await Quote(
        id=quote,
        partner=known["partner"],
        offer=known["offer"],
        release=release,
        amount_minor=net,
        document=b"{}",
        signature=b"",
        quoted_at=at,
        expires_at=at + dt.timedelta(minutes=15),
        terms="standard-1",
        months=12,
    ).save()
    await Order(
        id=order,
        number=f"P-{order.hex[:12]}",
        partner=known["partner"],
        net_minor=net,
        vat_minor=0,
        total_minor=net,
        vat_basis_points=0,
        vat_rule="outside_eu",
        state="paid",
        ordered_at=at,
        paid_at=at,
    ).save()
    await OrderLot.insert(OrderLot(quote=quote, purchase_order=order, position=1))
    await Payment(
        subject=order,
        amount_minor=net,
        state="paid",
        session_id=f"cs_{order}",
        charge_id=f"ch_{order}",
        requested_at=at,
        paid_at=at,
    ).save()
    await Licence(
        id=licence,
        purchase_order=order,
        quote=quote,
        release=release,
        terms="standard-1",
        posted_minor=posted or net,
        net_minor=net,
        subscribers_basis_points=rates[0],
        operator_basis_points=rates[1],
        sold_at=at,
        hold_until=at + dt.timedelta(days=hold_days),
    ).save()
    await Entitlement(
        id=uuid.uuid4(), licence=licence, partner=known["partner"], release=release, starts_at=at, ends_at=at + MONTH
    ).save()
    await record("sale", order, at=at, text="sale", postings=[(PARTNERS, LICENCES_SOLD, net)])
    await issue_invoices([order])
    if fee is not None:
        await mirror_movement(licence, "charge", net, fee)
    return licence


async def order_of_licence(licence: uuid.UUID) -> uuid.UUID:
    row = await fetch_one("SELECT purchase_order FROM licence WHERE id = $1", licence)
    assert row
    order: uuid.UUID = row["purchase_order"]
    return order


async def mirror_movement(licence: uuid.UUID, category: str, amount: int, fee: int = 0) -> None:
    """Mirror a movement of Stripe's balance that belongs to the licence's payment, and enter it in the books."""
    number, at = f"txn_{uuid.uuid4().hex}", clock.now()
    await BalanceTransaction(
        id=number,
        category=category,
        amount_minor=amount,
        fee_minor=fee,
        net_minor=amount - fee,
        payment_subject=await order_of_licence(licence),
        status="available",
        created_at=at,
        available_on=at,
    ).save()
    account = DISPUTES if category.startswith("dispute") else PARTNERS
    debit, credit = (STRIPE, account) if amount >= 0 else (account, STRIPE)
    postings = [(debit, credit, abs(amount)), (STRIPE_FEES, STRIPE, fee)]
    await record(f"stripe_{category}", number, at=at, text=category, postings=postings)


async def ask_refund(licence: uuid.UUID) -> None:
    """Leave the refund asked for and not answered, as finance's click does."""
    await execute(
        """INSERT INTO stripe_command (id, verb, subject, parameters, state, attempts, generation, next_at, created_at)
           VALUES ($1, 'refund', $2, '{}', 'pending', 0, 0, $3, $3)""",
        uuid.uuid4(),
        await order_of_licence(licence),
        clock.now(),
    )


async def refund_licence(licence: uuid.UUID) -> None:
    """Refund the money and cancel the licence, as purchases records a refund."""
    order, now = await order_of_licence(licence), clock.now()
    async with transaction():
        await execute("UPDATE payment SET state = 'refunded', refunded_minor = amount_minor WHERE subject = $1", order)
        await execute("UPDATE purchase_order SET state = 'refunded', returned_minor = total_minor WHERE id = $1", order)
        row = await fetch_one(
            "UPDATE licence SET cancelled_at = $2, returned_minor = net_minor WHERE id = $1 RETURNING net_minor",
            licence,
            now,
        )
        assert row
        await execute("UPDATE entitlement SET revoked_at = $2 WHERE licence = $1", licence, now)
        await execute(
            """INSERT INTO order_return (id, purchase_order, kind, net_minor, vat_minor, total_minor, lots_minor, at)
               SELECT id, id, 'refund', net_minor, vat_minor, total_minor, ARRAY[net_minor], $2 FROM purchase_order WHERE id = $1""",
            order,
            now,
        )
        await record("refund", order, at=now, text="refund", postings=[(LICENCES_SOLD, PARTNERS, row["net_minor"])])
        await issue_invoices([order])
    await mirror_movement(licence, "refund", -row["net_minor"])


async def refund_part(licence: uuid.UUID, amount: int) -> None:
    """Let Stripe say that this much of a licence was refunded, and the books follow."""
    order = await order_of_licence(licence)
    await execute(
        "UPDATE payment SET refunded_minor = $2, received_minor = amount_minor WHERE subject = $1", order, amount
    )
    assert await record_refunds() == 1
    await mirror_movement(licence, "refund", -amount)


async def promise_minimums(minimums: Mapping[int, int], starts_at: dt.datetime, ends_at: dt.datetime) -> uuid.UUID:
    """Promise each of these people, in micro-euros, a minimum of every licence priced in between."""
    term, at_most = uuid.uuid4(), -(-sum(minimums.values()) // MICRO_PER_MINOR)
    await ContributorTerm(id=term, dataset="lyon", promised_minor=at_most, starts_at=starts_at, ends_at=ends_at).save()
    await copy_in(
        "contributor_promise",
        ("term", "subscriber", "minimum_micro"),
        [(term, who, micro) for who, micro in minimums.items()],
    )
    return term


async def close_month() -> int:
    """Be at the end of the month in which what is held is due, or of the next that can be closed, and close it.

    Returns how many licences that released; the clock is what it was then.
    """
    held = await fetch_value(
        "SELECT max(hold_until) FROM licence_split JOIN licence ON licence.id = licence WHERE licence_split.state = 'held'"
    )
    last = await fetch_value("SELECT max(month) FROM share_close")
    ends = [clock.now()]
    if held is not None:
        ends.append(bounds(month_of(held))[1])
    if last is not None:
        ends.append(bounds(next_month(last))[1])
    with clock.started_at(max(ends)):
        return await close_months()


async def balances() -> dict[int, tuple[int, int]]:
    """Return reference → (held, payable) in micro-euros; refuse books that do not follow."""
    answer: dict[int, tuple[int, int]] = {}
    for row in await fetch("SELECT subscriber, sum(payable_micro)::bigint AS mine FROM payable_movements() GROUP BY 1"):
        answer[row["subscriber"]] = 0, row["mine"]
    rounding = 0
    for split in await fetch("SELECT licence_split.*, release FROM licence_split JOIN licence ON licence.id = licence"):
        earned = await earned_of(split)
        assert sum(earned.values()) == split["shares_micro"]
        if split["state"] == "held":
            rounding += split["rounding_micro"]
            for who, micro in earned.items():
                held, payable = answer.get(who, (0, 0))
                answer[who] = held + micro, payable
    assert all(held >= 0 and payable >= 0 for held, payable in answer.values())
    held = sum(held for held, _ in answer.values()) + rounding
    assert held == -await balance(SUBSCRIBERS_HELD) * MICRO_PER_MINOR
    carry = await fetch_value("SELECT carry_micro FROM share_close WHERE run IS NOT NULL ORDER BY month DESC LIMIT 1")
    payable = sum(mine for _, mine in answer.values()) + (carry or 0)
    assert payable == -await balance(SUBSCRIBERS_PAYABLE) * MICRO_PER_MINOR
    return answer


async def earned_of(split: Mapping[str, Any]) -> dict[int, int]:
    """Return what a split by a public denominator gives each person, in micro-euros, worked out person by person."""
    promised: dict[int, int] = {}
    for row in await fetch(
        "SELECT subscriber, minimum_micro FROM contributor_promise WHERE term = ANY ($1)", split["terms"]
    ):
        promised[row["subscriber"]] = max(row["minimum_micro"], promised.get(row["subscriber"], 0))
    known = await manifest(split["release"])
    earned = {}
    for who, weight in zip(known.references.tolist(), known.weights.tolist(), strict=True):
        share = split["pool_minor"] * MICRO_PER_MINOR * weight // split["denominator"]
        if micro := max(share, promised.get(who, 0)):
            earned[who] = micro
    return earned


async def check_whole() -> None:
    """Refuse anything half done: books, accruals, splits and entries tell the same story."""
    await balances()
    counts = await fetch_one(
        """SELECT (SELECT count(*) FROM licence_split) AS splits,
                  (SELECT count(*) FROM journal_entry WHERE kind = 'shares_held') AS held,
                  (SELECT count(*) FROM licence_split WHERE state <> 'held') AS ended,
                  (SELECT count(*) FROM journal_entry
                   WHERE kind IN ('shares_released', 'shares_cancelled')) AS entries"""
    )
    assert counts
    assert counts["splits"] == counts["held"]
    assert counts["ended"] == counts["entries"]


async def check_index(sold: dict[uuid.UUID, dict[int, int]], people: int = 40) -> None:
    """Refuse an index that says anything else than these manifests."""
    release_of = {row["number"]: row["release"] for row in await fetch("SELECT number, release FROM sold_release")}
    for who in range(people + 2):
        mine = await find_contributions(who)
        found = {release_of[n]: w for n, w in zip(mine.numbers.tolist(), mine.weights.tolist(), strict=True)}
        assert found == {release: manifest[who] for release, manifest in sold.items() if who in manifest}
        numbers = np.array(sorted(release_of))
        assert mine.weights_in(numbers).tolist() == [found.get(release_of[number], 0) for number in numbers.tolist()]
        bits = np.unpackbits(np.frombuffer(mine.bits, np.uint8), bitorder="little")
        assert np.flatnonzero(bits).tolist() == mine.numbers.tolist()


async def given_back(licence: uuid.UUID, amount: int) -> None:
    """Let Stripe say that this much in all was refunded, and the books follow."""
    order = await order_of_licence(licence)
    before = await fetch_value("SELECT refunded_minor FROM payment WHERE subject = $1", order)
    await execute(
        """UPDATE payment SET refunded_minor = $2, received_minor = amount_minor,
                  state = CASE WHEN $2 = amount_minor THEN 'refunded' ELSE state END WHERE subject = $1""",
        order,
        amount,
    )
    assert await record_refunds() == 1
    await mirror_movement(licence, "refund", before - amount)


async def state_dispute(licence: uuid.UUID, state: str, amount: int) -> None:
    """Let Stripe say what has become of a dispute."""
    order = await order_of_licence(licence)
    is_new = await execute(
        """INSERT INTO dispute (id, payment_subject, charge_id, amount_minor, reason, status, state, opened_at)
           VALUES ($5, $1, $5, $2, 'fraudulent', $3, $3, $4)
           ON CONFLICT (id) DO UPDATE SET state = excluded.state""",
        order,
        amount,
        state,
        clock.now(),
        f"dp_{order}",
    )
    assert is_new
    await follow_disputes()
