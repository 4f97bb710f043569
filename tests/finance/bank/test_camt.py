"""Reading a bank's file: both versions alike, to the cent, and every bad file refused in one sentence."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.core.errors import Invalid
from marketplace.finance.bank.camt import read_statements
from tests.finance.builders.statements import DAY, IBAN, Entry, Statement


@pytest.mark.parametrize("version", ["02", "08"])
def test_both_versions_say_the_same(version: str) -> None:
    given = Statement(
        [
            Entry(11_795, "B1", "STRIPE po_1", "Stripe Payments Europe", "po_1"),
            Entry(-1_250, "B2", "", parts=((-1_000, "PTP1"), (-250, "PTP2")), batch="PTB9"),
            Entry(-300, "B3", "Frais", status="PDNG"),
            Entry(1_000, "", "Retour", "Zoé & Cie", "PTP1", return_reason="AC04"),
        ],
        opening=5_000,
        sequence=7,
    )
    [read] = read_statements(given.xml(version))
    assert (read.message_id, read.statement_id, read.iban, read.sequence) == ("M1", "S1", IBAN, 7)
    assert (read.opened_on, read.closed_on, read.opening_minor, read.closing_minor) == (DAY, DAY, 5_000, 16_545)
    assert [(line.reference, line.amount_minor, line.end_to_end_id) for line in read.lines] == [
        ("B1", 11_795, "po_1"),
        ("B2/1", -1_000, "PTP1"),
        ("B2/2", -250, "PTP2"),
        ("S1/4", 1_000, "PTP1"),
    ]
    first, part, _, again = read.lines
    assert (first.counterparty, first.remittance, first.code) == (
        "Stripe Payments Europe",
        "STRIPE po_1",
        "PMNT/RCDT/ESCT",
    )
    assert part.batch_id == "PTB9"
    assert (again.counterparty, again.return_reason, again.booked_on) == ("Zoé & Cie", "AC04", DAY)


def test_a_batch_whose_parts_say_too_little_stays_one_line() -> None:
    given = Statement([Entry(-1_250, "B2", parts=((-1_000, "PTP1"), (-200, "PTP2")), batch="PTB9")])
    [line] = read_statements(given.xml("08"))[0].lines
    assert (line.reference, line.amount_minor, line.batch_id) == ("B2", -1_250, "PTB9")


def test_lines_of_one_reference_are_told_apart() -> None:
    [read] = read_statements(Statement([Entry(5, "X"), Entry(5, "X"), Entry(6, "X")]).xml())
    assert [line.reference for line in read.lines] == ["X", "X#2", "X#3"]


GOOD = Statement([Entry(700, "B1", "x")], opening=100).xml().decode()
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
BAD = {
    "empty": (b"", "well-formed"),
    "no XML": (b"IBAN;amount\n1;2", "well-formed"),
    "cut": (GOOD[: len(GOOD) // 2].encode(), "well-formed"),
    "entities": (GOOD.replace("?><", f"?>{BOMB}<", 1).replace("<Ustrd>x", "<Ustrd>&b;").encode(), "document type"),
    "a file of this machine": (
        GOOD.replace("?><", '?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]><', 1)
        .replace("<Ustrd>x", "<Ustrd>&f;")
        .encode(),
        "document type",
    ),
    "another version": (GOOD.replace("001.02", "001.01").encode(), "not a camt.053 bank statement"),
    "a notification": (GOOD.replace("camt.053.001.02", "camt.054.001.08").encode(), "not a camt.053 bank statement"),
    "a day that cannot be": (
        GOOD.replace("<BookgDt><Dt>2026-10-05", "<BookgDt><Dt>2062-10-05").encode(),
        "cannot be of it",
    ),
    "a value years before": (
        GOOD.replace("<ValDt><Dt>2026-10-05", "<ValDt><Dt>1970-01-01").encode(),
        "cannot be of it",
    ),
    "another century": (GOOD.replace("2026-10-05", "1926-10-05").encode(), "cannot be of it"),
    "another message": (GOOD.replace("camt.053.001.02", "camt.052.001.02").encode(), "not a camt.053 bank statement"),
    "no statement": (GOOD.replace("<Stmt>", "<Other>").replace("</Stmt>", "</Other>").encode(), "no statement"),
    "no message number": (GOOD.replace("<MsgId>M1</MsgId>", "").encode(), "message number"),
    "no account": (GOOD.replace(IBAN, "12").encode(), "IBAN"),
    "one cent less": (GOOD.replace('EUR">7.00', 'EUR">6.99').encode(), "opens at 1.00 EUR, its entries make 6.99 EUR"),
    "thousandths": (GOOD.replace('EUR">7.00', 'EUR">7.001').encode(), "whole cents"),
    "no number": (GOOD.replace('EUR">7.00', 'EUR">seven').encode(), "whole cents"),
    "infinite": (GOOD.replace('EUR">7.00', 'EUR">Infinity').encode(), "whole cents"),
    "dollars": (GOOD.replace('Ccy="EUR">7.00', 'Ccy="USD">7.00').encode(), "euros"),
    "no direction": (GOOD.replace("<Ntry><Amt", "<Ntry><CdtDbtInd>?</CdtDbtInd><Amt").encode(), "credit or a debit"),
    "no opening": (GOOD.replace("OPBD", "ITAV").encode(), "no balance OPBD"),
    "no closing": (GOOD.replace("CLBD", "ITAV").encode(), "no balance CLBD"),
    "no day": (GOOD.replace("<BookgDt><Dt>2026-10-05", "<BookgDt><Dt>soon").encode(), "not a day"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_one_sentence(name: str) -> None:
    data, words = BAD[name]
    with pytest.raises(Invalid, match=words) as refusal:
        read_statements(data)
    assert str(refusal.value).count(". ") == 0
    assert len(str(refusal.value)) < 250


def test_a_day_with_an_hour_is_the_day_in_paris() -> None:
    late = GOOD.replace("<BookgDt><Dt>2026-10-05</Dt>", "<BookgDt><DtTm>2026-10-04T22:30:00Z</DtTm>")
    assert read_statements(late.encode())[0].lines[0].booked_on == dt.date(2026, 10, 5)


@given(
    st.lists(st.integers(-(10**12), 10**12).filter(bool), max_size=12),
    st.integers(-(10**12), 10**12),
    st.sampled_from(["02", "08"]),
)
def test_any_amounts_are_read_to_the_cent(amounts: list[int], opening: int, version: str) -> None:
    [read] = read_statements(Statement([Entry(amount) for amount in amounts], opening=opening).xml(version))
    assert [line.amount_minor for line in read.lines] == amounts
    assert read.opening_minor == opening
    assert read.closing_minor == opening + sum(amounts)


@pytest.mark.parametrize("version", ["03", "04", "06", "10", "12", "13"])
def test_every_version_in_use_is_read_alike(version: str) -> None:
    later = Statement([Entry(700, "B1", "x", "Zoé", "E1")], opening=100).xml("08")
    [read] = read_statements(later.replace(b"camt.053.001.08", f"camt.053.001.{version}".encode()))
    [line] = read.lines
    assert (line.amount_minor, line.counterparty, line.end_to_end_id, read.closing_minor) == (700, "Zoé", "E1", 800)


def test_a_transaction_in_another_currency_and_the_documents_it_pays_are_read() -> None:
    foreign = '<AmtDtls><InstdAmt><Amt Ccy="USD">7.90</Amt></InstdAmt></AmtDtls>'
    document = "<RmtInf><Strd><RfrdDocInf><Nb>F-2026-000042</Nb></RfrdDocInf></Strd></RmtInf>"
    plain = Statement([Entry(700, "B1")], opening=100).xml("08").decode()
    for amount in ('<Amt Ccy="USD">7.90</Amt>', foreign):
        data = plain.replace("</Refs>", f"</Refs>{amount}{document}").encode()
        [line] = read_statements(data)[0].lines
        assert (line.amount_minor, line.remittance) == (700, "F-2026-000042 USD 7.90")
