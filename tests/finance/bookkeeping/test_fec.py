"""The FEC's check: a good file has no fault, and each rule convicts the file that breaks it, and names the line."""

import datetime as dt

import pytest

from marketplace.finance.bookkeeping.exports.fec_rules import COLUMNS, check, file_name

FIRST, LAST = dt.date(2026, 1, 1), dt.date(2026, 12, 31)
NAME = "123456782FEC20261231.txt"
ROWS = [
    [
        "VT",
        "Ventes",
        "1",
        "20261124",
        "411000",
        "Clients",
        "P1",
        "Acheteur",
        "F-1",
        "20261124",
        "Vente",
        "1440,00",
        "0,00",
        "",
        "",
        "20261124",
        "",
        "",
    ],
    [
        "VT",
        "Ventes",
        "1",
        "20261124",
        "706000",
        "Licences",
        "",
        "",
        "F-1",
        "20261124",
        "Vente",
        "0,00",
        "1200,00",
        "",
        "",
        "20261124",
        "",
        "",
    ],
    [
        "VT",
        "Ventes",
        "1",
        "20261124",
        "445710",
        "TVA",
        "",
        "",
        "F-1",
        "20261124",
        "Vente",
        "0,00",
        "240,00",
        "",
        "",
        "20261124",
        "",
        "",
    ],
    [
        "ST",
        "Stripe",
        "2",
        "20261125",
        "517000",
        "Stripe",
        "",
        "",
        "txn_1",
        "20261125",
        "Encaissement",
        "1440,00",
        "0,00",
        "",
        "",
        "20261126",
        "",
        "",
    ],
    [
        "ST",
        "Stripe",
        "2",
        "20261125",
        "411000",
        "Clients",
        "P1",
        "Acheteur",
        "txn_1",
        "20261125",
        "Encaissement",
        "0,00",
        "1440,00",
        "",
        "",
        "20261126",
        "",
        "",
    ],
]
PLACE = {column: place for place, column in enumerate(COLUMNS)}


def fec_file(rows: list[list[str]], *, header: str = "\t".join(COLUMNS), ending: str = "\r\n") -> list[bytes]:
    return [f"{line}{ending}".encode("iso-8859-15") for line in (header, *("\t".join(row) for row in rows))]


def faults(lines: list[bytes], name: str = NAME) -> list[tuple[int, str]]:
    return [(fault.line, fault.rule) for fault in check(name, lines, first_day=FIRST, last_day=LAST)]


def changed(line: int, **columns: str) -> list[list[str]]:
    """Return the good rows with some columns of one changed; `line` is the file's, the header being 1."""
    rows = [list(row) for row in ROWS]
    for column, value in columns.items():
        rows[line - 2][PLACE[column]] = value
    return rows


def test_a_good_file_has_no_fault() -> None:
    assert faults(fec_file(ROWS)) == []
    assert len(COLUMNS) == 18
    assert file_name("123456782", LAST) == NAME


