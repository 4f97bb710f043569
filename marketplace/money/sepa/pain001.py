"""The file that asks a bank to pay (pain.001), as pure text, and its check.

The file is written in pieces, one per batch, so that its size never fills the memory; the same run gives the same
bytes, message id included, so that a bank that receives it twice sees a repeat. Source: EPC132-08 (customer-to-bank
credit transfers), ISO 20022 pain.001.001.09.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import io
import string
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

import numpy as np
from lxml import etree
from msgspec import Struct

from marketplace.core.errors import Invalid
from marketplace.core.line_index import distinct
from marketplace.money.sepa.accounts import LONGEST_NAME, latin
from pricing.money import EUR, decimal

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

SCHEMA: Final = "pain.001.001.09"
LONGEST_REMARK: Final = 140
FILE_LETTERS: Final = "R123456789"
"""The suffixes of a message id for a run's first file, and for its replacements."""
SATURDAY: Final = 5


def message_of(run: uuid.UUID, sequence: int = 0) -> str:
    """Return the message id of a run's file: of the run alone, so that the bank sees a repeat.

    A replacement has another id.
    """
    assert 0 <= sequence < len(FILE_LETTERS), "a run has three groups of payees to leave out, so a few files"
    return f"PT{FILE_LETTERS[sequence]}{run.hex}"


def batch_of(batch: uuid.UUID) -> str:
    """Return a batch's id in the file."""
    return f"PTB{batch.hex}"


def reference_of(payout: uuid.UUID) -> str:
    """Return a payout's end-to-end id."""
    return f"PTP{payout.hex}"


def next_working_day(day: dt.date) -> dt.date:
    """Return the next day that is neither Saturday nor Sunday; a bank postpones its own holidays itself."""
    following = day + dt.timedelta(days=1)
    while following.weekday() >= SATURDAY:
        following += dt.timedelta(days=1)
    return following


@dataclass(frozen=True, slots=True)
class Payer:
    """The payer, its account, and the day."""

    name: str
    iban: str
    execute_on: dt.date
    is_instant: bool = False
    """Whether the bank is asked for SEPA Instant (EPC004-16): paid within ten seconds, or refused."""


class Transfer(Struct, frozen=True):
    """One payee of a file."""

    reference: str
    """The end-to-end id, at most 35 characters, which the bank's statement repeats."""
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
    """Write one batch, which the bank books as one line; every amount is above zero, every IBAN is checked again."""
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
"""More bytes than a transfer ever needs: its elements, a name of 70 characters, an IBAN of 34, a text of 140, all of
one byte each; and the bytes of a batch around its transfers.
"""


@functools.lru_cache(maxsize=16)
def _remark(text: str) -> str:
    """Return the shared text of every transfer of a run, spelled once."""
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
"""The numbers for the letters of an IBAN by ISO 13616."""


class FileCheck:
    """A pain.001 checked against its schema as it is written, piece by piece.

    Refuses an invalid file, or one whose sums fail.

    A batch is in memory, and eight bytes per payee, which distinguish 100,000 ids except once in a thousand million
    times.
    """

    def __init__(self) -> None:
        """Start with nothing read."""
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
        """Check at the end: that the file is complete, its sums, its ids, its IBANs."""
        with _refused():
            self._parser.close()
            self._read()
        different = len(distinct(np.concatenate(self._seen))) if self._seen else 0
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
            element.clear()  # a batch's payees; one empty element of it remains


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
