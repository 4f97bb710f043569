"""The FEC, the file of accounting entries that French tax inspectors ask for: its columns, its name, and a check of every rule.

The check knows nothing of what writes the file: it reads lines, one entry at a time, whatever their number.
Source: French book of tax procedures, article A. 47 A-1.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

COLUMNS: Final = (
    "JournalCode",
    "JournalLib",
    "EcritureNum",
    "EcritureDate",
    "CompteNum",
    "CompteLib",
    "CompAuxNum",
    "CompAuxLib",
    "PieceRef",
    "PieceDate",
    "EcritureLib",
    "Debit",
    "Credit",
    "EcritureLet",
    "DateLet",
    "ValidDate",
    "Montantdevise",
    "Idevise",
)
MAY_BE_EMPTY: Final = frozenset({"CompAuxNum", "CompAuxLib", "EcritureLet", "DateLet", "Montantdevise", "Idevise"})
DATES: Final = ("EcritureDate", "PieceDate", "DateLet", "ValidDate")
PAIRS: Final = (("CompAuxNum", "CompAuxLib"), ("EcritureLet", "DateLet"), ("Montantdevise", "Idevise"))
NAMES: Final = (("JournalCode", "JournalLib"), ("CompteNum", "CompteLib"), ("CompAuxNum", "CompAuxLib"))
SAME_IN_AN_ENTRY: Final = ("JournalCode", "EcritureDate", "ValidDate")
ENCODING: Final = "iso-8859-15"
FILE_NAME = re.compile(r"(\d{9})FEC(\d{8})\.txt")
AMOUNT = re.compile(r"(0|[1-9]\d*),\d{2}")
ACCOUNT = re.compile(r"[1-8]\d{2}[0-9A-Z]*")
STRAY = re.compile(r"[\x00-\x1f\x7f-\x9f|]")
NUMBER = re.compile(r"[1-9]\d*")
ENOUGH_FAULTS = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and in which line, the header being 1; 0 for the file as a whole."""

    line: int
    rule: str
    text: str


@dataclass
class _Reading:
    """What has been read so far."""

    first_day: str
    last_day: str
    faults: list[Fault] = field(default_factory=list)
    number: int = 0
    """Of the entry being read; 0 before the first."""
    began: int = 0
    balance: int = 0
    shared: tuple[str, ...] = ()
    valid_date: str = ""
    debits: int = 0
    credits: int = 0
    names: dict[tuple[str, str], str] = field(default_factory=dict)

    def report(self, line: int, rule: str, text: str) -> None:
        if len(self.faults) < ENOUGH_FAULTS:
            self.faults.append(Fault(line, rule, text))


def file_name(siren: str, last_day: dt.date) -> str:
    """Return the only name the file may have: the company, and the day its year is closed."""
    return f"{siren}FEC{last_day:%Y%m%d}.txt"


def check(name: str, lines: Iterable[bytes], *, first_day: dt.date, last_day: dt.date) -> list[Fault]:
    """Return what is wrong with a FEC, a hundred faults at most; empty when nothing is.

    name: the file's; first_day and last_day: of the year that it covers, both included.
    """
    reading = _Reading(f"{first_day:%Y%m%d}", f"{last_day:%Y%m%d}")
    named = FILE_NAME.fullmatch(name)
    if not named or named[2] != reading.last_day:
        reading.report(0, "name", f"the name must be SIREN, FEC and {reading.last_day}: {name}")
    place = 0
    for place, raw in enumerate(lines, 1):
        if not raw.endswith(b"\r\n"):
            reading.report(place, "ending", "a line must end in CR LF")
        text = raw.rstrip(b"\r\n").decode(ENCODING)
        if place == 1:
            if text.split("\t") != list(COLUMNS):
                reading.report(1, "columns", "the header must be the eighteen columns in order, with tabs between")
        else:
            _read_line(reading, place, text)
    _end_entry(reading)
    if place < 2:  # noqa: PLR2004 (a header and a line)
        reading.report(0, "empty", "the file has no entry")
    if reading.debits != reading.credits:
        reading.report(0, "balance", f"debits are {reading.debits} cents and credits {reading.credits}")
    return reading.faults


