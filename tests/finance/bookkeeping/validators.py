"""What other programs and the official rules say of a played year's invoices and books, and its reconciliations to the cent."""

import asyncio
import datetime as dt
import re
import shutil
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from facturx import get_xml_from_pdf
from lxml import etree

from marketplace.demo.bank_messages import is_valid, totals_match
from marketplace.finance.bookkeeping import export_files as exports
from marketplace.finance.bookkeeping.export_files import open_export
from marketplace.finance.bookkeeping.exports.fec_rules import COLUMNS, check
from marketplace.finance.einvoicing.cdar import read_statuses
from marketplace.finance.einvoicing.queries import list_months
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.finance.reconciliation.queries import last_run
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.balance import read_balance
from marketplace.oversight import invariants
from marketplace.people.identity.actors import Actor
from marketplace.sales.orders.invoice_xml import ubl
from marketplace.sales.orders.invoices import get_invoice_file
from marketplace.subscribers.earnings.queries import list_unequal_accounts
from tests.site.builders.played_year import YEAR, Year
from tests.support.reads import fetch, fetch_one, fetch_value
from tests.support.schematron import EN16931, FRANCE, RULES, broken_rules, fits_the_schema

VAT_SETTLED = """
    SELECT sum(CASE WHEN debit = ANY ($1::text[]) THEN amount_minor ELSE -amount_minor END)::bigint
    FROM journal_entry JOIN posting ON entry = journal_entry.id WHERE kind = 'vat_settled' AND $1 && ARRAY[debit, credit]"""
"""What moved off accounts of VAT towards the tax office, in cents."""
FIRST, LAST = dt.date(YEAR, 1, 1), dt.date(YEAR, 12, 31)


# ------------------------------------------------------------------ invoices
async def check_invoices() -> int:
    """Have the schema and rules of Factur-X read every invoice and credit note; return how many there are.

    Those of partners elsewhere are read as UBL too.
    """
    rows = await fetch(
        """SELECT invoice.id, invoice.number, document, country FROM invoice
           JOIN purchase_order ON purchase_order.id = purchase_order JOIN partner ON partner.id = partner ORDER BY invoice.number"""
    )
    for row in rows:
        _, pdf = await get_invoice_file(row["id"])
        name, xml = get_xml_from_pdf(pdf, check_xsd=True)
        assert name == "factur-x.xml"
        assert fits_the_schema(xml), row["number"]
        assert broken_rules(xml, EN16931) == [], row["number"]
        if row["country"] != "FR":
            assert broken_rules(ubl(msgspec.json.decode(row["document"])), UBL_RULES) == [], row["number"]
    return len(rows)


async def check_numbers() -> None:
    """Refuse numbers with a gap, or given twice."""
    for kind, letter in (("invoice", "F"), ("credit_note", "A")):
        rows = await fetch("SELECT number FROM invoice WHERE kind = $1 ORDER BY number", kind)
        assert [row["number"] for row in rows] == [f"{letter}-{YEAR}-{one:06d}" for one in range(1, len(rows) + 1)]


def check_platform(year: Year) -> None:
    """Refuse what the platform could not read or had twice, and an invoice that breaks one of France's rules (CTC)."""
    names = Counter(flow.name for flow in year.platform.flows if flow.direction == "Out")
    assert set(names.values()) == {1}, names
    for flow in year.platform.flows:
        if flow.kind == "Factur-X":
            _, xml = get_xml_from_pdf(flow.body, check_xsd=True)
            assert broken_rules(xml, FRANCE) == [], flow.name
        elif flow.kind == "CDAR":
            assert read_statuses(flow.body)
        elif flow.kind == "FRR":
            etree.fromstring(flow.body)


def check_payment_files(files: Sequence[bytes]) -> None:
    """Have the schema of pain.001 read what the bank was sent, and its totals be right."""
    assert len(files) == 3
    for file in files:
        document = etree.fromstring(file)
        assert is_valid(document)
        assert totals_match(document)
    assert b"<LclInstrm><Cd>INST</Cd></LclInstrm>" in files[-1]


