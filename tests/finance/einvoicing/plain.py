"""What waits to be said of documents, found in all that were ever issued: a plain, slow computation beside the product's."""

import datetime as dt
from pathlib import Path
from typing import Any, Final

from marketplace.core import clock
from marketplace.core.statements import read_statements
from marketplace.core.web.formats import PARIS
from marketplace.finance.einvoicing.queries import SQL
from marketplace.finance.einvoicing.reporting import _over_before
from marketplace.money.ledger import chart
from tests.support.reads import fetch

FILE: Final = Path(__file__).with_name("plain.sql")
PLAIN: Final = read_statements(FILE.read_text(), FILE.name)
MOST: Final = 1_000_000
UNTRANSMITTED: Final = """
    SELECT einvoice.invoice AS id FROM einvoice_unsaid JOIN einvoice ON einvoice.invoice = subject
    WHERE what = 'transmission' AND issued_at >= (SELECT from_at FROM einvoicing_state)
      AND NOT EXISTS (SELECT FROM transmission WHERE transmission.invoice = subject)"""

WAYS: Final = """
    SELECT invoice AS id, travels, is_in_parts AS in_parts, vat_at, vat_minor FROM einvoice
    WHERE issued_at >= (SELECT from_at FROM einvoicing_state)"""


async def rows_of_statement(sql: str, *values: object) -> list[dict[str, Any]]:
    """Return a statement's rows in an order of their own."""
    rows = [dict(row) for row in await fetch(sql, *values)]
    return sorted(rows, key=repr)


async def check_same() -> int:
    """Hold what the product lists against what is found in all documents; return how many rows there were."""
    found, now = 0, clock.now()
    asked: list[tuple[str, tuple[object, ...]]] = [
        ("list_receipts_to_write", (MOST,)),
        ("list_parts_to_say", (MOST, True, now)),
        ("list_parts_to_say", (MOST, False, _over_before("payments", now))),
        ("list_parts_to_say_back", ()),
        *(("list_unreported", (kind, _over_before(kind, now))) for kind in ("transactions", "payments")),
        *(
            (name, (now + dt.timedelta(days=days),))
            for name in ("list_unreported_exceptions", "list_unsaid_exceptions")
            for days in (0, 1, 15, 45)
        ),
    ]
    for name, values in asked:
        plain, ours = PLAIN[name], SQL[name]
        if name.endswith("_exceptions"):  # their first parameter is for others
            plain, ours = plain.replace("$2", "$1"), ours.replace("$2", "$1")
        expected = await rows_of_statement(plain, *values)
        assert await rows_of_statement(ours, *values) == expected, (name, values)
        found += len(expected)
    expected = await rows_of_statement(PLAIN["list_untransmitted"])
    assert await rows_of_statement(UNTRANSMITTED) == expected
    assert await rows_of_statement(WAYS) == await rows_of_statement(PLAIN["list_ways"])
    of_months = (chart.VAT_COLLECTED, chart.SUSPENSE)
    assert await rows_of_statement(SQL["list_months"], *of_months) == await rows_of_statement(
        PLAIN["list_months"], *of_months
    )
    for report in await fetch("SELECT DISTINCT kind, first_day, last_day FROM e_report"):
        begins, ends = (
            dt.datetime.combine(day, dt.time(), PARIS)
            for day in (report["first_day"], report["last_day"] + dt.timedelta(days=1))
        )
        given = (report["kind"], begins, ends, [])
        of_period = await rows_of_statement(PLAIN["list_of_period"], *given)
        assert await rows_of_statement(SQL["list_of_period"], *given, report["first_day"]) == of_period
        found += len(of_period)
    return found + len(expected)