def _read_line(reading: _Reading, place: int, text: str) -> None:
    values = text.split("\t")
    if len(values) != len(COLUMNS):
        reading.report(place, "columns", f"{len(values)} columns in place of {len(COLUMNS)}")
        return
    row = dict(zip(COLUMNS, values, strict=True))
    _read_fields(reading, place, row)
    _read_number(reading, place, row)
    amounts = [_cents(reading, place, column, row[column]) for column in ("Debit", "Credit")]
    if None in amounts:
        return
    debit, credit = (amount or 0 for amount in amounts)
    if (debit == 0) == (credit == 0):
        reading.report(place, "side", "a line is a debit or a credit, and not nothing")
    reading.balance += debit - credit
    reading.debits += debit
    reading.credits += credit


def _read_fields(reading: _Reading, place: int, row: dict[str, str]) -> None:
    for column, value in row.items():
        if column not in MAY_BE_EMPTY and (not value or value.isspace()):
            reading.report(place, "mandatory", f"{column} is empty")
        if value and (value[0] == " " or value[-1] == " " or STRAY.search(value)):
            reading.report(place, "characters", f"{column} has spaces around it or a control character")
    _read_meanings(reading, place, row)


def _read_meanings(reading: _Reading, place: int, row: dict[str, str]) -> None:
    for column in DATES:
        if row[column] and not _is_day(row[column]):
            reading.report(place, "date", f"{column} is not a day as YYYYMMDD: {row[column]}")
    if not reading.first_day <= row["EcritureDate"] <= reading.last_day:
        reading.report(place, "period", f"EcritureDate {row['EcritureDate']} is outside the year")
    if not ACCOUNT.fullmatch(row["CompteNum"]):
        reading.report(place, "account", f"CompteNum must begin with three digits of the chart: {row['CompteNum']}")
    for one, other in PAIRS:
        if bool(row[one]) != bool(row[other]):
            reading.report(place, "pair", f"{one} and {other} go together")
    for code, title in NAMES:
        if row[code] and reading.names.setdefault((code, row[code]), row[title]) != row[title]:
            reading.report(place, "title", f"{code} {row[code]} has two titles")


def _read_number(reading: _Reading, place: int, row: dict[str, str]) -> None:
    """Follow the entries: numbered 1, 2, 3, … in the order they were validated, each whole before the next."""
    number = row["EcritureNum"]
    if not NUMBER.fullmatch(number):
        reading.report(place, "number", f"EcritureNum is not a number: {number}")
        return
    shared = tuple(row[column] for column in SAME_IN_AN_ENTRY)
    if int(number) == reading.number:
        if shared != reading.shared:
            reading.report(place, "entry", f"entry {number} has two journals or two dates")
        return
    _end_entry(reading)
    if int(number) != reading.number + 1:
        reading.report(place, "number", f"entry {number} follows entry {reading.number}")
    if row["ValidDate"] < reading.valid_date:
        reading.report(place, "order", f"entry {number} was validated before the one above it")
    reading.number, reading.began, reading.balance = int(number), place, 0
    reading.shared, reading.valid_date = shared, max(row["ValidDate"], reading.valid_date)


def _end_entry(reading: _Reading) -> None:
    if reading.number and reading.balance:
        reading.report(reading.began, "balance", f"entry {reading.number} is out of balance by {reading.balance} cents")


def _cents(reading: _Reading, place: int, column: str, text: str) -> int | None:
    if not AMOUNT.fullmatch(text):
        reading.report(place, "amount", f"{column} is not an amount such as 1234,56: {text}")
        return None
    return int(text.replace(",", ""))


@functools.lru_cache(maxsize=10_000)
def _is_day(text: str) -> bool:
    """Return whether a text is a day; a year has few, and each is asked for in every line."""
    try:
        return bool(re.fullmatch(r"\d{8}", text)) and bool(dt.date.fromisoformat(text))
    except ValueError:
        return False
