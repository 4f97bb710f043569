"""The books as files: our check and two other programs accept them, and none accepts them with a cent changed."""

import datetime as dt
import re
import uuid
from pathlib import Path

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Invalid, NotFound
from marketplace.core.web.formats import paris_day
from marketplace.finance.bookkeeping import export_files as exports
from marketplace.finance.bookkeeping.exports.fec_rules import check
from marketplace.finance.bookkeeping.exports.plain_text import account_name
from marketplace.money.ledger.actions import record
from marketplace.money.ledger.chart import LICENCES_SOLD, PARTNERS, STRIPE, SUBSCRIBERS_HELD, SUBSCRIBERS_SHARES
from marketplace.people.identity.actors import Actor
from tests.finance.bookkeeping.validators import PROGRAMS, checked_by, rows_of_fec, write_export
from tests.finance.builders import sales
from tests.people.builders import add_staff
from tests.support.day_sums import FILL_DAY_SUMS
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_one, fetch_value

NOW = clock.now()
YEAR = paris_day(NOW).year
THIS_YEAR = dt.date(YEAR, 1, 1), dt.date(YEAR, 12, 31)


async def clerk() -> Actor:
    person = await add_staff("fin@people.example", "Nadia", "finance", "a rather long sentence")
    return Actor(name="Nadia", person=person, role="finance")


async def a_year_of_books() -> None:
    """Sell, mirror, share, give back; two entries a year ago, and words that could break a format."""
    await sales.write_shop()
    await execute("UPDATE partner SET company = E'Łódź|\\t\"Δέλτα\"; SA\\\\'")
    for place in range(5):
        order = await sales.write_paid_order()
        licence = await sales.write_settled(order)
        await sales.mirror_charge(order, fee=205)
        await sales.hold_shares(licence)
        if place == 4:
            await execute("UPDATE licence_split SET state = 'held'")
    last_year = dt.datetime(YEAR - 1, 12, 31, 22, 59, tzinfo=dt.UTC)
    await record("stripe_x", "old 1", at=last_year, text='He said "x"; y|z\\', postings=[(STRIPE, PARTNERS, 33)])
    await record("shares_x", "old 2", at=last_year, text="", postings=[(SUBSCRIBERS_SHARES, SUBSCRIBERS_HELD, 7)])
    new_year = dt.datetime(YEAR - 1, 12, 31, 23, 0, tzinfo=dt.UTC)  # 1 January in Paris
    await record(
        "stripe_x", "new 1", at=new_year, text="\x01\x02\n\ta", postings=[(STRIPE, PARTNERS, 5), (PARTNERS, STRIPE, 2)]
    )


async def undo_books() -> None:
    """Leave nothing that the sweep at the end would rightly call wrong: these books are no marketplace's."""
    await as_owner(
        "ALTER TABLE posting DISABLE TRIGGER append_only; ALTER TABLE journal_entry DISABLE TRIGGER append_only"
    )
    odd = "SELECT id FROM journal_entry WHERE kind IN ('stripe_x', 'shares_x', 'y')"
    await as_owner(f"DELETE FROM posting WHERE entry IN ({odd})")
    await as_owner(f"DELETE FROM journal_entry WHERE id IN ({odd})")
    await as_owner(f"DELETE FROM day_sum; {FILL_DAY_SUMS}")
    await as_owner(
        "ALTER TABLE posting ENABLE TRIGGER append_only; ALTER TABLE journal_entry ENABLE TRIGGER append_only"
    )


async def test_a_fec_of_the_year_passes_every_rule_and_says_what_the_books_say() -> None:
    await a_year_of_books()
    row, data = await write_export(await clerk(), "fec", *THIS_YEAR)
    assert row["file_name"] == f"123456782FEC{YEAR}1231.txt"
    faults = check(row["file_name"], data.splitlines(keepends=True), first_day=THIS_YEAR[0], last_day=THIS_YEAR[1])
    assert faults == []
    rows = rows_of_fec(data)
    carried = {each["CompteNum"]: (each["Debit"], each["Credit"]) for each in rows if each["EcritureNum"] == "1"}
    assert carried == {
        STRIPE: ("0,33", "0,00"),
        PARTNERS: ("0,00", "0,33"),
        SUBSCRIBERS_HELD: ("0,00", "0,07"),
        "119000": ("0,07", "0,00"),
    }
    sums: dict[str, int] = {}
    for each in rows:
        cents = [int(each[side].replace(",", "")) for side in ("Debit", "Credit")]
        sums[each["CompteNum"]] = sums.get(each["CompteNum"], 0) + cents[0] - cents[1]
    books = await fetch(
        """SELECT account, sum(minor)::bigint AS minor FROM (SELECT debit AS account, amount_minor AS minor FROM posting
           UNION ALL SELECT credit, -amount_minor FROM posting) AS side GROUP BY account"""
    )
    for each in books:
        if each["account"] != SUBSCRIBERS_SHARES:
            assert sums[each["account"]] == each["minor"], each["account"]
    assert sums[SUBSCRIBERS_SHARES] + sums["119000"] == next(
        e["minor"] for e in books if e["account"] == SUBSCRIBERS_SHARES
    )
    sold = [each for each in rows if each["CompteNum"] == LICENCES_SOLD]
    numbers = [each["number"] for each in await fetch("SELECT number FROM invoice ORDER BY number")]
    assert sorted(each["PieceRef"] for each in sold) == numbers
    assert {each["JournalCode"] for each in sold} == {"VT"}
    of_partner = [each for each in rows if each["CompAuxNum"]]
    assert {each["CompAuxLib"] for each in of_partner} == {"Lódz ? SA"}
    assert len(of_partner) == 10
    _, before = await write_export(await clerk_again(), "fec", dt.date(YEAR - 1, 1, 1), dt.date(YEAR - 1, 12, 31))
    assert [each["Debit"] for each in rows_of_fec(before)] == ["0,33", "0,00", "0,07", "0,00"]
    await undo_books()