# ------------------------------------------------------------------ books
OF_CLIENTS, AN_ID = ("411", "416"), re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}.*")
SOLD = ("Parts", "Vente", "Avoir", "Dépréciation", "Reprise", "Créance")


async def bytes_of(export: uuid.UUID) -> tuple[str, bytes]:
    """Return a written file's name and what it holds."""
    name, _, pieces = await open_export(export)
    return name, b"".join([piece async for piece in pieces])


async def check_books(clerk: Actor, closed: Sequence[uuid.UUID], folder: Path) -> None:
    """Have the tax office's rules and two other programs read the books; the year's file made again is the same."""
    (name, fec), (_, again) = [await bytes_of(export) for export in closed]
    assert again == fec
    assert check(name, fec.splitlines(keepends=True), first_day=FIRST, last_day=LAST) == []
    rows = rows_of_fec(fec)
    assert {row["JournalCode"] for row in rows} >= {"VT", "BQ"}
    nameless = [row["EcritureLib"] for row in rows if row["CompteNum"][:3] in OF_CLIENTS and not row["CompAuxNum"]]
    assert nameless == [], "whose it is, is said of each line of a client"
    by_id = {
        row["EcritureLib"] for row in rows if AN_ID.fullmatch(row["PieceRef"]) and row["EcritureLib"].startswith(SOLD)
    }
    assert by_id == set(), "what is about an order names it by its number"
    for parameters in PROGRAMS:
        file_format, program = (cast("Any", value) for value in parameters.values)
        if any(mark.args[0] for mark in parameters.marks):
            continue  # the program is not installed here
        _, books = await write_export(clerk, str(file_format), FIRST, LAST)
        accepted, output = await asyncio.to_thread(checked_by, list(program), folder / f"{file_format}", books.decode())
        assert accepted, output


async def check_sums(year: Year) -> None:
    """Reconcile orders, Stripe, its payouts, the bank, subscribers and VAT: each to the cent, with nothing left open."""
    assert [(row.why, row.reference) for row in (await list_exceptions()).rows] == []
    assert await invariants.broken() == []
    charges = await asyncio.to_thread(year.stripe.list, "charges")
    assert len(charges) < 100, "a page of them"
    moved = sum(one["amount_captured"] - one["amount_refunded"] for one in charges if one["status"] == "succeeded")
    kept = "SELECT sum(received_minor - refunded_minor)::bigint FROM payment WHERE state IN ('paid', 'refunded')"
    assert moved == await fetch_value(kept), "what Stripe took is what payments say"
    comparison = await last_run()
    assert comparison
    assert (comparison.stripe_minor, comparison.unmatched) == (comparison.ledger_minor, 0)
    assert await balance(chart.STRIPE) == await read_balance()
    arrived = "SELECT sum(amount_minor)::bigint FROM bank_line WHERE remittance LIKE '%STRIPE po%'"
    paid_out = await asyncio.to_thread(year.stripe.list, "payouts")
    assert sum(one["amount"] for one in paid_out) == await fetch_value(arrived)
    assert await balance(chart.BANK) == year.bank.balance_cents
    for account in (chart.TRANSFERS, chart.SUSPENSE, chart.PARTNERS, chart.DISPUTES, chart.ON_CREDIT, chart.PROVISIONS):
        assert await balance(account) == 0, account
    for account in (chart.SUBSCRIBERS_IN_TRANSIT, chart.GIFTS, chart.BILL_CREDITS, chart.BENEFITS):
        assert await balance(account) == 0, account
    assert await list_unequal_accounts() == []
    months = await list_months()
    assert not [month for month in months if month.difference_minor or month.waiting_minor]
    paid = "SELECT -sum(amount_minor)::bigint FROM bank_line WHERE remittance LIKE 'DGFIP%'"
    assert await fetch_value(VAT_SETTLED, list(chart.VAT)) == await fetch_value(paid)
    settled = await fetch_value(VAT_SETTLED, [chart.VAT_COLLECTED])
    assert sum(month.booked_minor for month in months) == settled - await balance(chart.VAT_COLLECTED)
    assert {row["account"] for row in await fetch("SELECT account FROM bank_match WHERE target_kind = 'vat'")} == {
        chart.VAT_COLLECTED,
        chart.VAT_RECLAIMED,
    }


