"""Reading a bank's statement (camt.053) or notification (camt.054) of every version since .02: to whole cents, without network.

A file is read whole or refused in one sentence: a statement that does not add up never becomes lines.
Neither entities nor document types are read. Source: ISO 20022 message definitions, bank-to-customer statement and
debit-credit notification.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from marketplace.errors import Invalid
from marketplace.web.formats import PARIS
from pricing.money import EUR, decimal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:camt.053.001."
NOTICE_NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:camt.054.001."
VERSIONS: Final = frozenset(f"{number:02d}" for number in range(2, 15))
"""What is read of a statement is the same in all of them."""
FIRST_YEAR, BOOKED_WITHIN, VALUED_WITHIN = 2000, dt.timedelta(days=31), dt.timedelta(days=366)
IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}")
AMOUNT: Final = re.compile(r"\+?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})")
"""A decimal as XML Schema has them: no exponent, no digits but these, no sign but of what is not below zero."""
AMOUNTS: Final = ("Amt", "AmtDtls/TxAmt/Amt", "AmtDtls/CntrValAmt/Amt")
"""Where a transaction says what it was, the first in euros counts."""
OPENING, CLOSING = ("OPBD", "PRCD"), ("CLBD",)
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
    """What a bank announces of one account before its statement: movements that it booked, without any balance."""

    message_id: str
    notice_id: str
    iban: str
    lines: list[Line]
    entries: list[str]
    """For each line the reference of its entry, which a statement may have as one line."""


def is_notice(data: bytes) -> bool:
    """Return whether a file says that it is a notification (camt.054)."""
    return data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") and b"camt.054" in data[:2000]


def read_notices(data: bytes) -> list[Notice]:
    """Return the file's notifications in its order; refuse, in a sentence, a file that is not wholly right."""
    root = _parse(data, NOTICE_NAMESPACE, "That is not a camt.054 notification: it says {what}.")
    message = _text(root, "BkToCstmrDbtCdtNtfctn/GrpHdr/MsgId")
    if not message:
        raise Invalid("The bank statement has no message number (MsgId).")
    found = [_notice(element, message) for element in root.iterfind("BkToCstmrDbtCdtNtfctn/Ntfctn")]
    if not any(notice.lines for notice in found):
        raise Invalid("The file announces nothing that the bank has booked.")
    return found


def _notice(element: Any, message: str) -> Notice:  # noqa: ANN401 (an element of lxml)
    name, iban = _name_and_iban(element)
    read = [(line, entry) for entry, lines in _entries(element, name) for line in lines]
    for line, _ in read:
        if abs(line.value_on - line.booked_on) > VALUED_WITHIN or line.booked_on.year < FIRST_YEAR:
            raise Invalid("In the statement {name}, the day {day} cannot be of it.", name=name, day=line.booked_on)
    return Notice(message, name, iban, list(_unlike(line for line, _ in read)), [entry for _, entry in read])


def read_statements(data: bytes) -> list[Statement]:
    """Return the file's statements in its order; refuse, in a sentence, a file that is not wholly right."""
    root = _parse(data, NAMESPACE, "That is not a camt.053 bank statement: it says {what}.")
    message = _text(root, "BkToCstmrStmt/GrpHdr/MsgId")
    if not message:
        raise Invalid("The bank statement has no message number (MsgId).")
    found = [_statement(element, message) for element in root.iterfind("BkToCstmrStmt/Stmt")]
    if not found:
        raise Invalid("The file holds no statement.")
    return found


def _parse(data: bytes, namespace: str, refusal: str) -> Any:  # noqa: ANN401 (an element of lxml)
    """Return the root of a file of any version of a message, its names freed of their namespace."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise Invalid("The file is not well-formed XML (line {line}).", line=line) from None
    if getattr(root.getroottree().docinfo, "doctype", ""):
        raise Invalid("The file declares a document type, which no bank statement does; it was not read.")
    space = etree.QName(root).namespace or ""
    if etree.QName(root).localname != "Document" or space not in {namespace + version for version in VERSIONS}:
        raise Invalid(refusal, what=space[-60:] or "–")
    for element in root.iter():
        element.tag = etree.QName(element).localname
    return root


def _name_and_iban(element: Any) -> tuple[str, str]:  # noqa: ANN401
    """Return a statement's number, and the account that it is of."""
    name = _text(element, "Id")
    if not name:
        raise Invalid("A statement of the file has no number (Id).")
    iban = _text(element, "Acct/Id/IBAN").replace(" ", "").upper()
    if not IBAN.fullmatch(iban):
        raise Invalid("The statement {name} names no account by its IBAN.", name=name)
    return name, iban


