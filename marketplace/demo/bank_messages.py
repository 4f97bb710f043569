"""The XML of the simulated bank: reads pain.001, writes pain.002 and camt.053.

It shares no code with the marketplace's own readers and writers of these files, so that both must agree on their
meaning. Source: ISO 20022 pain.001.001.09, pain.002.001.10, camt.053.001.08.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from io import BytesIO

from lxml import etree
from msgspec import Struct

from pricing.money import EUR

PAIN_001 = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
PAIN_002 = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
CAMT_053 = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
NAMES = {"p": PAIN_001}


class CreditTransfer(Struct, frozen=True):
    """One credit transfer of a payment file."""

    batch: str
    reference: str
    name: str
    iban: str
    cents: int


class Batch(Struct, frozen=True):
    """One batch of a payment file (`PmtInf`). day: the day of execution."""

    id: str
    debtor_iban: str
    day: dt.date
    transfers: list[CreditTransfer]


class StatementEntry(Struct, frozen=True):
    """One entry of a statement. cents: negative for a debit. code: domain/family/subfamily of the bank transaction.

    details: its transfers, each with the reason of its return, if any. remittance: the payer's text.
    """

    cents: int
    code: str
    batch: str = ""
    details: Sequence[tuple[CreditTransfer, str]] = ()
    remittance: str = ""


# ------------------------------------------------------------------ reading payment files
@functools.cache
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(
        etree.parse(BytesIO((resources.files("sepaxml") / "schemas/pain.001.001.09.xsd").read_bytes()))
    )


def is_valid(document: etree._Element) -> bool:
    """Return whether a document follows the schema of pain.001."""
    return _schema().validate(document)


def message_id(document: etree._Element) -> str:
    """Return the message id of a payment file."""
    return document.findtext(".//p:GrpHdr/p:MsgId", "", NAMES)


def totals_match(document: etree._Element) -> bool:
    """Return whether the header's count and sum are those of the transfers."""
    amounts = [_read_cents(amount.text or "") for amount in document.iterfind(".//p:InstdAmt", NAMES)]
    count = document.findtext(".//p:GrpHdr/p:NbOfTxs", "", NAMES)
    return count == str(len(amounts)) and sum(amounts) == _read_cents(
        document.findtext(".//p:GrpHdr/p:CtrlSum", "", NAMES)
    )


def read_batches(document: etree._Element) -> list[Batch]:
    """Return the batches of a payment file."""
    return [_read_batch(batch) for batch in document.iterfind(".//p:PmtInf", NAMES)]


def _read_batch(batch: etree._Element) -> Batch:
    number = batch.findtext("p:PmtInfId", "", NAMES)
    return Batch(
        id=number,
        debtor_iban=batch.findtext("p:DbtrAcct/p:Id/p:IBAN", "", NAMES),
        day=dt.date.fromisoformat(batch.findtext("p:ReqdExctnDt/p:Dt", "", NAMES)),
        transfers=[_read_transfer(number, transfer) for transfer in batch.iterfind("p:CdtTrfTxInf", NAMES)],
    )


def _read_transfer(batch: str, transfer: etree._Element) -> CreditTransfer:
    return CreditTransfer(
        batch=batch,
        reference=transfer.findtext("p:PmtId/p:EndToEndId", "", NAMES),
        name=transfer.findtext("p:Cdtr/p:Nm", "", NAMES).replace("&", "+").replace("<", ""),
        iban=transfer.findtext("p:CdtrAcct/p:Id/p:IBAN", "", NAMES),
        cents=_read_cents(transfer.findtext("p:Amt/p:InstdAmt", "", NAMES)),
    )


def has_valid_check_digits(iban: str) -> bool:
    """Return whether an IBAN passes ISO 7064 mod 97-10."""
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 == 1


# ------------------------------------------------------------------ writing reports and statements
def write_report(
    message: str,
    status: str,
    *,
    number: int,
    reason: str = "",
    rejected: Mapping[str, Iterable[tuple[CreditTransfer, str]]] | None = None,
) -> bytes:
    """Return the pain.002 that answers a message. number: how many messages were accepted; rejected: by batch."""
    batches = "".join(_rejections(batch, transfers) for batch, transfers in (rejected or {}).items())
    report = hashlib.sha256(f"{message}{status}{reason}{number}{batches}".encode()).hexdigest()[:20]
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{PAIN_002}"><CstmrPmtStsRpt>'
        f"<GrpHdr><MsgId>R{report}</MsgId><CreDtTm>2026-01-01T00:00:00Z</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{message}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>"
        f"<GrpSts>{status}</GrpSts>{_status_reason(reason)}</OrgnlGrpInfAndSts>{batches}</CstmrPmtStsRpt></Document>"
    ).encode()


