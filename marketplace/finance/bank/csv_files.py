"""Reading a bank's CSV: the columns and the formats of days and amounts are stored once for each account."""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import hashlib
import io
import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.errors import Invalid
from marketplace.finance.bank.camt import LARGEST_MINOR, Line, Statement, check_statement

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY_FORMS: Final = {"day first": "%d/%m/%Y", "year first": "%Y/%m/%d", "month first": "%m/%d/%Y"}
"""The formats of days; dots and dashes count as slashes."""
ENCODINGS: Final = ("utf-8-sig", "cp1252")
UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""The first bytes of a spreadsheet's “Unicode text”."""
MOST_ROWS: Final = 200_000


class Mapping(Struct, frozen=True):
    """The columns of a bank's CSV, by their headings; an empty one is missing.

    Amounts are signed in `amount`, or unsigned in `debit` and `credit`. `balance` is the account's after each row.
    """

    booked: str
    amount: str = ""
    debit: str = ""
    credit: str = ""
    value: str = ""
    words: str = ""
    name: str = ""
    reference: str = ""
    balance: str = ""
    days: str = "day first"


NO_STATEMENT: Final = "That is neither camt.053 nor a CSV with a heading over each column."
COLUMNS: Final = ("booked", "amount", "debit", "credit", "value", "words", "name", "reference", "balance")


class Table(Struct, frozen=True):
    """A parsed CSV: its headings, and its rows under them."""

    headings: list[str]
    rows: list[dict[str, str]]


def read_table(data: bytes) -> Table:
    """Return a file's headings and rows, separated by `,`, `;` or tabs; lines above the headings are skipped."""
    text = _decoded(data)
    separator = max(";\t,", key=text.count)
    lines = csv.reader(io.StringIO(text, newline=None), delimiter=separator)
    try:
        rows = [[cell.strip() for cell in row] for row in lines if any(row)]
    except csv.Error:  # a cell of more than 131,072 signs, or none of a text
        raise Invalid(NO_STATEMENT) from None
    widest = max((len(row) for row in rows), default=0)
    head = next((place for place, row in enumerate(rows) if len(row) == widest and all(row)), None)
    if head is None or widest < 2 or len(rows) > MOST_ROWS:  # noqa: PLR2004 (a day and an amount)
        raise Invalid(NO_STATEMENT)
    headings = rows[head]
    return Table(headings, [dict(zip(headings, row, strict=False)) for row in rows[head + 1 :] if len(row) > 1])


def _decoded(data: bytes) -> str:
    for encoding in ("utf-16",) if data.startswith(UTF16) else ENCODINGS:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Invalid(NO_STATEMENT)


def check_mapping(mapping: Mapping, headings: Sequence[str]) -> Mapping:
    """Return a mapping that fits these headings; refuse one that names others, or has no day or no amount."""
    unknown = [name for column in COLUMNS if (name := getattr(mapping, column)) and name not in headings]
    if unknown:
        raise Invalid("The file has no column {column}.", column=unknown[0][:60])
    if (
        not mapping.booked
        or not (mapping.amount or (mapping.debit and mapping.credit))
        or mapping.days not in DAY_FORMS
    ):
        raise Invalid(
            "Say which column is the day, and which the amount: one signed, or one each for debits and credits."
        )
    return mapping


def read_csv(data: bytes, mapping: Mapping, iban: str, opening_minor: int | None) -> Statement:
    """Return a CSV as the statement of an account.

    opening_minor: the account's earlier balance, in cents, if no column has balances. Rows may be in either order.
    """
    table = read_table(data)
    check_mapping(mapping, table.headings)
    rows = [row for row in table.rows if row.get(mapping.booked)]
    if not rows:
        raise Invalid("The file holds no statement.")
    days = [_day(row[mapping.booked], mapping) for row in rows]
    amounts = [_amount(row, mapping) for row in rows]
    if days[0] > days[-1] or (days[0] == days[-1] and _is_latest_first(rows, amounts, mapping)):
        rows, days, amounts = rows[::-1], days[::-1], amounts[::-1]
    if mapping.balance:
        opening = _cents(rows[0].get(mapping.balance, "")) - amounts[0]
        closing = _cents(rows[-1].get(mapping.balance, ""))
    elif opening_minor is not None:
        opening, closing = opening_minor, opening_minor + sum(amounts)
    else:
        raise Invalid("The file has no balances: say what the account held before its first line.")
    lines: list[Line] = []
    seen: dict[str, int] = {}
    for row, day, amount in zip(rows, days, amounts, strict=True):
        words, name = row.get(mapping.words, ""), row.get(mapping.name, "")
        given = (
            row.get(mapping.reference, "") or hashlib.sha256(f"{day}|{amount}|{words}|{name}".encode()).hexdigest()[:20]
        )
        seen[given] = seen.get(given, 0) + 1
        reference = given if seen[given] == 1 else f"{given}#{seen[given]}"
        value = _day(row[mapping.value], mapping) if row.get(mapping.value) else day
        if amount:
            lines.append(Line(reference, day, value, amount, counterparty=name, remittance=words))
    digest = hashlib.sha256(data).hexdigest()[:16]
    name = f"CSV {days[0]} – {max(days)}"
    return check_statement(Statement(f"CSV {digest}", name, iban, None, min(days), max(days), opening, closing, lines))


def _is_latest_first(rows: list[dict[str, str]], amounts: list[int], mapping: Mapping) -> bool:
    """Return whether rows of one day follow each other from the last to the first, by their balances."""
    if not mapping.balance:
        return False
    first, last = (_cents(row.get(mapping.balance, "")) for row in (rows[0], rows[-1]))
    return first - amounts[0] + sum(amounts) != last


def _day(text: str, mapping: Mapping) -> dt.date:
    form = DAY_FORMS[mapping.days]
    plain = re.sub(r"[.\-]", "/", text.split(" ", maxsplit=1)[0].split("T", maxsplit=1)[0])
    for pattern in (form, form.replace("%Y", "%y")):
        try:
            return dt.datetime.strptime(plain, pattern).date()  # noqa: DTZ007 (a day, without an hour)
        except ValueError:
            continue
    raise Invalid("In the statement {name}, “{text}” is not a day.", name="CSV", text=text[:40])


def _amount(row: dict[str, str], mapping: Mapping) -> int:
    if mapping.amount:
        return _cents(row.get(mapping.amount, ""))
    debit, credit = row.get(mapping.debit, ""), row.get(mapping.credit, "")
    return (_cents(credit) if credit else 0) - (abs(_cents(debit)) if debit else 0)


def _cents(text: str) -> int:
    """Read an amount as people write it: 1 234,56 and 1,234.56, with a sign before or after."""
    plain = re.sub(r"[\s\u00a0\u202f'’]|EUR|€", "", text)
    sign = -1 if plain.startswith(("-", "−", "(")) or plain.endswith("-") else 1
    plain = plain.strip("-−+()")
    found = re.fullmatch(r"((?:\d{1,3}(?:[.,]\d{3})+|\d+))(?:[.,](\d{1,2}))?", plain)
    if not found:
        raise Invalid("In the statement {name}, “{text}” is not an amount in whole cents.", name="CSV", text=text[:40])
    cents = int(re.sub(r"[.,]", "", found[1])) * 100 + int((found[2] or "0").ljust(2, "0"))
    if cents >= LARGEST_MINOR:
        raise Invalid("In the statement {name}, “{text}” is not an amount in whole cents.", name="CSV", text=text[:40])
    return sign * cents