async def clerk_again() -> Actor:
    person = await fetch_value("SELECT id FROM person WHERE email = 'fin@people.example'")
    return Actor(name="Nadia", person=person, role="finance")


def a_cent_more(text: str, amount: str, *, both: bool) -> str:
    """Return the file with one posting's first such amount a cent higher; `both`: its counterpart too."""
    higher = f"{int(amount.replace('.', '')) + 1}"
    higher = f"{higher[:-2]}.{higher[-2:]}"
    pattern = rf"(?<![\d-]){re.escape(amount)} EUR"
    assert re.search(pattern, text)
    text = re.sub(pattern, f"{higher} EUR", text, count=1)
    return re.sub(rf"-{re.escape(amount)} EUR", f"-{higher} EUR", text, count=1) if both else text


@pytest.mark.long
@pytest.mark.parametrize(("file_format", "program"), PROGRAMS)
async def test_another_program_accepts_the_books_and_refuses_a_changed_cent(
    tmp_path: Path, file_format: str, program: list[str]
) -> None:
    await a_year_of_books()
    actor = await clerk()
    row, data = await write_export(actor, file_format, *THIS_YEAR)
    assert row["file_name"].endswith(".journal" if file_format == "hledger" else ".beancount")
    _, whole = await write_export(actor, file_format, dt.date(YEAR - 1, 1, 1), THIS_YEAR[1])
    await undo_books()
    for text in (data.decode(), whole.decode()):
        path = tmp_path / f"books.{file_format}"
        accepted, output = checked_by(program, path, text)
        assert accepted, output
        for amount, both in (("120.00", False), ("48.97", False), ("48.97", True), ("0.05", False), ("0.05", True)):
            accepted, output = checked_by(program, path, a_cent_more(text, amount, both=both))
            assert not accepted, (amount, both, output)


async def test_what_is_no_export_is_refused_and_an_unfinished_one_is_not_handed_out() -> None:
    actor = await clerk()
    day = dt.date(2026, 3, 1)
    for file_format, first, last in (
        ("pdf", day, day),
        ("hledger", day, day - dt.timedelta(days=1)),
        ("fec", day, day),
        ("fec", dt.date(2025, 1, 1), dt.date(2026, 12, 31)),
    ):
        with pytest.raises(Invalid):
            await exports.request_export(uuid.uuid4(), actor, file_format=file_format, first_day=first, last_day=last)
    number = uuid.uuid4()
    await exports.request_export(number, actor, file_format="fec", first_day=dt.date(2026, 1, 1), last_day=day)
    with pytest.raises(NotFound):
        await exports.open_export(number)
    await exports.write_exports()
    row = await fetch_one("SELECT * FROM export_file")
    assert row
    assert row["state"] == "failed", "books without an entry make no FEC"
    assert "no entry" in row["fault"]
    with pytest.raises(NotFound):
        await exports.open_export(number)
    assert await fetch_value("SELECT count(*) FROM staff_action WHERE verb = 'export_books'") == 1


def test_names_that_the_tax_office_cannot_read_lose_their_accents() -> None:
    assert (
        "Łukasz Škoda’s Œuvre €".encode("iso-8859-15", errors="partage.plain").decode("iso-8859-15")
        == "Lukasz Škoda's Œuvre €"
    )
    assert "Ωμέγα".encode("iso-8859-15", errors="partage.plain") == b"?"


def test_accounts_have_names_that_both_programs_accept() -> None:
    assert account_name("411000", "Partners") == "Assets:411000-Partners"
    assert account_name("467100", "Subscribers – shares held") == "Liabilities:467100-Subscribers-Shares-Held"
    assert account_name("706000", "Licences sold") == "Income:706000-Licences-Sold"
    assert account_name("651000", "Subscribers’ shares") == "Expenses:651000-Subscribers-Shares"
    assert account_name("890000", "Opening balances") == "Equity:890000-Opening-Balances"