def _statement(element: Any, message: str) -> Statement:  # noqa: ANN401
    name, iban = _name_and_iban(element)
    opened_on, opening = _balance(element, OPENING, name)
    closed_on, closing = _balance(element, CLOSING, name)
    if closed_on < opened_on:
        raise Invalid("The statement {name} closes before it opens.", name=name)
    lines = list(_unlike(line for _, lines in _entries(element, name) for line in lines))
    sequence = _text(element, "ElctrncSeqNb")
    number = int(sequence) if sequence.isascii() and sequence.isdigit() and len(sequence) < 18 else None  # noqa: PLR2004 (the standard's digits)
    return check_statement(Statement(message, name, iban, number, opened_on, closed_on, opening, closing, lines))


def check_statement(statement: Statement) -> Statement:
    """Return a statement that adds up and whose days can be; refuse, in a sentence, any other."""
    name, opening, closing = statement.statement_id, statement.opening_minor, statement.closing_minor
    booked = sum(line.amount_minor for line in statement.lines)
    if opening + booked != closing:
        raise Invalid(
            "The statement {name} does not add up: it opens at {opening}, its entries make {booked}, and it closes at {closing}.",
            name=name,
            opening=f"{decimal(opening)} {EUR}",
            booked=f"{decimal(booked)} {EUR}",
            closing=f"{decimal(closing)} {EUR}",
        )
    first, last = statement.opened_on - BOOKED_WITHIN, statement.closed_on + BOOKED_WITHIN
    for line in statement.lines:
        if not first <= line.booked_on <= last or abs(line.value_on - line.booked_on) > VALUED_WITHIN:
            day = line.booked_on if abs(line.value_on - line.booked_on) <= VALUED_WITHIN else line.value_on
            raise Invalid("In the statement {name}, the day {day} cannot be of it.", name=name, day=day)
    if statement.opened_on.year < FIRST_YEAR:
        raise Invalid("In the statement {name}, the day {day} cannot be of it.", name=name, day=statement.opened_on)
    return statement


def _balance(element: Any, codes: tuple[str, ...], name: str) -> tuple[dt.date, int]:  # noqa: ANN401
    """Return the day and the cents of the first balance of one of the codes, in the codes' order."""
    balances = {_text(balance, "Tp/CdOrPrtry/Cd"): balance for balance in reversed(element.findall("Bal"))}
    for code in codes:
        if code in balances:
            return _day(balances[code].find("Dt"), name), _amount(balances[code], name)
    raise Invalid("The statement {name} has no balance {code}.", name=name, code=codes[0])


def _entries(element: Any, name: str) -> Iterator[tuple[str, list[Line]]]:  # noqa: ANN401
    """Yield the reference of each booked entry, and its lines: its transactions where these add up to it, else itself."""
    for position, entry in enumerate(element.iterfind("Ntry"), 1):
        status = _text(entry, "Sts/Cd") or _text(entry, "Sts")
        if status != "BOOK":  # announced or pending: it moves nothing yet
            continue
        bank = _given(_text(entry, "AcctSvcrRef"))
        reference = bank or f"{name}/{_given(_text(entry, 'NtryRef')) or position}"
        amount = _amount(entry, name)
        if not amount:
            continue
        booked = _day(entry.find("BookgDt"), name)
        value = _day(entry.find("ValDt"), name) if entry.find("ValDt") is not None else booked
        code = "/".join(
            filter(
                None, (_text(entry, f"BkTxCd/{path}") for path in ("Domn/Cd", "Domn/Fmly/Cd", "Domn/Fmly/SubFmlyCd"))
            )
        )
        code = code or _text(entry, "BkTxCd/Prtry/Cd")
        details = entry.findall("NtryDtls/TxDtls")
        batch = _text(entry, "NtryDtls/Btch/PmtInfId")
        parts = [_detail_amount(detail, amount, name) for detail in details]
        if len(details) > 1 and None not in parts and sum(part or 0 for part in parts) == amount and all(parts):
            yield (
                reference,
                [
                    _line(f"{reference}/{number}", booked, value, part or 0, entry, detail, batch, code)
                    for number, (detail, part) in enumerate(zip(details, parts, strict=True), 1)
                ],
            )
        else:
            only = details[0] if len(details) == 1 else None
            yield reference, [_line(reference, booked, value, amount, entry, only, batch, code)]


