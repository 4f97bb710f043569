"""CSV: read to the cent, looked at before they are imported, a bank's columns said once; nonsense is refused."""

import datetime as dt
import uuid

import pytest

from marketplace.core import clock
from marketplace.core.errors import Invalid
from marketplace.finance.bank.csv_files import Mapping, check_mapping, read_csv, read_table
from marketplace.finance.bank.previews import keep_upload
from marketplace.money.ledger.chart import BANK
from marketplace.money.ledger.queries import balance
from tests.finance.builders.pages import signed_in, submit_to_bank
from tests.finance.builders.statements import IBAN, Entry, Statement
from tests.subscribers.builders import payees
from tests.support.reads import fetch, fetch_value

CSV = """Relevé du compte;;;;
Date;Libellé;Débit;Crédit;Solde
06/10/2026;ANNULATION;;3,00;1 108,95
05/10/2026;FRAIS DE TENUE DE COMPTE;12,50;;1 105,95
05/10/2026;VIR STRIPE po_1;;118,45;1 118,45
"""
CAMT = Statement(
    [
        Entry(11_845, "B1", "STRIPE po_1", "Stripe Payments Europe"),
        Entry(-1_250, "B2", "Frais de tenue de compte", "La Banque"),
        Entry(300, "B3", "Annulation"),
    ],
    opening=100_000,
).xml()
COLUMNS = Mapping(booked="Date", debit="Débit", credit="Crédit", words="Libellé", balance="Solde")


def test_a_csv_is_read_by_its_columns_whatever_its_signs() -> None:
    read = read_csv(CSV.encode("cp1252"), COLUMNS, IBAN, None)
    assert (read.opening_minor, read.closing_minor) == (100_000, 110_895)
    assert [line.amount_minor for line in read.lines] == [11_845, -1_250, 300], "the earliest first"
    one_day = CSV.replace("06/10", "05/10")
    assert read_csv(one_day.encode(), COLUMNS, IBAN, None).closing_minor == 110_895, "its balances say which was first"
    assert len(read_csv(one_day.encode(), Mapping(booked="Date", debit="Débit", credit="Crédit"), IBAN, 1).lines) == 3
    english = (
        'day,what,amount,id,valued\n2026-10-05,fee,"(1,234.50)",7,2026-10-06\n2026-10-05,fee,5-,7,\n2026-10-07,x,0,8,\n'
    )
    mapping = Mapping(booked="day", amount="amount", words="what", reference="id", value="valued", days="year first")
    lines = read_csv(english.encode(), mapping, IBAN, 0).lines
    assert [(line.reference, line.amount_minor) for line in lines] == [("7", -123_450), ("7#2", -500)]
    assert lines[0].value_on == dt.date(2026, 10, 6)
    of_an_old_computer = CSV.replace("\n", "\r").encode()
    assert read_csv(of_an_old_computer, COLUMNS, IBAN, None).lines == read_csv(CSV.encode(), COLUMNS, IBAN, None).lines


