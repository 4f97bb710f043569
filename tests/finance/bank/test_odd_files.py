"""Odd files of a bank: each is read to the cent with nothing lost, or refused whole in one sentence that says what is odd."""

import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from marketplace.core.errors import Invalid, Refusal
from marketplace.finance.bank.actions import import_bank_statement
from marketplace.finance.bank.camt import MOST_WORDS, Line, is_notice, is_xml, read_file, read_notices, read_statements
from marketplace.finance.bank.csv_files import read_table
from marketplace.finance.bank.notices import import_notices
from marketplace.finance.bank.queries import list_gaps
from marketplace.money.ledger.chart import BANK
from marketplace.money.ledger.queries import balance
from tests.finance.builders.pages import signed_in, submit_to_bank
from tests.finance.builders.statements import IBAN, Entry, Statement, announces
from tests.people.builders import page_text
from tests.support.reads import fetch_value

THEIRS = "DE89370400440532013000"
WHOLE = Statement([Entry(700, "B1", "x", "Zoé")], opening=100).xml("08").decode()
DECLARED = '<?xml version="1.0" encoding="UTF-8"?>'


def only(text: str | bytes) -> Line:
    """Return the one line of a file of one statement."""
    [line] = read_statements(text if isinstance(text, bytes) else text.encode())[0].lines
    return line


# ------------------------------------------------------------------ how it is written
WRITTEN: dict[str, Callable[[str], bytes]] = {
    "with a byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "after an empty line": lambda text: b"\r\n " + text.encode(),
    "in UTF-16": lambda text: text.replace("UTF-8", "UTF-16").encode("utf-16"),
    "in UTF-16 of the other order": lambda text: b"\xfe\xff" + text.replace("UTF-8", "UTF-16").encode("utf-16-be"),
    "in Windows' letters": lambda text: text.replace("UTF-8", "windows-1252").encode("cp1252"),
    "with a prefix": lambda text: re.sub(r"<(/?)(?=[A-Z])", r"<\1ns2:", text).replace("xmlns=", "xmlns:ns2=").encode(),
    "with comments": lambda text: text.replace("Zoé", "Zo<!-- :20: :60F: camt.054 -->é").encode(),
    "with a section of characters": lambda text: text.replace("Zoé", "<![CDATA[Zoé]]>").encode(),
    "with what the bank adds": lambda text: text.replace(
        "</Ntry>", '</Ntry><b:Ntry xmlns:b="urn:bank"><b:Amt>9</b:Amt></b:Ntry>'
    ).encode(),
    "with words of the other formats": lambda text: (
        text.replace("Zoé", "Zoé").replace("<Ustrd>x", "<Ustrd>:20: :60F: camt.054.001.08<"[:-1]).encode()
    ),
}


@pytest.mark.parametrize("how", WRITTEN)
async def test_whichever_way_a_file_is_written_it_says_the_same(how: str) -> None:
    data = WRITTEN[how](WHOLE)
    assert is_xml(data)
    assert not is_notice(data)
    [read] = await read_file(data)
    [line] = read.lines
    assert (line.amount_minor, line.counterparty, read.closing_minor) == (700, "Zoé", 800)
    notice = WRITTEN[how](announces([Entry(700, "B1", "x", "Zoé")]).decode())
    assert is_notice(notice)
    assert [line.counterparty for line in read_notices(notice)[0].lines] == ["Zoé"]


def test_a_table_in_a_spreadsheets_own_letters_is_read() -> None:
    data = "Jour\tLibellé\tMontant\n05/10/2026\tFrais\t-12,50\n".encode("utf-16")
    assert not is_xml(data)
    assert read_table(data).rows == [{"Jour": "05/10/2026", "Libellé": "Frais", "Montant": "-12,50"}]


# ------------------------------------------------------------------ what entries are
def batch(*details: str, amount: int = -1_250) -> str:
    """Return a statement of one entry with these details, in groups as given."""
    text = Statement([Entry(amount, "B2")], opening=5_000).xml("08").decode()
    return re.sub(r"<NtryDtls>.*</NtryDtls>", lambda _: "".join(details), text)


def detail(minor: int, words: str, more: str = "") -> str:
    stated = f'<Amt Ccy="EUR">{minor / 100:.2f}</Amt>' if minor else ""
    return f"<TxDtls><Refs><EndToEndId>E-{words}</EndToEndId></Refs>{stated}{more}<RmtInf><Ustrd>{words}</Ustrd></RmtInf></TxDtls>"