# ------------------------------------------------------------------ what two plays are compared by
BOOKS = {
    "entries": """SELECT kind, debit, credit, count(*) AS count, sum(amount_minor)::bigint AS minor
                  FROM journal_entry JOIN posting ON entry = journal_entry.id GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
    "months": """SELECT month, account, debit_minor, credit_minor FROM period_balance ORDER BY 1, 2""",
    "invoices": """SELECT invoice.kind, invoice.net_minor, invoice.vat_minor, company
                   FROM invoice JOIN purchase_order ON purchase_order.id = purchase_order
                   JOIN partner ON partner.id = partner ORDER BY 1, 2, 3, 4""",
    "orders": """SELECT state, net_minor, vat_minor, returned_minor, charged_back_minor, company
                 FROM purchase_order JOIN partner ON partner.id = partner ORDER BY 1, 2, 3, 4, 5, 6""",
    "payouts": """SELECT subscriber, route, payout.state, payout.reason, payout.amount_minor
                  FROM payout JOIN payout_run ON payout_run.id = run ORDER BY drafted_at, 1""",
    "shares": "SELECT subscriber, sum(payable_micro)::bigint AS micro FROM payable_movements() GROUP BY 1 ORDER BY 1",
    "splits": "SELECT state, count(*) AS count, sum(shares_micro)::bigint AS micro FROM licence_split GROUP BY 1 ORDER BY 1",
    "sales by auction": "SELECT state, net_minor FROM auction_sale ORDER BY 1, 2",
    "transmissions": "SELECT state, code, count(*) AS count FROM transmission GROUP BY 1, 2 ORDER BY 1, 2",
    "reports": """SELECT kind, first_day, documents, net_minor, vat_minor FROM e_report ORDER BY 1, 2, sequence""",
    "rewards": "SELECT subscriber, state, amount_minor FROM reward ORDER BY 1, 2",
    "statements": "SELECT closed_on, opening_minor, closing_minor, line_count FROM bank_statement ORDER BY 1",
}


async def books_of() -> dict[str, Any]:
    """Return what a play of the year left in the books; what Stripe and the bank have is reconciled with them."""
    return {name: [tuple(row) for row in await fetch(sql)] for name, sql in BOOKS.items()}


BEAN_CHECK = Path(sys.executable).parent / "bean-check"


needs_hledger = pytest.mark.skipif(not shutil.which("hledger"), reason="hledger is not installed here")


async def write_export(actor: Actor, file_format: str, first: dt.date, last: dt.date) -> tuple[Any, bytes]:
    number = uuid.uuid4()
    await exports.request_export(number, actor, file_format=file_format, first_day=first, last_day=last)
    await exports.request_export(number, actor, file_format=file_format, first_day=first, last_day=last)
    assert await exports.write_exports() == 1
    row = await fetch_one("SELECT * FROM export_file WHERE id = $1", number)
    assert row
    assert row["fault"] is None
    _, size, pieces = await exports.open_export(number)
    data = b"".join([piece async for piece in pieces])
    assert len(data) == size
    assert row["lines_written"] == data.count(b"\n")
    return row, data


def rows_of_fec(data: bytes) -> list[dict[str, str]]:
    lines = data.decode("iso-8859-15").split("\r\n")
    assert lines.pop() == ""
    return [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines[1:]]


def checked_by(program: list[str], path: Path, text: str) -> tuple[bool, str]:
    path.write_text(text)
    done = subprocess.run([*program, str(path)], capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


PROGRAMS = [
    pytest.param("beancount", [str(BEAN_CHECK)], id="bean-check"),
    pytest.param("hledger", ["hledger", "check", "--strict", "-f"], id="hledger", marks=needs_hledger),
]


UBL_RULES = RULES / "ubl-2.1" / "EN16931-UBL-validation.xslt"