@pytest.mark.parametrize(
    ("line", "columns", "rule"),
    [
        (3, {"Credit": "1199,99"}, "balance"),
        (2, {"Debit": "1440.00"}, "amount"),
        (2, {"Debit": "1 440,00"}, "amount"),
        (2, {"Debit": "1440,0"}, "amount"),
        (2, {"Debit": "-1440,00"}, "amount"),
        (2, {"Debit": ""}, "amount"),
        (2, {"Credit": "1440,00"}, "side"),
        (4, {"Credit": "0,00"}, "side"),
        (2, {"EcritureDate": "2026-11-24"}, "date"),
        (2, {"EcritureDate": "20261131"}, "date"),
        (2, {"PieceDate": "24112026"}, "date"),
        (2, {"ValidDate": "20261324"}, "date"),
        (5, {"EcritureDate": "20270101"}, "period"),
        (5, {"EcritureDate": "20251231"}, "period"),
        (2, {"EcritureDate": "20261123"}, "entry"),
        (2, {"JournalCode": "OD"}, "entry"),
        (2, {"CompteNum": "41"}, "account"),
        (2, {"CompteNum": "911000"}, "account"),
        (2, {"CompteNum": "4A1000"}, "account"),
        (2, {"CompAuxLib": ""}, "pair"),
        (2, {"EcritureLet": "AA"}, "pair"),
        (2, {"Montantdevise": "10,00"}, "pair"),
        (6, {"CompteLib": "Autres"}, "title"),
        (6, {"CompAuxLib": "Autre"}, "title"),
        (4, {"JournalLib": "Achats"}, "title"),
        (2, {"EcritureLib": "a|b"}, "characters"),
        (2, {"EcritureLib": " Vente"}, "characters"),
        (2, {"EcritureNum": "A1"}, "number"),
        (2, {"EcritureNum": "01"}, "number"),
    ],
)
def test_each_rule_convicts_and_names_the_line(line: int, columns: dict[str, str], rule: str) -> None:
    assert rule in {output for at, output in faults(fec_file(changed(line, **columns))) if at in (line, line + 1, 2, 0)}


@pytest.mark.parametrize(
    "column",
    [
        c
        for c in COLUMNS
        if c
        not in {"CompAuxNum", "CompAuxLib", "EcritureLet", "DateLet", "Montantdevise", "Idevise", "Debit", "Credit"}
    ],
)
def test_a_mandatory_column_must_not_be_empty(column: str) -> None:
    assert (5, "mandatory") in faults(fec_file(changed(5, **{column: ""})))


def test_an_unbalanced_entry_is_named_with_its_cents_and_so_is_the_file() -> None:
    found = check(NAME, fec_file(changed(3, Credit="1199,99")), first_day=FIRST, last_day=LAST)
    assert [(fault.line, fault.rule) for fault in found] == [(2, "balance"), (0, "balance")]
    assert "out of balance by 1 cents" in found[0].text
    two = changed(3, Credit="1199,99")
    two[3][PLACE["Debit"]] = "1439,99"  # the file as a whole adds up again; both entries do not
    assert faults(fec_file(two)) == [(2, "balance"), (5, "balance")]


def test_numbers_have_no_gap_and_entries_are_whole() -> None:
    gap = [list(row) for row in ROWS]
    for row in gap[3:]:
        row[PLACE["EcritureNum"]] = "3"
    assert faults(fec_file(gap)) == [(5, "number")]
    assert (2, "number") in faults(fec_file([[*row[:2], "2", *row[3:]] for row in ROWS[:3]]))
    torn = [ROWS[0], ROWS[3], ROWS[1], ROWS[2], ROWS[4]]
    assert (4, "number") in faults(fec_file(torn))


def test_entries_are_in_the_order_they_were_validated() -> None:
    rows = [list(row) for row in ROWS]
    for row in rows[3:]:
        row[PLACE["ValidDate"]] = "20261123"
    assert faults(fec_file(rows)) == [(5, "order")]


def test_the_header_the_columns_the_endings_and_the_name() -> None:
    assert (1, "columns") in faults(fec_file(ROWS, header="\t".join(reversed(COLUMNS))))
    assert (1, "columns") in faults(fec_file(ROWS, header="|".join(COLUMNS)))
    assert (3, "columns") in faults(fec_file([ROWS[0], ROWS[1][:-1], ROWS[2]]))
    assert (2, "columns") in faults(fec_file([[*ROWS[0], ""], *ROWS[1:]]))
    assert (1, "ending") in faults(fec_file(ROWS, ending="\n"))
    assert (0, "empty") in faults(fec_file([]))
    for wrong in ("FEC.txt", "123456782FEC20251231.txt", "12345678FEC20261231.txt", "123456782fec20261231.txt"):
        assert faults(fec_file(ROWS), wrong) == [(0, "name")]