def test_an_entry_of_several_batches_names_each_parts_own() -> None:
    groups = [
        f"<NtryDtls><Btch><PmtInfId>{name}</PmtInfId></Btch>{detail(minor, name)}</NtryDtls>"
        for name, minor in (("P1", 1_000), ("P2", 250))
    ]
    [read] = read_statements(batch(*groups).encode())
    assert [(line.reference, line.amount_minor, line.batch_id) for line in read.lines] == [
        ("B2/1", -1_000, "P1"),
        ("B2/2", -250, "P2"),
    ]


@pytest.mark.parametrize(
    ("second", "shown"),
    [(detail(0, "two"), "one · two"), (detail(200, "two"), "one · two"), (detail(250, "one"), "one")],
)
def test_a_batch_that_stays_one_line_keeps_the_words_of_its_parts(second: str, shown: str) -> None:
    line = only(batch(f"<NtryDtls>{detail(1_000, 'one')}{second}</NtryDtls>", amount=-1_251))
    assert (line.reference, line.amount_minor, line.remittance) == ("B2", -1_251, shown)
    assert line.end_to_end_id == ("" if "two" in shown else "E-one"), "what is the same in all of them"


def test_a_batch_of_very_many_words_is_cut() -> None:
    parts = "".join(detail(0, f"{number:0100d}") for number in range(200))
    line = only(batch(f"<NtryDtls>{parts}</NtryDtls>"))
    assert len(line.remittance) == MOST_WORDS + 1
    assert line.remittance.endswith("…")


def test_an_entry_without_details_says_what_it_says_itself() -> None:
    assert only(batch("<AddtlNtryInf>Frais de tenue</AddtlNtryInf>")).remittance == "Frais de tenue"
    line = only(batch("<NtryDtls><Btch><PmtInfId>P1</PmtInfId><NbOfTxs>9</NbOfTxs></Btch></NtryDtls>"))
    assert (line.amount_minor, line.batch_id) == (-1_250, "P1")
    assert only(batch("")).amount_minor == -1_250


def parties(debtor: str, creditor: str) -> str:
    return (
        "<RltdPties>"
        + "".join(
            f"<{side}><Pty><Nm>{name}</Nm></Pty></{side}><{side}Acct><Id><IBAN>{iban}</IBAN></Id></{side}Acct>"
            for side, name, iban in (
                ("Dbtr", "Nous" if debtor == IBAN else "Eux", debtor),
                ("Cdtr", "Nous" if creditor == IBAN else "Eux", creditor),
            )
        )
        + "</RltdPties>"
    )


@pytest.mark.parametrize("reversal", ["", "<RvslInd>true</RvslInd>", "<RvslInd>false</RvslInd>"])
@pytest.mark.parametrize("amount", [1_250, -1_250])
@pytest.mark.parametrize("of", [(IBAN, THEIRS), (THEIRS, IBAN), (f"{IBAN[:4]} {IBAN[4:]}", THEIRS)])
def test_who_is_on_the_other_side_of_what_is_reversed_is_never_ourselves(
    reversal: str, amount: int, of: tuple[str, str]
) -> None:
    text = batch(f"<NtryDtls>{detail(0, 'x', parties(*of))}</NtryDtls>", amount=amount)
    line = only(text.replace("</CdtDbtInd><Sts>", f"</CdtDbtInd>{reversal}<Sts>"))
    assert (line.amount_minor, line.counterparty_iban) == (amount, THEIRS), "the sign is the direction's alone"


def test_a_reversal_without_accounts_keeps_the_parties_of_its_first_way() -> None:
    names = "<RltdPties><Dbtr><Pty><Nm>Nous</Nm></Pty></Dbtr><Cdtr><Pty><Nm>Eux</Nm></Pty></Cdtr></RltdPties>"
    text = batch(f"<NtryDtls>{detail(0, 'x', names)}</NtryDtls>", amount=1_250)
    assert only(text.replace("</CdtDbtInd><Sts>", "</CdtDbtInd><RvslInd>true</RvslInd><Sts>")).counterparty == "Eux"