def _line(  # noqa: PLR0917 (what the entry says, then where from)
    reference: str,
    booked: dt.date,
    value: dt.date,
    amount: int,
    entry: Any,  # noqa: ANN401
    detail: Any,  # noqa: ANN401
    batch: str,
    code: str,
) -> Line:
    """Return a line with what the bank says of it; an entry's own words where its transactions say nothing."""
    if detail is None:
        return Line(
            reference, booked, value, amount, batch_id=batch, code=code, remittance=_text(entry, "AddtlNtryInf")
        )
    side, agent = ("Dbtr", "DbtrAcct") if amount > 0 else ("Cdtr", "CdtrAcct")
    words = [text.text or "" for text in detail.iterfind("RmtInf/Ustrd")]
    for path in ("RmtInf/Strd/CdtrRefInf/Ref", "RmtInf/Strd/RfrdDocInf/Nb"):
        words += [text.text or "" for text in detail.iterfind(path)]
    if foreign := _foreign(detail):
        words.append(foreign)
    return Line(
        reference,
        booked,
        value,
        amount,
        end_to_end_id=_given(_text(detail, "Refs/EndToEndId")),
        batch_id=_given(_text(detail, "Refs/PmtInfId")) or batch,
        transaction_id=_given(_text(detail, "Refs/TxId")) or _given(_text(detail, "Refs/AcctSvcrRef")),
        counterparty=_text(detail, f"RltdPties/{side}/Pty/Nm") or _text(detail, f"RltdPties/{side}/Nm"),
        counterparty_iban=_text(detail, f"RltdPties/{agent}/Id/IBAN"),
        remittance=" ".join(words).strip() or _text(detail, "AddtlTxInf") or _text(entry, "AddtlNtryInf"),
        code=code,
        return_reason=_text(detail, "RtrInf/Rsn/Cd") or _text(detail, "RtrInf/Rsn/Prtry"),
    )


def _unlike(lines: Iterable[Line]) -> Iterator[Line]:
    """Tell apart lines that the bank gave one reference."""
    seen: dict[str, int] = {}
    for line in lines:
        seen[line.reference] = seen.get(line.reference, 0) + 1
        if seen[line.reference] == 1:
            yield line
        else:
            again = {name: getattr(line, name) for name in Line.__slots__}
            yield Line(**again | {"reference": f"{line.reference}#{seen[line.reference]}"})


def _detail_amount(detail: Any, whole: int, name: str) -> int | None:  # noqa: ANN401
    """Return a transaction's cents, signed like its entry unless it says otherwise; None where it says none in euros."""
    stated = [found for path in AMOUNTS if (found := detail.find(path)) is not None and found.get("Ccy") == EUR]
    if not stated:
        return None
    cents = _cents(stated[0], name)
    direction = _text(detail, "CdtDbtInd")
    return cents if (direction == "CRDT" if direction else whole > 0) else -cents


def _foreign(detail: Any) -> str:  # noqa: ANN401
    """Return what a transaction was in another currency, such as `USD 120.00`; empty where it was in euros."""
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
    try:
        if day:
            return dt.date.fromisoformat(day[:10])
        at = dt.datetime.fromisoformat(instant)
    except ValueError:
        raise Invalid(
            "In the statement {name}, “{text}” is not a day.", name=name, text=(day or instant)[:40]
        ) from None
    return (at.astimezone(PARIS) if at.tzinfo else at).date()


def _text(element: Any, path: str) -> str:  # noqa: ANN401
    found = element.find(path)
    return " ".join((found.text or "").split()) if found is not None else ""


def _given(text: str) -> str:
    return "" if text.upper() in NOT_GIVEN else text