@pytest.mark.parametrize(
    ("data", "mapping", "opening", "sentence"),
    [
        ("x", COLUMNS, None, "neither camt.053"),
        ("", COLUMNS, None, "neither camt.053"),
        ("Date;Libellé;Débit;Crédit;Solde\n", COLUMNS, None, "holds no statement"),
        (CSV.replace("05/10/2026;F", "35/10/2026;F"), COLUMNS, None, "not a day"),
        (CSV.replace("12,50", "douze"), COLUMNS, None, "whole cents"),
        (CSV.replace("118,45;1 118", "99999999999999,00;1 118"), COLUMNS, None, "whole cents"),
        ("Date;Montant\n01/10/2026;" + "1" * 140_000, COLUMNS, None, "neither camt.053"),
        ("\x1f\x8b\x08\x00\x00", COLUMNS, None, "neither camt.053"),
        (CSV, Mapping(booked="Date", amount="Montant"), None, "no column Montant"),
        (CSV, Mapping(booked="Date"), None, "Say which column"),
        (CSV, Mapping(booked="Date", debit="Débit", credit="Crédit"), None, "say what the account held"),
        (CSV.replace("1 108,95", "1 108,96"), COLUMNS, None, "does not add up"),
    ],
)
def test_a_bad_csv_is_refused_in_one_sentence(data: str, mapping: Mapping, opening: int | None, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        check_mapping(mapping, read_table(data.encode()).headings)
        read_csv(data.encode(), mapping, IBAN, opening)


async def test_a_file_is_looked_at_before_it_is_imported() -> None:
    async with await signed_in("finance") as visitor, await signed_in("finance") as other:
        upload = str(uuid.uuid4())
        answer = await submit_to_bank(visitor, "/en/finance/bank/uploads", file=CAMT, form_id=upload)
        assert answer.status_code == 303
        path = answer.headers["location"]
        page = (await visitor.get(path)).text
        assert "Nothing is written yet" in page
        assert "Stripe Payments Europe" in page
        assert f"Not known as ours: {IBAN}" in page
        assert "Rien n’est encore écrit" in (await visitor.get(path.replace("/en/", "/fr/"))).text
        assert await fetch_value("SELECT count(*) FROM bank_line") == 0
        assert (await other.get(path)).status_code == 404, "another clerk's"
        assert (await submit_to_bank(visitor, f"{path}/import")).status_code == 409, (
            "of whose account nobody said it is ours"
        )
        assert (await submit_to_bank(visitor, f"{path}/import", new_account="yes")).status_code == 303
        assert await balance(BANK) == 110_895
        assert (await visitor.get(path)).status_code == 404, "it is not kept"
        csv_upload = str(uuid.uuid4())
        later = CSV.replace("10/2026", "11/2026")
        path = (
            await submit_to_bank(visitor, "/en/finance/bank/uploads", file=later.encode(), form_id=csv_upload)
        ).headers["location"]
        page = (await visitor.get(path)).text
        assert "Which column is what?" in page
        assert (await submit_to_bank(visitor, f"{path}/import")).status_code == 422, "nobody said the columns"
        columns = {"booked": "Date", "words": "Libellé", "debit": "Débit", "credit": "Crédit", "days": "day first"}
        assert (await submit_to_bank(visitor, f"{path}/columns", iban="12", **columns)).status_code == 422
        assert (await submit_to_bank(visitor, f"{path}/columns", iban=IBAN, **columns)).status_code == 303
        page = (await visitor.get(path)).text
        assert "VIR STRIPE po_1" in page
        assert "€1,217.90" in page, "it opens where the last one closed"
        assert "Which column is what?" in (await visitor.get(f"{path}?columns=1")).text
        assert (await submit_to_bank(visitor, f"{path}/import")).status_code == 303
        assert await balance(BANK) == 121_790
        again = str(uuid.uuid4())
        path = (await submit_to_bank(visitor, "/en/finance/bank/uploads", file=later.encode(), form_id=again)).headers[
            "location"
        ]
        assert "here already" in (await visitor.get(path)).text, "and its columns are known"
        for bad in ({"form_id": "x"}, {"form_id": str(uuid.uuid4())}):
            assert (await submit_to_bank(visitor, "/en/finance/bank/uploads", **bad)).status_code == 422


async def test_a_preview_says_that_a_statement_is_missing_before_its_own() -> None:
    async with await signed_in("finance") as visitor:
        path = ""
        for name, opening, is_missing in (("S1", 0, False), ("S2", 500, False), ("S4", 900, True), ("S2", 500, False)):
            day = dt.date(2026, 3, int(name[1]))
            file = Statement([Entry(500, name, day=day)], day=day, name=name, opening=opening).xml()
            answer = await submit_to_bank(visitor, "/en/finance/bank/uploads", file=file, form_id=str(uuid.uuid4()))
            path = answer.headers["location"]
            page = (await visitor.get(path)).text
            assert (f"is missing before {name}: its lines make −€1.00" in page) == is_missing, name
            assert ("is missing" in page) == is_missing
            if not is_missing:
                await submit_to_bank(visitor, f"{path}/import", new_account="yes")


async def test_what_was_said_with_a_file_is_not_asked_again() -> None:
    tick = 'name="new_account" value="yes"'
    async with await signed_in("finance") as visitor:
        for ticked in (True, False):
            fields = {"form_id": str(uuid.uuid4())} | ({"new_account": "yes"} if ticked else {})
            answer = await submit_to_bank(visitor, "/en/finance/bank/uploads", file=CAMT, **fields)
            page = (await visitor.get(answer.headers["location"])).text
            assert (f"{tick} checked" in page, "Not known as ours" in page) == (ticked, not ticked)


async def test_the_account_that_subscribers_are_paid_from_is_known_as_ours() -> None:
    with payees.paying(PAYOUT_IBAN=f"{IBAN[:4]} {IBAN[4:]}"):
        async with await signed_in("finance") as visitor:
            answer = await submit_to_bank(visitor, "/en/finance/bank/uploads", file=CAMT, form_id=str(uuid.uuid4()))
            path = answer.headers["location"]
            page = (await visitor.get(path)).text
            assert "Not known as ours" not in page
            assert 'name="new_account"' not in page
            assert (await submit_to_bank(visitor, f"{path}/import")).status_code == 303
            assert await balance(BANK) == 110_895


async def test_a_csv_of_a_new_account_without_balances_says_what_it_held_and_no_statement_is_of_tomorrow() -> None:
    async with await signed_in("finance") as visitor:
        path = (
            await submit_to_bank(visitor, "/en/finance/bank/uploads", file=CSV.encode(), form_id=str(uuid.uuid4()))
        ).headers["location"]
        columns = {"booked": "Date", "words": "Libellé", "debit": "Débit", "credit": "Crédit", "days": "day first"}
        await submit_to_bank(visitor, f"{path}/columns", iban=IBAN, **columns)
        assert "What the account held before the first line" in (await visitor.get(path)).text
        assert (await submit_to_bank(visitor, f"{path}/import", opening="1000", new_account="yes")).status_code == 303
        assert await balance(BANK) == 110_895
        ahead = Statement([Entry(5, "Z", day=dt.date(2099, 1, 2))], day=dt.date(2099, 1, 2), name="S9", opening=110_895)
        path = (
            await submit_to_bank(visitor, "/en/finance/bank/uploads", file=ahead.xml(), form_id=str(uuid.uuid4()))
        ).headers["location"]
        refused = await submit_to_bank(visitor, f"{path}/import")
        assert (refused.status_code, "closes in the future" in refused.text) == (422, True)
    person = (await fetch("SELECT id FROM person"))[0]["id"]
    with pytest.raises(Invalid, match="larger than"):
        await keep_upload(uuid.uuid4(), b"x" * 20_000_001, person)
    with clock.shifted(dt.timedelta(days=2)):
        await keep_upload(uuid.uuid4(), b"x", person)
    assert await fetch_value("SELECT count(*) FROM bank_upload") == 1, "what was not imported is dropped after a day"