def test_what_is_pending_or_nothing_moves_nothing_and_a_part_may_go_the_other_way() -> None:
    pending = [Entry(900, f"N{status}", status=status) for status in ("PDNG", "INFO", "FUTR")]
    read = read_statements(Statement([*pending, Entry(0, "Z"), Entry(700, "B1")]).xml("08"))[0]
    assert [line.reference for line in read.lines] == ["B1"]
    returned = detail(50, "back", "<CdtDbtInd>CRDT</CdtDbtInd>")
    [read] = read_statements(batch(f"<NtryDtls>{detail(1_300, 'out')}{returned}</NtryDtls>").encode())
    assert [line.amount_minor for line in read.lines] == [-1_300, 50]


def test_parts_in_another_currency_are_entered_for_what_the_account_moved() -> None:
    dollars = [
        f'<TxDtls><Amt Ccy="USD">{usd}</Amt><AmtDtls><CntrValAmt><Amt Ccy="EUR">{eur}</Amt></CntrValAmt></AmtDtls></TxDtls>'
        for usd, eur in (("11.00", "10.00"), ("2.75", "2.50"))
    ]
    [read] = read_statements(batch(f"<NtryDtls>{''.join(dollars)}</NtryDtls>").encode())
    assert [(line.amount_minor, line.remittance) for line in read.lines] == [(-1_000, "USD 11.00"), (-250, "USD 2.75")]
    unstated = [one.replace('Ccy="EUR"', 'Ccy="GBP"') for one in dollars]
    assert only(batch(f"<NtryDtls>{''.join(unstated)}</NtryDtls>")).remittance == "USD 11.00 · USD 2.75"


def test_an_entry_without_its_day_is_of_its_value() -> None:
    line = only(re.sub(r"<BookgDt>.*?</BookgDt>", "", WHOLE))
    assert line.booked_on == line.value_on


# ------------------------------------------------------------------ balances and pages
def with_balances(*balances: tuple[str, int, str]) -> str:
    stated = "".join(
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{minor / 100:.2f}</Amt>'
        f"<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
        for code, minor, day in balances
    )
    return re.sub(r"<Bal>.*</Bal>", stated, WHOLE)


def test_of_several_days_balances_the_earliest_opens_and_the_latest_closes() -> None:
    days = [
        ("OPBD", 100, "2026-10-05"),
        ("CLBD", 150, "2026-10-05"),
        ("OPBD", 150, "2026-10-06"),
        ("CLBD", 800, "2026-10-06"),
    ]
    for order in (days, days[::-1]):
        [read] = read_statements(with_balances(*order).encode())
        assert (read.opening_minor, read.closing_minor) == (100, 800)


def statement_page(number: int, entries: list[Entry], opening: int, *, is_last: bool, place: str = "Stmt") -> bytes:
    """Return a page of a statement, which opens or closes with an interim balance where it is not the first or last."""
    statement = Statement(entries, opening=opening, message=f"M{number}")
    text = statement.xml("08").decode()
    text = text.replace("OPBD", "ITBD") if number > 1 else text
    text = text if is_last else text.replace("CLBD", "ITBD")
    stated = f"<PgNb>{number}</PgNb><LastPgInd>{str(is_last).lower()}</LastPgInd>"
    if place == "Stmt":
        return text.replace("</Id><CreDtTm>", f"</Id><StmtPgntn>{stated}</StmtPgntn><CreDtTm>", 1).encode()
    return text.replace("</GrpHdr>", f"<MsgPgntn>{stated}</MsgPgntn></GrpHdr>", 1).encode()


@pytest.mark.parametrize("place", ["Stmt", "Msg"])
async def test_the_pages_of_a_statement_are_imported_one_by_one_and_a_missing_one_is_found(place: str) -> None:
    unnamed = Entry(5, "")
    pages = [
        statement_page(1, [unnamed, Entry(700, "B1")], 100, is_last=False, place=place),
        statement_page(2, [unnamed, unnamed], 805, is_last=False, place=place),
        statement_page(3, [Entry(-15, "B3")], 815, is_last=True, place=place),
    ]
    for data in (pages[0], pages[2]):
        await import_bank_statement(data, person=None, new_account=True)
    assert [gap.missing_minor for gap in await list_gaps()] == [10]
    for data in pages:
        await import_bank_statement(data, person=None)
    assert await list_gaps() == []
    assert await balance(BANK) == 800
    assert await fetch_value("SELECT count(*) FROM bank_line") == 5, "alike on two pages, they are not each other"


