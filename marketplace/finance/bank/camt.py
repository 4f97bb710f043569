"""Reading a bank's statement (camt.053) or notification (camt.054), any version from .02 on: whole cents, no network.

A file is read whole or refused in one sentence: a statement that does not add up never becomes lines. Entities and
document types are not read. Source: ISO 20022 message definitions, bank-to-customer statement and debit-credit
notification.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from marketplace.core.errors import Cents, Invalid
from marketplace.core.web.formats import PARIS
from pricing.money import EUR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:camt.053.001."
NOTICE_NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:camt.054.001."
VERSIONS: Final = frozenset(f"{number:02d}" for number in range(2, 15))
"""The parts of a statement that are read are the same in all versions."""
YEARS: Final = range(2000, 3000)
BOOKED_WITHIN, VALUED_WITHIN = dt.timedelta(days=31), dt.timedelta(days=366)
IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}")
AMOUNT: Final = re.compile(r"\+?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})")
"""A decimal of XML Schema: no exponent, only these digits, and no sign except that of a number not below zero."""
AMOUNTS: Final = ("Amt", "AmtDtls/TxAmt/Amt", "AmtDtls/CntrValAmt/Amt")
"""The elements with a transaction's amount; the first in euros counts."""
OPENING, CLOSING, INTERIM = ("OPBD", "PRCD"), ("CLBD",), ("ITBD",)
BOOKED: Final = "BOOK"
STATUSES: Final = {BOOKED, "PDNG", "INFO", "FUTR"}
HEAD_BYTES: Final = 10_000
"""The message type must be within this many first bytes of a file."""
MOST_CHARACTERS: Final = 200
"""Of a number that the bank sets; the standard has 35."""
MOST_WORDS: Final = 10_000
"""The stored characters of the words of a batch that stays one line."""
NOT_GIVEN: Final = {"", "NOTPROVIDED", "NONREF", "NOTAVAILABLE"}
LARGEST_MINOR: Final = 10**15


@dataclass(frozen=True, slots=True)
class Line:
    """One movement: a booked entry, or one of its transactions where these add up to it."""

    reference: str
    booked_on: dt.date
    value_on: dt.date
    amount_minor: int
    """Positive: money came in."""
    end_to_end_id: str = ""
    batch_id: str = ""
    transaction_id: str = ""
    counterparty: str = ""
    counterparty_iban: str = ""
    remittance: str = ""
    code: str = ""
    return_reason: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """One account's statement, checked: its opening balance and its lines make its closing balance."""

    message_id: str
    statement_id: str
    iban: str
    sequence: int | None
    opened_on: dt.date
    closed_on: dt.date
    opening_minor: int
    closing_minor: int
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Notice:
    """A bank's announcement for one account before its statement: movements that it booked, without any balance."""

    message_id: str
    notice_id: str
    iban: str
    lines: list[Line]
    entries: list[str]
    """For each line the reference of its entry, which may be a single line on a statement."""


def _head(data: bytes) -> bytes:
    """Return the beginning of a file, in any encoding, without its byte order mark."""
    return data[:HEAD_BYTES].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \r\n\t")


def is_xml(data: bytes) -> bool:
    """Return whether a file begins like XML, in UTF-8 or UTF-16."""
    return _head(data).startswith(b"<")


def is_notice(data: bytes) -> bool:
    """Return whether a file is a notification (camt.054)."""
    return is_xml(data) and NOTICE_NAMESPACE.encode() in _head(data)


def read_notices(data: bytes) -> list[Notice]:
    """Return the file's notifications in its order; refuse, in a sentence, an invalid file."""
    root = _parse(data, NOTICE_NAMESPACE, "That is not a camt.054 notification: it says {what}.")
    message = _message(root, "BkToCstmrDbtCdtNtfctn")
    found = [_notice(element, message) for element in root.iterfind("BkToCstmrDbtCdtNtfctn/Ntfctn")]
    if not any(notice.lines for notice in found):
        raise Invalid("The file announces nothing that the bank has booked.")
    return found


