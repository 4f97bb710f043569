"""A month at size reconciles with nothing unmatched, and one wrong cent anywhere in it is found and named.

The months are loaded as they lie in the tables, by COPY, into databases of their own: what they leave out (invoices,
shares) is not swept here but in the tests of what makes it.
"""

from collections.abc import Callable
from typing import Any

import pytest

from marketplace.core.database import fetch_rows, select
from marketplace.finance.bank.matching import match_stripe_payouts
from marketplace.finance.bookkeeping.closing import checks_of
from marketplace.finance.einvoicing.months import list_shown_months, sum_many_months, sum_months
from marketplace.finance.einvoicing.queries import Month, list_months
from marketplace.finance.einvoicing.tables import EinvoicingMonth
from marketplace.finance.reconciliation.candidates import list_candidates
from marketplace.finance.reconciliation.exception_queries import count_exceptions, list_exceptions
from marketplace.money.ledger import chart
from marketplace.money.ledger.periods import month_of
from marketplace.money.ledger.queries import balance, trial_balance
from tests.support.month import OPENING_MINOR, load_month, make_month
from tests.support.month_invoices import load_invoices


def reconciles(apart: Callable[[Callable[[], Any]], Any], orders: int) -> None:
    """Hold that a right month has nothing unmatched; each planted cent is found, and is all that is."""

    async def right() -> None:
        month = make_month(orders)
        await load_month(month)
        lines = len(month.rows["bank_line"])
        assert await match_stripe_payouts() == lines > 10
        assert (await list_exceptions()).rows == []
        assert await count_exceptions() == 0
        assert await balance(chart.TRANSFERS) == await balance(chart.SUSPENSE) == await balance(chart.PARTNERS) == 0
        assert await balance(chart.DISPUTES) == 0
        paid = sum(row[6] for row in month.rows["bank_line"])
        assert await balance(chart.BANK) == OPENING_MINOR + paid
        assert sum(row.balance_minor for row in await trial_balance()) == 0

    async def wrong(plant: str) -> None:
        month = make_month(orders, plant=plant)
        await load_month(month)
        await match_stripe_payouts()
        rows = (await list_exceptions()).rows
        found = sorted((row.why, row.reference, row.amount_minor) for row in rows)
        if plant == "charge":
            assert found == [("charge_differs", month.planted, 1)]
        elif plant == "posting":
            assert found == [("entry_differs", month.planted, -1)]
        else:
            [(_, _, credited), (_, payout, paid_out)] = found
            assert [why for why, _, _ in found] == ["line_unexplained", "payout_without_line"]
            assert (payout, paid_out - credited) == (month.planted, 1)
            line = next(row for row in rows if row.why == "line_unexplained")
            [best, *_] = await list_candidates(line)
            assert (best.id, best.fits) == (month.planted, False)
            assert {"amount_close", "reference_found"} <= set(best.reasons)

    apart(right)
    for plant in ("charge", "posting", "bank"):
        apart(lambda plant=plant: wrong(plant))  # type: ignore[misc]


def test_a_month_reconciles_and_a_wrong_cent_is_named(apart: Callable[[Callable[[], Any]], Any]) -> None:
    reconciles(apart, 300)


@pytest.mark.deep
def test_a_month_of_twenty_thousand_orders(apart: Callable[[Callable[[], Any]], Any]) -> None:
    reconciles(apart, 20_000)


def test_a_closed_month_of_orders_passes_every_check_but_the_comparison(
    apart: Callable[[Callable[[], Any]], Any],
) -> None:
    async def story() -> None:
        month = make_month(60)
        await load_month(month)
        await match_stripe_payouts()
        first = min(row[3] for row in month.rows["journal_entry"])
        failing = [check.name for check in await checks_of(month_of(first)) if not check.passes]
        assert failing == ["stripe_agrees"]

    apart(story)


def test_vat_of_the_months_of_many_invoices_is_kept_as_it_is_added_up(
    apart: Callable[[Callable[[], Any]], Any],
) -> None:
    async def story() -> None:
        await load_month(make_month(300))
        await load_invoices()
        live = await list_months()
        assert [month.difference_minor for month in live] == [0] * len(live)
        assert live[0].statuses_minor > live[0].reports_minor > 0 < live[0].waiting_minor
        assert await sum_many_months() == 0, "few are added up when they are shown"
        assert await list_shown_months() == (live, None)
        assert await sum_months() == await sum_months() == len(live)
        kept = await fetch_rows(Month, select(Month, EinvoicingMonth).order_by(EinvoicingMonth.month, ascending=False))
        assert kept == live

    apart(story)