def test_one_page_of_one_is_whole() -> None:
    paged = WHOLE.replace(
        "</Id><CreDtTm>", "</Id><StmtPgntn><PgNb>1</PgNb><LastPgInd>true</LastPgInd></StmtPgntn><CreDtTm>", 1
    )
    assert read_statements(paged.encode())[0].statement_id == "S1"
    assert len(read_statements(statement_page(2, [Entry(5, "B")], 7, is_last=True))[0].lines) == 1


# ------------------------------------------------------------------ refused
BOMB = "".join(f'<!ENTITY l{one} "{f"&l{one - 1};" * 10 if one else "lol"}">' for one in range(15))
HUGE = "9" * 300
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "no status": (WHOLE.replace("<Sts><Cd>BOOK</Cd></Sts>", ""), "does not say whether it is booked"),
    "a status of its own": (WHOLE.replace("BOOK", "DONE"), "does not say whether it is booked"),
    "no day at all": (re.sub(r"<(BookgDt|ValDt)>.*?</\1>", "", WHOLE), "has no day"),
    "a balance without a day": (WHOLE.replace("<Dt><Dt>2026-10-05</Dt></Dt></Bal>", "</Bal>", 1), "has no day"),
    "a day that is not": (WHOLE.replace("<BookgDt><Dt>2026-10-05", "<BookgDt><Dt>2026-02-30"), "is not a day"),
    "before the calendar": (WHOLE.replace("2026-10-05", "0001-01-01"), "cannot be of it"),
    "its last day": (WHOLE.replace("2026-10-05", "9999-12-31"), "cannot be of it"),
    "an instant before the calendar": (
        WHOLE.replace("<BookgDt><Dt>2026-10-05</Dt>", "<BookgDt><DtTm>0001-01-01T00:00:00+14:00</DtTm>"),
        "is not a day",
    ),
    "an amount below zero": (WHOLE.replace(">7.00<", ">-7.00<"), "whole cents"),
    "an amount with a comma": (WHOLE.replace(">7.00<", ">7,00<"), "whole cents"),
    "an amount of other digits": (WHOLE.replace(">7.00<", ">٧.٠٠<"), "whole cents"),
    "an endless amount": (WHOLE.replace(">7.00<", f">{HUGE}<"), "whole cents"),
    "an entry in dollars": (WHOLE.replace('Ccy="EUR">7.00', 'Ccy="USD">7.00'), "in euros"),
    "an endless reference": (WHOLE.replace(">B1<", f">{HUGE}<"), "more than 200 characters"),
    "an endless number": (WHOLE.replace("<Id>S1<", f"<Id>{HUGE}<"), "more than 200 characters"),
    "an endless message": (WHOLE.replace(">M1<", f">{HUGE}<"), "more than 200 characters"),
    "an endless order": (WHOLE.replace("NOTPROVIDED", HUGE), "more than 200 characters"),
    "a page without its own balances": (
        statement_page(1, [Entry(5, "B")], 7, is_last=False).replace(b"ITBD", b"CLAV"),
        "page 1 of several",
    ),
    "a page with the whole's balances": (
        statement_page(2, [Entry(5, "B")], 7, is_last=False)
        .replace(b"ITBD", b"OPBD", 1)
        .replace(b"ITBD", b"CLBD")
        .replace(b"0.12", b"9.12"),
        "page 2 of several",
    ),
    "entities in entities": (
        WHOLE.replace(DECLARED, f"{DECLARED}<!DOCTYPE x [{BOMB}]>").replace(">x<", ">&l14;<"),
        "well-formed|document type",
    ),
    "entities in an attribute": (
        WHOLE.replace(DECLARED, f"{DECLARED}<!DOCTYPE x [{BOMB}]>").replace("<Ustrd>", '<Ustrd a="&l14;">'),
        "well-formed|document type",
    ),
    "entities in UTF-16": (
        WHOLE.replace("UTF-8", "UTF-16")
        .replace("?>", f"?><!DOCTYPE x [{BOMB}]>", 1)
        .replace(">x<", ">&l14;<")
        .encode("utf-16"),
        "well-formed|document type",
    ),
    "a document type alone": (WHOLE.replace(DECLARED, f"{DECLARED}<!DOCTYPE Document>"), "document type"),
    "a document type elsewhere": (
        WHOLE.replace(DECLARED, f'{DECLARED}<!DOCTYPE Document SYSTEM "https://bank.example/camt.dtd">'),
        "document type",
    ),
    "what is in an envelope": (WHOLE.replace("<Document", "<Envelope><Document", 1) + "</Envelope>", "not a camt.053"),
    "letters that are none": (WHOLE.encode().replace(b"Zo\xc3\xa9", b"Zo\xe9"), "well-formed"),
    "a thousand levels": (WHOLE.replace(">x<", f">{'<a>' * 1_000}{'</a>' * 1_000}<"), "well-formed"),
    "pages of a day before": (WHOLE.replace("camt.053.001.08", "camt.052.001.08"), "not a camt.053"),
    "two pages beside each other": (WHOLE + WHOLE, "well-formed"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_an_odd_file_is_refused_whole_in_one_sentence(name: str) -> None:
    odd, words = REFUSED[name]
    begun = time.monotonic()
    with pytest.raises(Refusal, match=words) as refusal:
        await import_bank_statement(odd if isinstance(odd, bytes) else odd.encode(), person=None, new_account=True)
    assert time.monotonic() - begun < 5, "and at once"
    assert str(refusal.value).count(". ") == 0
    assert len(str(refusal.value)) < 250
    assert await fetch_value("SELECT count(*) FROM bank_account") == 0


def joined(*statements: Statement) -> bytes:
    """Return one file that has these statements."""
    found = [re.findall(r"<Stmt>.*</Stmt>", one.xml("08").decode())[0] for one in statements]
    return re.sub(r"<Stmt>.*</Stmt>", lambda _: "".join(found), WHOLE).encode()


async def test_of_a_file_with_one_bad_statement_nothing_is_imported_and_one_twice_in_it_is_there_once() -> None:
    good = Statement([Entry(700, "B1")], opening=100)
    for bad, error in (
        (Statement([Entry(5, "B2")], opening=800, closing=9, name="S2"), "does not add up"),
        (Statement([Entry(5, "B1")], opening=800, name="S2"), "another amount or day"),
        (Statement([Entry(5, "B2")], opening=800, name="S1"), "other figures"),
    ):
        with pytest.raises(Refusal, match=error):
            await import_bank_statement(joined(good, bad), person=None, new_account=True)
        assert await fetch_value("SELECT count(*) FROM bank_line") == 0
    imported = await import_bank_statement(joined(good, good), person=None, new_account=True)
    assert (imported.statements, imported.lines, imported.known) == (1, 1, 1)
    assert await balance(BANK) == 800
    later = Statement([Entry(5, "B2")], opening=900, name="S2", message="M2")
    await import_bank_statement(later.xml("08"), person=None)
    assert [(gap.statement_id, gap.missing_minor) for gap in await list_gaps()] == [("S2", 100)], "it does not follow"


async def test_a_notification_with_one_odd_movement_announces_nothing() -> None:
    await import_bank_statement(WHOLE.encode(), person=None, new_account=True)
    odd: dict[str, Any] = {
        "does not say whether": announces([Entry(5, "B5"), Entry(6, "B6", status="DONE")]),
        "has no day": re.sub(rb"<(BookgDt|ValDt)>.*?</\1>", b"", announces([Entry(5, "B5")])),
        "more than 200": announces([Entry(5, "B5"), Entry(6, HUGE)]),
        "cannot be of it": announces([Entry(5, "B5")]).replace(b"2026-10-05", b"1926-10-05"),
    }
    for words, data in odd.items():
        with pytest.raises(Invalid, match=words):
            await import_notices(read_notices(data), data, person=None)
        assert await fetch_value("SELECT count(*) FROM bank_notice") == 0, words


async def test_a_file_of_thirty_megabytes_is_refused_in_a_sentence_by_both_forms() -> None:
    large = WHOLE.replace(">x<", f">{'x' * 30_000_000}<").encode()
    async with await signed_in("finance") as visitor:
        for path in ("/en/finance/bank", "/en/finance/bank/uploads"):
            answer = await submit_to_bank(visitor, path, file=large, form_id=str(uuid.uuid4()))
            assert answer.status_code == 413
            assert "That is too large; at most 20 MB is accepted." in page_text(answer)
    assert await fetch_value("SELECT count(*) FROM bank_upload") == 0