def _notice(element: Any, message: str) -> Notice:  # noqa: ANN401 (an element of lxml)
    name, iban = _name_and_iban(element)
    if (page := _text(element, "NtfctnPgntn/PgNb")) not in ("", "1"):
        name = f"{name} p. {page}"[:MOST_CHARACTERS]
    read = [(line, entry) for entry, lines in _entries(element, name, iban) for line in lines]
    for line, _ in read:
        if abs(line.value_on - line.booked_on) > VALUED_WITHIN:
            raise Invalid("In the statement {name}, the day {day} cannot be of it.", name=name, day=line.booked_on)
    return Notice(message, name, iban, list(_unlike(line for line, _ in read)), [entry for _, entry in read])


async def read_file(data: bytes) -> list[Statement]:
    """Read a file's statements in a thread, because a month of sales takes seconds and other requests must not wait."""
    return await asyncio.to_thread(read_statements, data)


def read_statements(data: bytes) -> list[Statement]:
    """Return the file's statements in its order; refuse, in a sentence, an invalid file."""
    root = _parse(data, NAMESPACE, "That is not a camt.053 bank statement: it says {what}.")
    message = _message(root, "BkToCstmrStmt")
    found = [_statement(element, message, root) for element in root.iterfind("BkToCstmrStmt/Stmt")]
    if not found:
        raise Invalid("The file holds no statement.")
    return found


def _parse(data: bytes, namespace: str, refusal: str) -> Any:  # noqa: ANN401 (an element of lxml)
    """Return the root of a file of any version of a message, its names without their namespace."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data.lstrip(b" \r\n\t"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise Invalid("The file is not well-formed XML (line {line}).", line=line) from None
    if getattr(root.getroottree().docinfo, "doctype", ""):
        raise Invalid("The file declares a document type, which no bank statement does; it was not read.")
    space = etree.QName(root).namespace or ""
    if etree.QName(root).localname != "Document" or space not in {namespace + version for version in VERSIONS}:
        raise Invalid(refusal, what=space[-60:] or "–")
    for element in root.iter(f"{{{space}}}*"):  # a bank's additions in another namespace keep their names
        element.tag = etree.QName(element).localname
    return root


def _message(root: Any, body: str) -> str:  # noqa: ANN401
    """Return the number of a file's message."""
    message = _short(_text(root, f"{body}/GrpHdr/MsgId"))
    if not message:
        raise Invalid("The bank statement has no message number (MsgId).")
    return message


def _short(number: str) -> str:
    """Return a number that the bank sets; refuse one much longer than the standard's."""
    if len(number) > MOST_CHARACTERS:
        raise Invalid(
            "The file has a number of more than {most} characters: {number}…", most=MOST_CHARACTERS, number=number[:30]
        )
    return number


def _name_and_iban(element: Any) -> tuple[str, str]:  # noqa: ANN401
    """Return a statement's number and account."""
    name = _short(_text(element, "Id"))
    if not name:
        raise Invalid("A statement of the file has no number (Id).")
    iban = _text(element, "Acct/Id/IBAN").replace(" ", "").upper()
    if not IBAN.fullmatch(iban):
        raise Invalid("The statement {name} names no account by its IBAN.", name=name)
    return name, iban


def _statement(element: Any, message: str, root: Any) -> Statement:  # noqa: ANN401
    name, iban = _name_and_iban(element)
    page = _page(element, root)
    (opened_on, opening), begins = _balance(element, OPENING, name, page)
    (closed_on, closing), ends = _balance(element, CLOSING, name, page)
    if closed_on < opened_on:
        raise Invalid("The statement {name} closes before it opens.", name=name)
    if page and not begins:
        name = f"{name} p. {page}"[:MOST_CHARACTERS]
    lines = list(_unlike(line for _, lines in _entries(element, name, iban) for line in lines))
    if page and begins and ends and opening + sum(line.amount_minor for line in lines) != closing:
        raise _page_alone(name, page)
    sequence = _text(element, "ElctrncSeqNb")
    number = int(sequence) if sequence.isascii() and sequence.isdigit() and len(sequence) < 18 else None  # noqa: PLR2004 (the standard's digits)
    return check_statement(Statement(message, name, iban, number, opened_on, closed_on, opening, closing, lines))


