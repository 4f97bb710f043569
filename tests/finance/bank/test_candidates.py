"""The candidates of a bank line are found by index, and are those that a look at every order would find."""

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

import pytest

from marketplace.core import clock
from marketplace.core.database import execute, fetch_rows, fetch_scalar, transaction
from marketplace.core.errors import Invalid
from marketplace.core.web.formats import PARIS
from marketplace.finance.bank.candidates import (
    LEAST,
    SHOWN,
    OwedOrder,
    list_for_line,
    list_lines_for_order,
    settle_line,
)
from marketplace.finance.bank.matching import Match, match_lines
from marketplace.finance.bank.queries import LineRow
from marketplace.finance.bank.rules import Clue, orders_in, payouts_in, score, stripe_payouts_in
from marketplace.money.ledger import chart
from tests.finance.builders import sales
from tests.finance.builders.statements import Entry, bank_says
from tests.people.builders import make_staff

ORDERS: Final = 200
BUILDERS: Final = (
    """INSERT INTO quote (id, partner, offer, release, terms, months, amount_minor, document, signature, quoted_at, expires_at)
       SELECT md5('Q' || i)::uuid, $1, $2, $3, 'standard-1', 12, 1, 'x', 'x', $4, $4::timestamptz + interval '1 hour'
       FROM generate_series(1, $5::int) AS i""",
    """INSERT INTO purchase_order (id, number, partner, net_minor, vat_minor, total_minor, vat_basis_points,
                                   vat_rule, state, ordered_at, paid_at)
       SELECT md5('O' || i)::uuid, 'P-2026-' || lpad(i::text, 6, '0'), $1,
              9000 + i % 37 * 100, 0, 9000 + i % 37 * 100, 2000, 'domestic', state,
              $4::timestamptz - i % 20 * interval '1 day',
              CASE state WHEN 'paid' THEN $4::timestamptz END
       FROM generate_series(1, $5::int) AS i
       CROSS JOIN LATERAL (SELECT CASE WHEN i % 20 IN (0, 9) THEN 'lapsed' WHEN i % 10 = 0 THEN 'awaiting_payment'
                                       ELSE 'paid' END AS state) AS its
       WHERE $2::uuid IS NOT NULL AND $3::uuid IS NOT NULL""",
    """INSERT INTO order_lot (quote, purchase_order, position)
       SELECT md5('Q' || i)::uuid, md5('O' || i)::uuid, 1 FROM generate_series(1, $1::int) AS i""",
    """INSERT INTO payment (subject, amount_minor, received_minor, state, charge_id, session_id, requested_at, paid_at,
                            read_at)
       SELECT id, total_minor, CASE place WHEN 3 THEN total_minor * 2 / 5 ELSE total_minor END, 'paid', 'ch_' || number,
              'cs_' || number, ordered_at, ordered_at, ordered_at
       FROM (SELECT *, substr(number, 8)::int % 10 AS place FROM purchase_order WHERE state = 'paid') AS its
       WHERE place IN (2, 3, 4, 9)""",
    """INSERT INTO balance_transaction (id, category, amount_minor, fee_minor, net_minor, source_id, payment_subject, status,
                                        created_at, available_on)
       SELECT kind || number, kind, minor, 0, minor, 'ch_' || number, subject, 'available', paid_at, paid_at
       FROM (SELECT subject, substr(charge_id, 4) AS number, paid_at, received_minor FROM payment) AS its
       CROSS JOIN LATERAL (VALUES ('charge', received_minor), ('charge_failure', -received_minor)) AS moved (kind, minor)
       WHERE kind = 'charge' OR number LIKE '%4'""",
    """INSERT INTO credit_sale (subject, partner, number, total_minor, returned_minor, granted_at, due_at)
       SELECT id, partner, number, total_minor, CASE place WHEN 6 THEN total_minor / 4 ELSE 0 END, ordered_at,
              ordered_at + interval '30 days'
       FROM (SELECT *, substr(number, 8)::int % 10 AS place FROM purchase_order) AS its WHERE place IN (5, 6, 7)""",
)
"""By the last digit of their numbers orders await their money or lapsed (0), are sold without any money (1), charged (2),
charged in part (3), charged in vain (4), on credit (5), of which a part went back (6), or all was paid (7), paid in part by
bank (8), or paid twice, or lapsed (9)."""
EVERY_ORDER: Final = """
SELECT purchase_order.id::text AS id, purchase_order.number, company, purchase_order.ordered_at AS at,
       (purchase_order.total_minor - coalesce(credit_sale.returned_minor, 0)
        - coalesce((SELECT sum(amount_minor) FROM balance_transaction
                    WHERE payment_subject = purchase_order.id AND category IN ('charge', 'charge_failure')), 0)
        - coalesce((SELECT sum(amount_minor) FROM bank_match
                    WHERE target_kind = 'order' AND target_id = purchase_order.id::text AND undone_at IS NULL), 0)
       )::bigint AS amount_minor, credit_sale.subject IS NOT NULL AS is_on_credit
FROM purchase_order JOIN partner ON partner.id = purchase_order.partner
LEFT JOIN credit_sale ON credit_sale.subject = purchase_order.id
WHERE purchase_order.state IN ('awaiting_payment', 'paid') OR credit_sale.subject IS NOT NULL"""


