"""A bank for the demo and the tests: takes pain.001, answers with pain.002, pays on its day, and says so in camt.053.

It shares no code with those who write and read these files, so that both sides must mean the same by them. It refuses
what breaks the schema and IBANs whose check digits do not fit, and knows a message that came before by its id. What it
should refuse or return is told by IBAN.
Source: ISO 20022 pain.001.001.09, pain.002.001.10, camt.053.001.08.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, field
from importlib import resources
from io import BytesIO

from lxml import etree

PAIN = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
REPORT = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
STATEMENT = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
IN = {"p": PAIN}


@dataclass
class Order:
    """One transfer that the bank has accepted."""

    batch: str
    reference: str
    name: str
    iban: str
    cents: int


@dataclass
class Bank:
    """One account at a bank, and the days it has closed."""

    iban: str
    balance_cents: int = 100_000_000
    books_batches: bool = True
    """One line a batch on the statement; else one a transfer."""
    books_gross: bool = False
    """Books a whole batch, what it refused included, and gives the refused part back with a line of its own."""
    refuses: dict[str, str] = field(default_factory=dict)
    """IBAN → reason, refused when the file comes."""
    returns: dict[str, str] = field(default_factory=dict)
    """IBAN → reason, sent back the working day after it was paid."""
    seen: set[str] = field(default_factory=set)
    waiting: dict[dt.date, list[Order]] = field(default_factory=dict)
    coming_back: list[tuple[Order, str]] = field(default_factory=list)
    refused: list[tuple[Order, str]] = field(default_factory=list)
    days: int = 0

    def take(self, file: bytes) -> bytes:
        """Take a pain.001 and return the pain.002 that answers it."""
        document = etree.fromstring(file)
        schema = etree.XMLSchema(
            etree.parse(BytesIO((resources.files("sepaxml") / "schemas/pain.001.001.09.xsd").read_bytes()))
        )
        message = document.findtext(".//p:GrpHdr/p:MsgId", "", IN)
        if not schema.validate(document):
            return self._report(message, "RJCT", "FF01")
        if message in self.seen:
            return self._report(message, "RJCT", "AM05")
        if not self._adds_up(document):
            return self._report(message, "RJCT", "AM10")
        self.seen.add(message)
        refused: dict[str, list[tuple[Order, str]]] = {}
        accepted = 0
        for batch in document.iterfind(".//p:PmtInf", IN):
            number = batch.findtext("p:PmtInfId", "", IN)
            if batch.findtext("p:DbtrAcct/p:Id/p:IBAN", "", IN) != self.iban:
                return self._report(message, "RJCT", "AC02")
            day = dt.date.fromisoformat(batch.findtext("p:ReqdExctnDt/p:Dt", "", IN))
            for one in batch.iterfind("p:CdtTrfTxInf", IN):
                order = _order(number, one)
                if reason := self.refuses.get(order.iban) or ("" if _fits(order.iban) else "AC01"):
                    refused.setdefault(number, []).append((order, reason))
                    if self.books_gross:
                        self.waiting.setdefault(day, []).append(order)
                        self.refused.append((order, reason))
                else:
                    accepted += 1
                    self.waiting.setdefault(day, []).append(order)
        status = "ACCP" if not refused else "PART" if accepted else "RJCT"
        return self._report(message, status, "", refused)

    def close_day(self, day: dt.date, *, booked_on: dt.date | None = None) -> bytes:
        """Pay what is due by this day, send back what comes back, and return the statement, dated `booked_on` if given."""
        self.days += 1
        opening = self.balance_cents
        entries: list[str] = []
        due = [order for on, orders in self.waiting.items() if on <= day for order in orders]
        self.waiting = {on: orders for on, orders in self.waiting.items() if on > day}
        day = booked_on or day
        for order, reason in self.coming_back:
            entries.append(self._entry(day, len(entries), order.cents, [(order, reason)], "PMNT/RCDT/RRTN"))
        self.coming_back = []
        for group in _grouped(due) if self.books_batches else [[order] for order in due]:
            total = sum(order.cents for order in group)
            parts = [] if self.books_batches else [(group[0], "")]
            entries.append(self._entry(day, len(entries), -total, parts, "PMNT/ICDT/ESCT", batch=group[0].batch))
        refused = {order.reference for order, _ in self.refused}
        for order, reason in self.refused if due else []:
            entries.append(self._entry(day, len(entries), order.cents, [(order, reason)], "PMNT/ICDT/RRTN"))
        self.refused = [] if due else self.refused
        self.coming_back += [
            (order, self.returns[order.iban])
            for order in due
            if order.iban in self.returns and order.reference not in refused
        ]
        return self._statement(day, opening, entries)

    # -------------------------------------------------------------- what it writes
    def _report(
        self, message: str, status: str, reason: str, refused: dict[str, list[tuple[Order, str]]] | None = None
    ) -> bytes:
        judged = "".join(
            f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{batch}</OrgnlPmtInfId>"
            + "".join(
                f"<TxInfAndSts><OrgnlEndToEndId>{order.reference}</OrgnlEndToEndId><TxSts>RJCT</TxSts>"
                f"<StsRsnInf><Rsn><Cd>{why}</Cd></Rsn></StsRsnInf></TxInfAndSts>"
                for order, why in orders
            )
            + "</OrgnlPmtInfAndSts>"
            for batch, orders in (refused or {}).items()
        )
        why = f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf>" if reason else ""
        number = hashlib.sha256(f"{message}{status}{reason}{len(self.seen)}{judged}".encode()).hexdigest()[:20]
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{REPORT}"><CstmrPmtStsRpt><GrpHdr><MsgId>R{number}</MsgId>'
            f"<CreDtTm>2026-01-01T00:00:00Z</CreDtTm></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>{message}</OrgnlMsgId>"
            f"<OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId><GrpSts>{status}</GrpSts>{why}</OrgnlGrpInfAndSts>{judged}"
            "</CstmrPmtStsRpt></Document>"
        ).encode()

    def _entry(
        self, day: dt.date, number: int, cents: int, parts: list[tuple[Order, str]], code: str, *, batch: str = ""
    ) -> str:
        self.balance_cents += cents
        domain, family, sub = code.split("/")
        details = f"<Btch><PmtInfId>{batch}</PmtInfId></Btch>" if batch else ""
        side = "Dbtr" if cents > 0 else "Cdtr"
        for order, reason in parts:
            why = f"<RtrInf><Rsn><Cd>{reason}</Cd></Rsn></RtrInf>" if reason else ""
            details += (
                f'<TxDtls><Refs><EndToEndId>{order.reference}</EndToEndId></Refs><Amt Ccy="EUR">{_euros(order.cents)}</Amt>'
                f"<CdtDbtInd>{'CRDT' if cents > 0 else 'DBIT'}</CdtDbtInd><RltdPties><{side}><Pty><Nm>{order.name}</Nm></Pty></{side}>"
                f"</RltdPties>{why}</TxDtls>"
            )
        return (
            f'<Ntry><Amt Ccy="EUR">{_euros(abs(cents))}</Amt><CdtDbtInd>{"CRDT" if cents > 0 else "DBIT"}</CdtDbtInd>'
            f"<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt>"
            f"<AcctSvcrRef>MB{self.days:06d}-{number:06d}</AcctSvcrRef><BkTxCd><Domn><Cd>{domain}</Cd><Fmly><Cd>{family}</Cd>"
            f"<SubFmlyCd>{sub}</SubFmlyCd></Fmly></Domn></BkTxCd><NtryDtls>{details}</NtryDtls></Ntry>"
        )

    def _statement(self, day: dt.date, opening: int, entries: list[str]) -> bytes:
        def balance(code: str, cents: int) -> str:
            return (
                f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{_euros(abs(cents))}</Amt>'
                f"<CdtDbtInd>{'CRDT' if cents >= 0 else 'DBIT'}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
            )

        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{STATEMENT}"><BkToCstmrStmt><GrpHdr><MsgId>MB-{day}-{self.days}</MsgId>'
            f"<CreDtTm>{day}T20:00:00Z</CreDtTm></GrpHdr><Stmt><Id>MB-{self.days}</Id><ElctrncSeqNb>{self.days}</ElctrncSeqNb>"
            f"<CreDtTm>{day}T20:00:00Z</CreDtTm><Acct><Id><IBAN>{self.iban}</IBAN></Id></Acct>{balance('OPBD', opening)}"
            f"{balance('CLBD', self.balance_cents)}{''.join(entries)}</Stmt></BkToCstmrStmt></Document>"
        ).encode()

    @staticmethod
    def _adds_up(document: etree._Element) -> bool:
        amounts = [_cents(amount.text or "") for amount in document.iterfind(".//p:InstdAmt", IN)]
        return document.findtext(".//p:GrpHdr/p:NbOfTxs", "", IN) == str(len(amounts)) and _cents(
            document.findtext(".//p:GrpHdr/p:CtrlSum", "", IN)
        ) == sum(amounts)


def _order(batch: str, one: etree._Element) -> Order:
    return Order(
        batch=batch,
        reference=one.findtext("p:PmtId/p:EndToEndId", "", IN),
        name=one.findtext("p:Cdtr/p:Nm", "", IN).replace("&", "+").replace("<", ""),
        iban=one.findtext("p:CdtrAcct/p:Id/p:IBAN", "", IN),
        cents=_cents(one.findtext("p:Amt/p:InstdAmt", "", IN)),
    )


def _grouped(orders: list[Order]) -> list[list[Order]]:
    groups: dict[str, list[Order]] = {}
    for order in orders:
        groups.setdefault(order.batch, []).append(order)
    return list(groups.values())


def _fits(iban: str) -> bool:
    """Tell whether an IBAN's check digits fit, by the standard's own arithmetic."""
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 == 1


def _cents(text: str) -> int:
    whole, _, cents = text.partition(".")
    return int(whole) * 100 + int(cents.ljust(2, "0"))


def _euros(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