def _page_alone(name: str, page: str) -> Invalid:
    return Invalid(
        "The statement {name} is page {page} of several, and does not add up alone: import a file that has it whole.",
        name=name,
        page=page,
    )


def _page(element: Any, root: Any) -> str:  # noqa: ANN401
    """Return which page of a statement this is; empty for a whole statement."""
    for pages in (element.find("StmtPgntn"), root.find("BkToCstmrStmt/GrpHdr/MsgPgntn")):
        if pages is not None:
            number, is_last = _text(pages, "PgNb"), _text(pages, "LastPgInd") in ("true", "1")
            return "" if number == "1" and is_last else number
    return ""


def check_statement(statement: Statement) -> Statement:
    """Return a statement that adds up and has possible days; refuse, in a sentence, any other."""
    name, opening, closing = statement.statement_id, statement.opening_minor, statement.closing_minor
    booked = sum(line.amount_minor for line in statement.lines)
    if opening + booked != closing:
        raise Invalid(
            "The statement {name} does not add up: it opens at {opening}, its entries make {booked}, and it closes at {closing}.",
            name=name,
            opening=Cents(opening),
            booked=Cents(booked),
            closing=Cents(closing),
        )
    for day in (statement.opened_on, statement.closed_on):
        if day.year not in YEARS:
            raise Invalid("In the statement {name}, the day {day} cannot be of it.", name=name, day=day)
    first, last = statement.opened_on - BOOKED_WITHIN, statement.closed_on + BOOKED_WITHIN
    for line in statement.lines:
        if not first <= line.booked_on <= last or abs(line.value_on - line.booked_on) > VALUED_WITHIN:
            day = line.booked_on if abs(line.value_on - line.booked_on) <= VALUED_WITHIN else line.value_on
            raise Invalid("In the statement {name}, the day {day} cannot be of it.", name=name, day=day)
    return statement


def _balance(element: Any, codes: tuple[str, ...], name: str, page: str) -> tuple[tuple[dt.date, int], bool]:  # noqa: ANN401
    """Return the day and cents of a statement's opening or closing balance, and whether it is that of the whole one.

    Of several days' balances the earliest opens and the latest closes. A page of a statement has an interim balance
    (ITBD) where it continues the previous page, or is continued.
    """
    found: dict[str, list[tuple[dt.date, int]]] = {}
    for balance in element.iterfind("Bal"):
        code = _text(balance, "Tp/CdOrPrtry/Cd")
        if code in codes or (page and code in INTERIM):
            found.setdefault(code, []).append((_day(balance.find("Dt"), name), _amount(balance, name)))
    for code in codes:
        if code in found:
            return (min if codes is OPENING else max)(found[code], key=lambda one: one[0]), True
    for code in INTERIM:
        if code in found:
            return found[code][0 if codes is OPENING else -1], False
    if page:
        raise _page_alone(name, page)
    raise Invalid("The statement {name} has no balance {code}.", name=name, code=codes[0])


def _entries(element: Any, name: str, iban: str) -> Iterator[tuple[str, list[Line]]]:  # noqa: ANN401
    """Yield the reference of each booked entry, and its lines: its transactions if they add up to it, else itself."""
    for position, entry in enumerate(element.iterfind("Ntry"), 1):
        status = _text(entry, "Sts/Cd") or _text(entry, "Sts")
        if status not in STATUSES:
            raise Invalid("In the statement {name}, an entry does not say whether it is booked.", name=name)
        amount = _amount(entry, name) if status == BOOKED else 0  # announced or pending: it moves nothing yet
        if amount:
            bank = _given(_text(entry, "AcctSvcrRef"))
            reference = _short(bank or f"{name}/{_given(_text(entry, 'NtryRef')) or position}")
            yield reference, list(_lines(entry, amount, reference, name, iban))


