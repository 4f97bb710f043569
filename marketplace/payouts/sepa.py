"""SEPA as pure text: what an IBAN and a holder's name must be, the file a bank is asked to pay by, and what it answers.

The file is written in pieces, one a batch, so that its size never fills the memory; the same run makes the same bytes,
message id included, so that a bank that is sent it twice sees a repeat.
Source: EPC132-08 (customer-to-bank credit transfers), ISO 20022 pain.001.001.09 and pain.002, ISO 13616 (IBAN).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import hashlib
import io
import re
import string
import unicodedata
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

import numpy as np
from lxml import etree
from msgspec import Struct
from stdnum import iban as stdnum_iban
from stdnum import numdb
from stdnum.exceptions import InvalidChecksum, InvalidComponent, InvalidFormat, InvalidLength, ValidationError

from marketplace.errors import Invalid
from pricing.money import EUR, decimal

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

SCHEMA: Final = "pain.001.001.09"
_COUNTRIES: Final = "AD AL AT BE BG CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT LI LT LU LV MC MD ME MK MT NL NO PL PT RO RS SE SI SK SM VA"
COUNTRIES: Final = frozenset(_COUNTRIES.split())
"""The countries whose accounts SEPA transfers reach, by the code that begins their IBANs."""
SHORTEST_NAME, LONGEST_NAME, LONGEST_REMARK = 2, 70, 140
FILE_LETTERS: Final = "R123456789"
"""What a message id has for a run's first file, and for those that replace it."""
SATURDAY: Final = 5
SPELLED: Final = str.maketrans(
    {"ß": "ss", "Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "Þ": "TH", "þ": "th"}
    | dict(zip("ØøĐđÐðŁłĦħŦŧı’‘–—\u00a0&", "OoDdDdLlHhTti''-- +", strict=True))
)
"""How letters that banks do not read are spelled."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9/\-?:().,'+ ]*")
"""What banks read as it is …"""
_STRANGE: Final = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]")
"""… and each sign that they do not."""
_ABOUT_THE_ACCOUNT: Final = "AC01 AC03 AC04 AC06 AC13 AC14 AG01 AG03 BE01 CNOR MD07 RC01 RC07 RR01 RR02 RR03 RVNM RVMC"
REFUSES_THE_ACCOUNT: Final = frozenset(_ABOUT_THE_ACCOUNT.split())
"""Reasons that another try would meet again: the account, its holder or its bank cannot be paid."""
REPEATED: Final = frozenset({"AM05", "DU01", "DUPL"})
"""Reasons that say: this very message came before. The first one counts, so nothing of it has failed."""
REJECTED: Final = "RJCT"


def check_iban(text: str) -> str:
    """Return an IBAN without its spaces; refuse one that no SEPA transfer can reach, saying what is wrong with it."""
    number = stdnum_iban.compact(text)
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{1,30}", number):
        raise Invalid("An IBAN begins with two letters for the country and two digits, such as FR76 3000 6000 …")
    if number[:2] not in COUNTRIES:
        raise Invalid("We can pay accounts in the SEPA area only; {country} is not in it.", country=number[:2])
    wanted = _length(number)
    if len(number) != wanted:
        raise Invalid(
            "An IBAN that begins with {country} has {wanted} characters; this one has {count}.",
            country=number[:2],
            wanted=wanted,
            count=len(number),
        )
    try:
        stdnum_iban.validate(number, check_country=False)
    except InvalidChecksum:
        raise Invalid("The check digits do not fit: a character of this IBAN is mistyped.") from None
    except ValidationError:
        raise Invalid("This IBAN has a letter where its country's IBANs have a digit, or the reverse.") from None
    with contextlib.suppress(InvalidComponent, InvalidFormat, InvalidLength):  # lists of banks go out of date
        try:
            stdnum_iban.validate(number)
        except InvalidChecksum:
            raise Invalid("The check digits inside this account number do not fit: a character is mistyped.") from None
    return str(number)


def _length(number: str) -> int:
    structure = str(numdb.get("iban").info(number)[0][1].get("bban", ""))
    return 4 + sum(int(count) for count in re.findall(r"([1-9][0-9]*)!", structure))


def check_holder(text: str) -> str:
    """Return a holder's name with single spaces; refuse one that banks could not read."""
    name = " ".join(text.split())
    if not SHORTEST_NAME <= len(name) <= LONGEST_NAME:
        raise Invalid("Write the account holder's name, as the bank has it: 2 to 70 characters.")
    spelled = latin(name)
    if spelled.count(".") > name.count(".") or sum(character.isalpha() for character in spelled) < SHORTEST_NAME:
        raise Invalid("Write the account holder's name in Latin letters, as it is on bank statements.")
    return name


def latin(text: str) -> str:
    """Spell text in the characters that every bank of SEPA takes; what has no spelling becomes a full stop."""
    if _PLAIN.fullmatch(text) and "//" not in text:
        return text.strip("/ ")
    plain = unicodedata.normalize("NFKD", text.translate(SPELLED))
    return re.sub("/+", "/", _STRANGE.sub(_dropped, plain)).strip("/ ")


def _dropped(found: re.Match[str]) -> str:
    """Drop a mark on the letter before it; what else banks do not read is a full stop."""
    return "" if unicodedata.combining(found[0]) else "."


def message_of(run: uuid.UUID, sequence: int = 0) -> str:
    """Return the message id of a run's file: of the run alone, so that the bank knows a repeat; another if it is replaced."""
    assert 0 <= sequence < len(FILE_LETTERS), "a run has three groups of payees to leave out, so a few files"
    return f"PT{FILE_LETTERS[sequence]}{run.hex}"


def batch_of(batch: uuid.UUID) -> str:
    """Return a batch's id on paper."""
    return f"PTB{batch.hex}"


def reference_of(payout: uuid.UUID) -> str:
    """Return a payout's end-to-end id."""
    return f"PTP{payout.hex}"


def next_working_day(day: dt.date) -> dt.date:
    """Return the next day that is neither Saturday nor Sunday; a bank moves one of its holidays on by itself."""
    following = day + dt.timedelta(days=1)
    while following.weekday() >= SATURDAY:
        following += dt.timedelta(days=1)
    return following


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays, from which account, on which day."""

    name: str
    iban: str
    execute_on: dt.date
    is_instant: bool = False
    """Whether the bank is asked for SEPA Instant (EPC004-16): there within ten seconds, or refused."""


class Transfer(Struct, frozen=True):
    """One payee of a file."""

    reference: str
    """The end-to-end id, at most 35 characters, which comes back on the bank's statement."""
    holder: str
    iban: str
    amount_minor: int
    text: str


def opening(message: str, created_at: dt.datetime, payer: Payer, *, people: int, amount_minor: int) -> bytes:
    """Write a pain.001.001.09 up to its first batch."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{SCHEMA}"><CstmrCdtTrfInitn>'
        f"<GrpHdr><MsgId>{message}</MsgId><CreDtTm>{created_at:%Y-%m-%dT%H:%M:%SZ}</CreDtTm><NbOfTxs>{people}</NbOfTxs>"
        f"<CtrlSum>{decimal(amount_minor)}</CtrlSum><InitgPty><Nm>{_text(payer.name, LONGEST_NAME)}</Nm></InitgPty></GrpHdr>\n"
    ).encode()


def batch(number: str, payer: Payer, transfers: Sequence[Transfer]) -> bytes:
    """Write one batch, which the bank books as one line; every amount is above zero, every IBAN checked again."""
    total = sum(transfer.amount_minor for transfer in transfers)
    name = _text(payer.name, LONGEST_NAME)
    instant = "<LclInstrm><Cd>INST</Cd></LclInstrm>" if payer.is_instant else ""
    head = (
        f"<PmtInf><PmtInfId>{number}</PmtInfId><PmtMtd>TRF</PmtMtd><BtchBookg>true</BtchBookg><NbOfTxs>{len(transfers)}</NbOfTxs>"
        f"<CtrlSum>{decimal(total)}</CtrlSum><PmtTpInf><SvcLvl><Cd>SEPA</Cd></SvcLvl>{instant}</PmtTpInf><ReqdExctnDt><Dt>{payer.execute_on}</Dt>"
        f"</ReqdExctnDt><Dbtr><Nm>{name}</Nm></Dbtr><DbtrAcct><Id><IBAN>{payer.iban}</IBAN></Id></DbtrAcct><DbtrAgt><FinInstnId><Othr>"
        "<Id>NOTPROVIDED</Id></Othr></FinInstnId></DbtrAgt><ChrgBr>SLEV</ChrgBr>\n"
    )
    return "".join([head, *map(_transfer, transfers), "</PmtInf>\n"]).encode()


def _transfer(transfer: Transfer) -> str:
    assert transfer.amount_minor > 0, "nobody is paid nothing"
    return (
        f'<CdtTrfTxInf><PmtId><EndToEndId>{transfer.reference}</EndToEndId></PmtId><Amt><InstdAmt Ccy="{EUR}">'
        f"{decimal(transfer.amount_minor)}</InstdAmt></Amt><Cdtr><Nm>{_text(transfer.holder, LONGEST_NAME)}</Nm></Cdtr>"
        f"<CdtrAcct><Id><IBAN>{transfer.iban}</IBAN></Id></CdtrAcct><RmtInf><Ustrd>{_remark(transfer.text)}</Ustrd></RmtInf></CdtTrfTxInf>\n"
    )


LARGEST_TRANSFER_BYTES: Final = 600
"""More than a transfer ever takes: its elements, a name of 70 characters, an IBAN of 34, a text of 140, all of one byte each;
and what a batch has around its transfers."""


@functools.lru_cache(maxsize=16)
def _remark(text: str) -> str:
    """Return what every transfer of a run says, spelled once."""
    return _text(text, LONGEST_REMARK)


CLOSING: Final = b"</CstmrCdtTrfInitn></Document>\n"


def _text(text: str, longest: int) -> str:
    return escape(latin(text)[:longest].strip())


_NAMESPACE: Final = f"urn:iso:std:iso:20022:tech:xsd:{SCHEMA}"
PIECES: Final = tuple(f"{{{_NAMESPACE}}}{name}" for name in ("GrpHdr", "PmtInf"))
_TEXTS: Final = {
    name: etree.XPath(f"p:CdtTrfTxInf{path}/text()", namespaces={"p": _NAMESPACE}, smart_strings=False)
    for name, path in (
        ("amount", "/p:Amt/p:InstdAmt"),
        ("iban", "/p:CdtrAcct/p:Id/p:IBAN"),
        ("reference", "/p:PmtId/p:EndToEndId"),
    )
}
_LETTERS: Final = str.maketrans({letter: str(number) for number, letter in enumerate(string.ascii_uppercase, 10)})
"""What ISO 13616 reads a letter of an IBAN as."""


class FileCheck:
    """A pain.001 checked against its schema as it is written, piece by piece; refuses one that breaks it, or whose sums fail.

    What is in memory is a batch, and eight bytes a payee: what tells 100,000 ids apart but once in a thousand million times.
    """

    def __init__(self) -> None:
        """Begin with nothing read."""
        xsd = (resources.files("sepaxml") / f"schemas/{SCHEMA}.xsd").read_bytes()
        schema = etree.XMLSchema(etree.parse(io.BytesIO(xsd)))
        self._parser = etree.XMLPullParser(("end",), tag=PIECES, schema=schema, resolve_entities=False, huge_tree=True)
        self._count = self._total = 0
        self._is_sound = True
        self._stated: dict[str, str] = {}
        self._seen: list[NDArray[np.int64]] = []

    def add(self, piece: bytes) -> None:
        """Check the next bytes of the file."""
        with _refused():
            self._parser.feed(piece)
            self._read()

    def end(self) -> None:
        """Check what can be said at the end alone: that it is whole, its sums, its ids, its IBANs."""
        with _refused():
            self._parser.close()
            self._read()
        different = len(np.unique(np.concatenate(self._seen))) if self._seen else 0
        stated = self._stated["NbOfTxs"], _minor(self._stated["CtrlSum"])
        if not self._is_sound:
            raise _unsound("an IBAN is mistyped")
        if (str(self._count), self._total) != stated or different != self._count:
            raise _unsound("its sums are wrong")

    def _read(self) -> None:
        events: Any = self._parser.read_events()
        for _, element in events:
            if element.tag == PIECES[0]:
                self._stated = {what: _find(element, what) for what in ("NbOfTxs", "CtrlSum")}
                continue
            amounts, ibans, references = (_texts(element, name) for name in _TEXTS)
            self._count, self._total = self._count + len(amounts), self._total + sum(map(_minor, amounts))
            self._is_sound = self._is_sound and len(ibans) == len(amounts) and all(map(_has_check_digits, ibans))
            self._seen.append(np.fromiter(map(hash, references), np.int64, len(references)))
            element.clear()  # a batch's payees; what is left of it is one empty element


@contextlib.contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except etree.XMLSyntaxError as problem:
        raise _unsound(str(problem)) from None


def _unsound(problem: str) -> Invalid:
    return Invalid("The file for the bank is not valid, so it was not sent: {problem}", problem=problem)


def _texts(batch: etree._Element, name: str) -> list[str]:
    """Return one text of each payee of a batch, in order."""
    found: Any = _TEXTS[name](batch)
    return list(found)


def _has_check_digits(number: str) -> bool:
    """Return whether an IBAN's check digits fit: read as a number, its first four at the end, it leaves 1 when divided by 97."""
    account, country = number[4:], number[:2]
    digits = (account if account.isdecimal() else _in_digits(account)) + _in_digits(country) + number[2:4]
    return digits.isdecimal() and int(digits) % 97 == 1


@functools.lru_cache(maxsize=256)
def _in_digits(letters: str) -> str:
    return letters.translate(_LETTERS)


def _find(element: etree._Element, name: str) -> str:
    return element.findtext(f".//{{*}}{name}") or ""


def _minor(decimal: str) -> int:
    """Read an amount in euros as cents; no binary fraction touches it."""
    if decimal[-3:-2] == ".":
        return int(decimal[:-3] + decimal[-2:])
    whole, _, cents = decimal.partition(".")
    return int(whole) * 100 + int(cents.ljust(2, "0")[:2])


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What one pain.002 says of one file of ours."""

    message: str
    about: str
    """The message id it answers."""
    group_status: str
    group_reason: str
    batches: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Batch id → status and reason, where batches are judged as a whole."""
    transfers: dict[str, tuple[str, str]] = field(default_factory=dict)
    """End-to-end id → status and reason."""


PAIN_002 = "urn:iso:std:iso:20022:tech:xsd:pain.002."
"""Begins the namespace of every version of the bank's report."""


def read_report(data: bytes) -> StatusReport:
    """Read a pain.002 of any version; refuse what is none, in one sentence."""
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise Invalid("That is not an XML file of the bank's.") from None
    report = root.find("{*}CstmrPmtStsRpt")
    if report is None or not (etree.QName(root).namespace or "").startswith(PAIN_002):
        raise Invalid("That is not a payment status report (pain.002).")
    group = report.find("{*}OrgnlGrpInfAndSts")
    if group is None:
        raise Invalid("The report does not say which file it answers.")
    batches: dict[str, tuple[str, str]] = {}
    transfers: dict[str, tuple[str, str]] = {}
    for part in report.iterfind("{*}OrgnlPmtInfAndSts"):
        status = part.findtext("{*}PmtInfSts") or ""
        if status:
            batches[part.findtext("{*}OrgnlPmtInfId") or ""] = status, _reason(part)
        for one in part.iterfind("{*}TxInfAndSts"):
            transfers[one.findtext("{*}OrgnlEndToEndId") or ""] = one.findtext("{*}TxSts") or "", _reason(one)
    return StatusReport(
        message=report.findtext("{*}GrpHdr/{*}MsgId") or "",
        about=group.findtext("{*}OrgnlMsgId") or "",
        group_status=group.findtext("{*}GrpSts") or "",
        group_reason=_reason(group),
        batches=batches,
        transfers=transfers,
    )


def _reason(part: etree._Element) -> str:
    return (part.findtext("{*}StsRsnInf/{*}Rsn/{*}Cd") or part.findtext("{*}StsRsnInf/{*}Rsn/{*}Prtry") or "")[:35]


def refusal(judgements: Iterable[tuple[str, str] | None]) -> str:
    """Return why a payout is refused, the narrowest judgement first; empty where none refuses it.

    judgements: status and reason of the transfer, of its batch, of the whole file; None where none is given.
    """
    for judgement in judgements:
        if judgement and judgement[0]:
            status, reason = judgement
            if status == REJECTED:
                return "" if reason in REPEATED else reason or "RJCT"
            if status not in ("PART", "RCVD"):
                return ""
    return ""


def digest(data: bytes) -> str:
    """Return the SHA-256 of a file, hex."""
    return hashlib.sha256(data).hexdigest()
