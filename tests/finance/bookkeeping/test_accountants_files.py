"""The accountant's files: labels in French with the document's number, their accounts and columns, the same bytes years later."""

import csv
import datetime as dt
import uuid

import pytest

from marketplace.core import clock
from marketplace.core.settings import settings
from marketplace.core.web.formats import paris_day
from marketplace.finance.bank.actions import import_bank_statement
from marketplace.finance.bookkeeping.export_files import open_export, request_export, write_exports
from marketplace.people.identity.actors import Actor
from tests.finance.builders import sales
from tests.finance.builders.statements import Entry, Statement
from tests.people.builders import make_staff
from tests.support.reads import fetch_value


async def write_year_file(actor: Actor, file_format: str, year: int) -> bytes:
    """Ask for a file of a year, have it written, and return its bytes."""
    export = uuid.uuid4()
    first, last = dt.date(year, 1, 1), dt.date(year, 12, 31)
    await request_export(export, actor, file_format=file_format, first_day=first, last_day=last)
    await write_exports()
    assert await fetch_value("SELECT fault FROM export_file WHERE id = $1", export) is None
    _, _, pieces = await open_export(export)
    return b"".join([piece async for piece in pieces])


async def test_a_fec_reads_in_french_and_is_the_same_years_later_in_the_accountants_numbers_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nora = await make_staff("Nora")
    await sales.write_shop()
    order = await sales.write_sold_order()
    await sales.mirror_charge(order)
    await sales.write_refund(order)
    year = paris_day(clock.now()).year
    day = dt.date(year, 1, 20)
    statement = Statement([Entry(-250, "B77", "FRAIS", day=day)], opening=90_000, day=day)
    await import_bank_statement(statement.xml(), person=None, new_account=True)
    fec = await write_year_file(nora, "fec", year)
    rows = [line.split("\t") for line in fec.decode("iso-8859-15").splitlines()][1:]
    labels = {(row[8], row[10]) for row in rows}
    invoice = await fetch_value("SELECT number FROM invoice WHERE kind = 'invoice'")
    note = await fetch_value("SELECT number FROM invoice WHERE kind = 'credit_note'")
    expected = {
        (invoice, f"Vente d'une licence {invoice}"),
        (note, f"Remboursement {note}"),
        ("B77", "Ligne de relevé bancaire B77"),
    }
    assert expected <= labels
    assert not {word for _, text in labels for word in ("Sale", "Bank", "Opening", "Refund") if word in text}
    with clock.shifted(dt.timedelta(days=5 * 365)):
        assert await write_year_file(nora, "fec", year) == fec, "byte for byte"
    monkeypatch.setenv("EXPORT_ACCOUNTS", "706000:70610000, 512100:51210001")
    monkeypatch.setenv("EXPORT_COLUMNS", "PieceRef CompteNum Credit Debit")
    settings.cache_clear()
    table = list(csv.reader((await write_year_file(nora, "accountant", year)).decode().splitlines(), delimiter=";"))
    assert table[0] == ["PieceRef", "CompteNum", "Credit", "Debit"]
    assert [invoice, "70610000", "100,00", "0,00"] in table
    assert {row[1] for row in table[1:]} >= {"51210001", "445710"}
    assert "70610000" in (await write_year_file(nora, "fec", year)).decode("iso-8859-15")


async def test_a_setting_that_cannot_be_is_the_files_fault_and_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nora, year = await make_staff("Nora"), paris_day(clock.now()).year
    for name, value in (("EXPORT_ACCOUNTS", "999:1"), ("EXPORT_COLUMNS", "Nothing")):
        monkeypatch.setenv(name, value)
        settings.cache_clear()
        export = uuid.uuid4()
        await request_export(
            export, nora, file_format="accountant", first_day=dt.date(year, 1, 1), last_day=dt.date(year, 12, 31)
        )
        assert await write_exports() == 1
        fault = await fetch_value("SELECT fault FROM export_file WHERE id = $1", export)
        assert fault.startswith(name)
        monkeypatch.delenv(name)