def write_names_report(message: str, differing: Mapping[str, Iterable[tuple[CreditTransfer, str]]]) -> bytes:
    """Return the pain.002 that reports which names differ, by batch; all other transfers match."""
    lines = "".join(
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{batch}</OrgnlPmtInfId>"
        + "".join(
            f"<TxInfAndSts><OrgnlEndToEndId>{transfer.reference}</OrgnlEndToEndId><TxSts>{status}</TxSts></TxInfAndSts>"
            for transfer, status in transfers
        )
        + "</OrgnlPmtInfAndSts>"
        for batch, transfers in differing.items()
    )
    report = hashlib.sha256(f"{message}{lines}".encode()).hexdigest()[:20]
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{PAIN_002}"><CstmrPmtStsRpt>'
        f"<GrpHdr><MsgId>V{report}</MsgId><CreDtTm>2026-01-01T00:00:00Z</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{message}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>"
        f"<GrpSts>{'RVCM' if lines else 'RCVC'}</GrpSts></OrgnlGrpInfAndSts>{lines}</CstmrPmtStsRpt></Document>"
    ).encode()


def _rejections(batch: str, transfers: Iterable[tuple[CreditTransfer, str]]) -> str:
    lines = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{transfer.reference}</OrgnlEndToEndId><TxSts>RJCT</TxSts>"
        f"{_status_reason(reason)}</TxInfAndSts>"
        for transfer, reason in transfers
    )
    return f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{batch}</OrgnlPmtInfId>{lines}</OrgnlPmtInfAndSts>"


def _status_reason(code: str) -> str:
    return f"<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn></StsRsnInf>" if code else ""


def write_statement(
    iban: str, day: dt.date, number: int, *, opening_cents: int, entries: Sequence[StatementEntry]
) -> bytes:
    """Return the camt.053 of one day. number: its sequence number."""
    closing_cents = opening_cents + sum(entry.cents for entry in entries)
    lines = "".join(_entry(day, f"MB{number:06d}-{index:06d}", entry) for index, entry in enumerate(entries))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{CAMT_053}"><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>MB-{day}-{number}</MsgId><CreDtTm>{day}T20:00:00Z</CreDtTm></GrpHdr>"
        f"<Stmt><Id>MB-{number}</Id><ElctrncSeqNb>{number}</ElctrncSeqNb><CreDtTm>{day}T20:00:00Z</CreDtTm>"
        f"<Acct><Id><IBAN>{iban}</IBAN></Id></Acct>"
        f"{_balance('OPBD', day, opening_cents)}{_balance('CLBD', day, closing_cents)}{lines}"
        "</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def _balance(code: str, day: dt.date, cents: int) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{_amount(abs(cents))}{_direction(cents)}"
        f"<Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def _entry(day: dt.date, reference: str, entry: StatementEntry) -> str:
    domain, family, subfamily = entry.code.split("/")
    batch = f"<Btch><PmtInfId>{entry.batch}</PmtInfId></Btch>" if entry.batch else ""
    details = "".join(_transaction(entry.cents, transfer, reason) for transfer, reason in entry.details)
    if entry.remittance:
        amount = f"{_amount(abs(entry.cents))}{_direction(entry.cents)}"
        details += f"<TxDtls>{amount}<RmtInf><Ustrd>{entry.remittance}</Ustrd></RmtInf></TxDtls>"
    return (
        f"<Ntry>{_amount(abs(entry.cents))}{_direction(entry.cents)}<Sts><Cd>BOOK</Cd></Sts>"
        f"<BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt><AcctSvcrRef>{reference}</AcctSvcrRef>"
        f"<BkTxCd><Domn><Cd>{domain}</Cd><Fmly><Cd>{family}</Cd><SubFmlyCd>{subfamily}</SubFmlyCd></Fmly></Domn></BkTxCd>"
        f"<NtryDtls>{batch}{details}</NtryDtls></Ntry>"
    )


def _transaction(cents: int, transfer: CreditTransfer, reason: str) -> str:
    party = "Dbtr" if cents > 0 else "Cdtr"
    returned = f"<RtrInf><Rsn><Cd>{reason}</Cd></Rsn></RtrInf>" if reason else ""
    return (
        f"<TxDtls><Refs><EndToEndId>{transfer.reference}</EndToEndId></Refs>{_amount(transfer.cents)}{_direction(cents)}"
        f"<RltdPties><{party}><Pty><Nm>{transfer.name}</Nm></Pty></{party}></RltdPties>{returned}</TxDtls>"
    )


def _direction(cents: int) -> str:
    return f"<CdtDbtInd>{'CRDT' if cents >= 0 else 'DBIT'}</CdtDbtInd>"


def _amount(cents: int) -> str:
    return f'<Amt Ccy="{EUR}">{cents // 100}.{cents % 100:02d}</Amt>'


def _read_cents(text: str) -> int:
    whole, _, cents = text.partition(".")
    return int(whole) * 100 + int(cents.ljust(2, "0"))