def _lines(entry: Any, amount: int, reference: str, name: str, iban: str) -> Iterator[Line]:  # noqa: ANN401
    """Yield an entry's transactions if they add up to it, otherwise the entry with the facts they share."""
    value = entry.find("ValDt")
    booked_on = _day(value if entry.find("BookgDt") is None else entry.find("BookgDt"), name)
    value_on = booked_on if value is None else _day(value, name)
    code = "/".join(
        filter(None, (_text(entry, f"BkTxCd/{path}") for path in ("Domn/Cd", "Domn/Fmly/Cd", "Domn/Fmly/SubFmlyCd")))
    )
    code = code or _text(entry, "BkTxCd/Prtry/Cd")
    texts = [
        _texts_of(entry, detail, amount, iban, _text(group, "Btch/PmtInfId"))
        for group in entry.iterfind("NtryDtls")
        for detail in group.findall("TxDtls") or [None]
    ] or [_texts_of(entry, None, amount, iban, "")]
    details = entry.findall("NtryDtls/TxDtls")
    parts = [_detail_amount(detail, amount, name) for detail in details]
    if len(details) > 1 and len(texts) == len(parts) and all(parts) and sum(part or 0 for part in parts) == amount:
        for number, (part, its) in enumerate(zip(parts, texts, strict=True), 1):
            yield Line(f"{reference}/{number}", booked_on, value_on, part or 0, code=code, **its)
    else:
        yield Line(reference, booked_on, value_on, amount, code=code, **_together(texts))


def _together(texts: list[dict[str, str]]) -> dict[str, str]:
    """Return the joint facts of transactions: their words one after another, and other values that all share."""
    words = " · ".join(dict.fromkeys(its["remittance"] for its in texts if its["remittance"]))
    short = words if len(words) <= MOST_WORDS else f"{words[:MOST_WORDS]}…"
    same = {key: text if all(its[key] == text for its in texts) else "" for key, text in texts[0].items()}
    return same | {"remittance": short}


def _texts_of(entry: Any, detail: Any, amount: int, iban: str, batch: str) -> dict[str, str]:  # noqa: ANN401
    """Return the bank's words on a transaction, or the entry's own words if it has none.

    The other party is the debtor of incoming and the creditor of outgoing money, unless that is ourselves: reversals
    and returns may keep the parties of their first direction.
    """
    if detail is None:
        detail = etree.Element("TxDtls")
    sides = [("Dbtr", "DbtrAcct"), ("Cdtr", "CdtrAcct")]
    if (amount > 0) == (_text(entry, "RvslInd") in ("true", "1")):
        sides.reverse()
    side, agent = next((one for one in sides if _account(detail, one[1]) != iban), sides[0])
    words = [text.text or "" for text in detail.iterfind("RmtInf/Ustrd")]
    for path in ("RmtInf/Strd/CdtrRefInf/Ref", "RmtInf/Strd/RfrdDocInf/Nb"):
        words += [text.text or "" for text in detail.iterfind(path)]
    if foreign := _foreign(detail):
        words.append(foreign)
    return {
        "end_to_end_id": _short(_given(_text(detail, "Refs/EndToEndId"))),
        "batch_id": _given(_text(detail, "Refs/PmtInfId")) or batch,
        "transaction_id": _given(_text(detail, "Refs/TxId")) or _given(_text(detail, "Refs/AcctSvcrRef")),
        "counterparty": _text(detail, f"RltdPties/{side}/Pty/Nm") or _text(detail, f"RltdPties/{side}/Nm"),
        "counterparty_iban": _account(detail, agent),
        "remittance": " ".join(words).strip() or _text(detail, "AddtlTxInf") or _text(entry, "AddtlNtryInf"),
        "return_reason": _text(detail, "RtrInf/Rsn/Cd") or _text(detail, "RtrInf/Rsn/Prtry"),
    }