async def sell_owing_everything() -> list[OwedOrder]:
    """Sell orders that owe in every way there is; return what each owes, computed one by one."""
    await sales.write_shop()
    given = (sales.PARTNER, sales.OFFER, sales.RELEASE, clock.now() - dt.timedelta(days=6), ORDERS)
    for statement, values in zip(BUILDERS, (given, given, given[-1:], (), (), ()), strict=True):
        await execute(statement, *values)
    owed = {int(row.number[-6:]): row for row in await fetch_rows(OwedOrder, EVERY_ORDER)}
    parts = {number: row.amount_minor or 700 for number, row in owed.items() if number % 10 in {7, 9}}
    parts |= {number: row.amount_minor // 3 for number, row in owed.items() if number % 10 == 8}
    lines = await bank_says(*(Entry(minor, f"B{number}", "no words") for number, minor in parts.items()))
    await match_lines(
        [
            Match(line, "order", owed[number].id, minor, chart.ON_CREDIT if number % 10 == 7 else chart.PARTNERS)
            for line, (number, minor) in zip(lines, parts.items(), strict=True)
        ],
        person=None,
    )
    await execute("UPDATE credit_sale SET returned_minor = total_minor / 3 WHERE paid_minor > 0")
    return await fetch_rows(OwedOrder, EVERY_ORDER)


def bank_row(minor: int, words: str = "") -> LineRow:
    return LineRow(1, 1, "R", clock.now().date(), clock.now().date(), minor, "", "", "ACME", "", words, "", "")


def found_among_all(owed: list[OwedOrder], line: LineRow) -> list[tuple[str, int, int]]:
    """Return what a line may be of all orders: id, what each owes and its score."""
    mine = Clue(line.amount_minor, line.booked_on, (), f"{line.remittance}   {line.reference}", line.counterparty)
    scored = [
        (score(mine, Clue(row.amount_minor, day, [row.number], row.number, row.company))[0], day, row)
        for row in owed
        for day in [row.at.astimezone(PARIS).date()]
        if row.amount_minor * line.amount_minor > 0
    ]
    good = sorted((found for found in scored if found[0] >= LEAST), key=lambda it: (-it[0], it[1], it[2].id))
    return [(row.id, row.amount_minor, points) for points, _, row in good[:SHOWN]]


def test_candidates_are_those_that_a_look_at_every_order_finds(apart: Callable[[Callable[[], Any]], None]) -> None:
    async def story() -> None:
        owed = await sell_owing_everything()
        kinds = {(int(row.number[-1]), (row.amount_minor > 0) - (row.amount_minor < 0)) for row in owed}
        assert {(0, 1), (1, 1), (2, 0), (3, 1), (4, 1), (5, 1), (6, 1), (7, -1), (8, 1), (9, -1)} <= kinds
        last = {int(row.number[-1]): row for row in owed}
        amounts = sorted({row.amount_minor for row in owed if row.amount_minor})
        asked = [bank_row(minor) for minor in amounts[:: max(len(amounts) // 40, 1)]]
        asked += [bank_row(minor + minor * shift // 1000) for minor in amounts[::20] for shift in (-21, -19, 19, 21)]
        for row in last.values():
            plain, squeezed = row.number, row.number.replace("-", "").lower()
            asked += [bank_row(minor, f"VIR {words} MERCI") for minor in (12, -12) for words in (plain, squeezed)]
            asked += [
                bank_row(row.amount_minor or 5, words) for words in (f"{plain}/7", f"p 2026 {plain[-6:]}7", plain[1:])
            ]
        several = 0
        for line in asked:
            found = [(row.id, row.amount_minor, row.score) for row in await list_for_line(line)]
            assert found == found_among_all(owed, line), line
            several += len(found) > 1
        assert several > 10

    apart(story)


def test_a_line_reads_the_orders_near_it_and_no_others(apart: Callable[[Callable[[], Any]], None]) -> None:
    async def reads() -> int:
        sql = """SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables
                 WHERE relname = 'purchase_order'"""
        return await fetch_scalar(int, sql) or 0

    async def story() -> None:
        owed = await sell_owing_everything()
        number, clerk = next(row.number for row in owed if row.number.endswith("1")), await make_staff("Ada")
        await execute("ANALYZE")
        async with transaction():
            await execute("SET LOCAL enable_seqscan = off")  # so few orders are else read as they lie
            before = await reads()
            [found] = await list_for_line(bank_row(41, f"VIR {number}"))
            with pytest.raises(Invalid, match="not more"):
                await settle_line(1, [("order", number.lower(), 10**6)], clerk)
            assert await list_lines_for_order(found.id) == []
            assert await reads() - before < ORDERS / 2

    apart(story)


def test_numbers_and_ids_are_found_in_words_however_they_are_written() -> None:
    for words in ("P-2026-000042", "vir p-2026-000042/2", "P2026000042", "P 2026.000042 7", "LP-2026-00004299"):
        assert "P-2026-000042" in orders_in(words), words
    assert orders_in("Pay 12 and pop 2026 of 42") == []
    key = "0" * 30 + "af"
    assert [found.hex for found in payouts_in(f"RETURN ptp{key.upper()} x PTB {key}")] == [key, key]
    assert {"po_1abc", "po_2"} <= set(stripe_payouts_in("STRIPE PO_1ABC po2"))
