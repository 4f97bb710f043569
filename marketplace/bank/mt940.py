"""Reading a bank's statement in SWIFT's MT940, as banks still hand it out, to the same lines as camt.053.

Fields are known by their tags: 25 account, 28C number, 60F and 62F balances, 61 movement, 86 what the bank says of it.
Source: SWIFT MT940, and the ways in which banks write field 86: `?20`…, `/EREF/`…, `EREF+`….
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from typing import Final

from marketplace.bank.camt import IBAN, LARGEST_MINOR, Line, Statement, check_statement
from marketplace.errors import Invalid
from pricing.money import EUR

FIELD: Final = re.compile(r"^:(\d{2}[A-Z]?):", re.MULTILINE)
MOVEMENT: Final = re.compile(
    r"(?P<value>\d{6})(?P<booked>\d{4})?(?P<mark>R?[CD])[A-Z]?(?P<amount>\d{1,12},\d{0,2})[A-Z](?P<code>[A-Z0-9]{3})"
    r"(?P<ours>[^\n/]*(?:/(?!/)[^\n/]*)*)(?://(?P<bank>[^\n]*))?"
)
BALANCE: Final = re.compile(r"(?P<mark>[CD])(?P<day>\d{6})(?P<currency>[A-Z]{3})(?P<amount>\d{1,12},\d{0,2})")
WORDS: Final = re.compile(r"(?:/(?P<slash>[A-Z]{3,4})/|(?P<plus>[A-Z]{4})\+|\?(?P<number>\d{2}))")
NAMES: Final = {"32", "33", "NAME", "BENM", "ORDP"}
END_TO_END: Final = "EREF"
NOT_GIVEN: Final = {"", "NONREF", "NOTPROVIDED"}
A_CENTURY: Final = 2000


def is_mt940(data: bytes) -> bool:
    """Return whether a file looks like an MT940: it has a reference and an opening balance."""
    return b":20:" in data and (b":60F:" in data or b":60M:" in data)


def read_mt940(data: bytes) -> list[Statement]:
    """Return the file's statements in its order; refuse, in a sentence, a file that is not wholly right."""
    text = data.decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    found: list[list[tuple[str, str]]] = []
    tags = list(FIELD.finditer(text))
    for place, tag in enumerate(tags):
        ends = tags[place + 1].start() if place + 1 < len(tags) else len(text)
        content = re.split(r"\n-\}?", text[tag.end() : ends])[0].strip("\n ")
        if tag[1] == "20":
            found.append([])
        if found:
            found[-1].append((tag[1], content))
    digest = hashlib.sha256(data).hexdigest()[:16]
    return [_statement(fields, digest, place) for place, fields in enumerate(found, 1)]


def _statement(fields: list[tuple[str, str]], digest: str, place: int) -> Statement:
    first = dict(reversed(fields))
    number = first.get("28C", first.get("28", str(place)))
    name = f"{first['20']} {number}"[:70]
    found = re.search(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}", first.get("25", "").replace(" ", "").upper())
    if not found or not IBAN.fullmatch(found[0]):
        raise Invalid("The statement {name} names no account by its IBAN.", name=name)
    opened_on, opening = _balance(first.get("60F") or first.get("60M") or "", name, "60F")
    closed_on, closing = _balance(first.get("62F") or first.get("62M") or "", name, "62F")
    lines = [
        _line(content, fields[at + 1][1] if fields[at + 1 : at + 2] and fields[at + 1][0] == "86" else "", name, order)
        for order, (at, content) in enumerate(
            ((at, content) for at, (tag, content) in enumerate(fields) if tag == "61"), 1
        )
    ]
    sequence = number.split("/")[0]
    return check_statement(
        Statement(
            f"MT940 {digest}",
            name,
            found[0],
            int(sequence) if sequence.isascii() and sequence.isdigit() else None,
            opened_on,
            closed_on,
            opening,
            closing,
            lines,
        )
    )


def _line(movement: str, words: str, name: str, order: int) -> Line:
    found = MOVEMENT.match(movement)
    if not found:
        raise Invalid("In the statement {name}, “{text}” is not a movement.", name=name, text=movement[:40])
    value = _day(found["value"], name)
    booked = _booked(value, found["booked"], name)
    cents = _cents(found["amount"], name)
    parts = _marked_parts(words)
    bank = (found["bank"] or "").strip()
    counterparty = " ".join(parts[key] for key in ("NAME", "BENM", "ORDP", "32", "33") if parts.get(key))
    remittance = " ".join(parts[key] for key in parts if key not in (*NAMES, END_TO_END)) or " ".join(words.split())
    ours = found["ours"].strip()
    return Line(
        bank if bank.upper() not in NOT_GIVEN else f"{name}/{order}",
        booked,
        value,
        cents if found["mark"] in ("C", "RD") else -cents,
        end_to_end_id=parts.get(END_TO_END, "") or ("" if ours.upper() in NOT_GIVEN else ours),
        counterparty=counterparty.strip(),
        remittance=remittance.strip(),
        code=found["code"],
    )


def _marked_parts(words: str) -> dict[str, str]:
    """Return the parts of field 86 by their mark; parts of one mark follow each other."""
    text = words.replace("\n", "")
    marks = list(WORDS.finditer(text))
    parts: dict[str, str] = {}
    for place, mark in enumerate(marks):
        key = mark["slash"] or mark["plus"] or mark["number"]
        ends = marks[place + 1].start() if place + 1 < len(marks) else len(text)
        if not re.fullmatch(r"[013]\d|6\d", key) or key in NAMES:
            parts[key] = f"{parts.get(key, '')}{text[mark.end() : ends]}".strip(" /")
    return parts


def _balance(text: str, name: str, tag: str) -> tuple[dt.date, int]:
    found = BALANCE.match(text)
    if not found:
        raise Invalid("The statement {name} has no balance {code}.", name=name, code=tag)
    if found["currency"] != EUR:
        raise Invalid("The statement {name} is not in euros throughout; the books are.", name=name)
    cents = _cents(found["amount"], name)
    return _day(found["day"], name), cents if found["mark"] == "C" else -cents


def _cents(text: str, name: str) -> int:
    whole, _, part = text.partition(",")
    cents = int(whole) * 100 + int(part.ljust(2, "0"))
    if cents >= LARGEST_MINOR:
        raise Invalid("In the statement {name}, “{text}” is not an amount in whole cents.", name=name, text=text)
    return cents


def _day(text: str, name: str) -> dt.date:
    try:
        return dt.date(A_CENTURY + int(text[:2]), int(text[2:4]), int(text[4:6]))
    except ValueError:
        raise Invalid("In the statement {name}, “{text}” is not a day.", name=name, text=text) from None


def _booked(value: dt.date, text: str | None, name: str) -> dt.date:
    """Return the day of booking, which is written without its year: the one nearest to the day of value."""
    if not text:
        return value
    years = (value.year - 1, value.year, value.year + 1)
    days = [_day(f"{year - A_CENTURY:02d}{text}", name) for year in years if text != "0229" or year % 4 == 0]
    if not days:
        raise Invalid("In the statement {name}, “{text}” is not a day.", name=name, text=text)
    return min(days, key=lambda day: abs(day - value))