def _account(detail: Any, agent: str) -> str:  # noqa: ANN401
    return _text(detail, f"RltdPties/{agent}/Id/IBAN").replace(" ", "").upper()


def _unlike(lines: Iterable[Line]) -> Iterator[Line]:
    """Distinguish lines to which the bank gave one reference."""
    seen: dict[str, int] = {}
    for line in lines:
        seen[line.reference] = seen.get(line.reference, 0) + 1
        if seen[line.reference] == 1:
            yield line
        else:
            again = {name: getattr(line, name) for name in Line.__slots__}
            yield Line(**again | {"reference": f"{line.reference}#{seen[line.reference]}"})


def _detail_amount(detail: Any, whole: int, name: str) -> int | None:  # noqa: ANN401
    """Return a transaction's cents, with its entry's sign unless it has its own; None if it has no amount in euros."""
    stated = [found for path in AMOUNTS if (found := detail.find(path)) is not None and found.get("Ccy") == EUR]
    if not stated:
        return None
    cents = _cents(stated[0], name)
    direction = _text(detail, "CdtDbtInd")
    return cents if (direction == "CRDT" if direction else whole > 0) else -cents


def _foreign(detail: Any) -> str:  # noqa: ANN401
    """Return a transaction's amount in another currency, such as `USD 120.00`; empty if it was in euros."""
    for path in ("Amt", "AmtDtls/InstdAmt/Amt"):
        found = detail.find(path)
        if found is not None and found.get("Ccy") not in (None, EUR):
            return f"{found.get('Ccy')} {(found.text or '').strip()}"
    return ""


def _amount(element: Any, name: str) -> int:  # noqa: ANN401
    """Return signed cents: a credit to the account is positive."""
    direction = _text(element, "CdtDbtInd")
    if direction not in ("CRDT", "DBIT"):
        raise Invalid("In the statement {name}, an amount does not say whether it is a credit or a debit.", name=name)
    cents = _cents(element.find("Amt"), name)
    return cents if direction == "CRDT" else -cents


def _cents(amount: Any, name: str) -> int:  # noqa: ANN401
    if amount is None or amount.get("Ccy") != EUR:
        raise Invalid("The statement {name} is not in euros throughout; the books are.", name=name)
    text = (amount.text or "").strip()
    cents = Decimal(text) * 100 if AMOUNT.fullmatch(text) else Decimal("NaN")
    if not cents.is_finite() or cents != cents.to_integral_value() or not 0 <= cents < LARGEST_MINOR:
        raise Invalid("In the statement {name}, “{text}” is not an amount in whole cents.", name=name, text=text[:40])
    return int(cents)


def _day(element: Any, name: str) -> dt.date:  # noqa: ANN401
    """Return the day of a `Dt` or, in Paris, of a `DtTm`."""
    day, instant = (_text(element, "Dt"), _text(element, "DtTm")) if element is not None else ("", "")
    if not (day or instant):
        raise Invalid("In the statement {name}, an entry or a balance has no day.", name=name)
    try:
        at = dt.datetime.fromisoformat(day[:10] or instant)
        found = (at.astimezone(PARIS) if at.tzinfo else at).date()
    except (ValueError, OverflowError):
        raise Invalid(
            "In the statement {name}, “{text}” is not a day.", name=name, text=(day or instant)[:40]
        ) from None
    if found.year not in YEARS:
        raise Invalid("In the statement {name}, the day {day} cannot be of it.", name=name, day=found)
    return found


def _text(element: Any, path: str) -> str:  # noqa: ANN401
    found = element.find(path)
    return " ".join((found.text or "").split()) if found is not None else ""


def _given(text: str) -> str:
    return "" if text.upper() in NOT_GIVEN else text
