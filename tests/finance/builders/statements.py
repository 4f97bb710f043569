"""Bank statements as a bank writes them: camt.053, version 02 or 08, from a few words."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.finance.bank.actions import import_bank_statement
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import record
from tests.support.reads import fetch, fetch_value

IBAN = "FR7630006000011234567890189"
DAY = dt.date(2026, 10, 5)


def euros(minor: int) -> str:
    return f"{abs(minor) // 100}.{abs(minor) % 100:02d}"


@dataclass
class Entry:
    """One booked entry; `parts` are its transactions, (amount, end-to-end id) each."""

    amount: int
    reference: str = ""
    words: str = ""
    name: str = ""
    end_to_end: str = ""
    parts: tuple[tuple[int, str], ...] = ()
    status: str = "BOOK"
    day: dt.date = DAY
    batch: str = ""
    return_reason: str = ""

    def xml(self, version: str) -> str:
        sign = "CRDT" if self.amount > 0 else "DBIT"
        status = self.status if version == "02" else f"<Cd>{self.status}</Cd>"
        side = "Dbtr" if self.amount > 0 else "Cdtr"
        party = f"<Nm>{escape(self.name)}</Nm>" if version == "02" else f"<Pty><Nm>{escape(self.name)}</Nm></Pty>"
        known = f"<RltdPties><{side}>{party}</{side}></RltdPties>" if self.name else ""
        words = f"<RmtInf><Ustrd>{escape(self.words)}</Ustrd></RmtInf>" if self.words else ""
        return_information = f"<RtrInf><Rsn><Cd>{self.return_reason}</Cd></Rsn></RtrInf>" if self.return_reason else ""
        batch = f"<Btch><PmtInfId>{self.batch}</PmtInfId></Btch>" if self.batch else ""
        details = ""
        for amount, name in self.parts or ((0, self.end_to_end),):
            inner = f'<Amt Ccy="EUR">{euros(amount)}</Amt>'
            if version == "02":
                inner = f"<AmtDtls><TxAmt>{inner}</TxAmt></AmtDtls>"
            refs = f"<Refs><EndToEndId>{escape(name or 'NOTPROVIDED')}</EndToEndId></Refs>"
            details += f"<TxDtls>{refs}{inner if amount else ''}{known}{words}{return_information}</TxDtls>"
        return (
            f'<Ntry><Amt Ccy="EUR">{euros(self.amount)}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Sts>{status}</Sts>'
            f"<BookgDt><Dt>{self.day}</Dt></BookgDt><ValDt><Dt>{self.day}</Dt></ValDt>"
            + (f"<AcctSvcrRef>{self.reference}</AcctSvcrRef>" if self.reference else "")
            + f"<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>"
            f"<NtryDtls>{batch}{details}</NtryDtls></Ntry>"
        )


@dataclass
class Statement:
    """A statement whose closing balance is what it must be, unless another is given."""

    entries: list[Entry] = field(default_factory=list)
    opening: int = 0
    closing: int | None = None
    name: str = "S1"
    message: str = "M1"
    iban: str = IBAN
    day: dt.date = DAY
    sequence: int | None = None

    def ends_at(self) -> int:
        booked = sum(entry.amount for entry in self.entries if entry.status == "BOOK")
        return self.opening + booked if self.closing is None else self.closing

    def xml(self, version: str = "02") -> bytes:
        balances = ""
        for code, amount in (("OPBD", self.opening), ("CLBD", self.ends_at())):
            sign = "CRDT" if amount >= 0 else "DBIT"
            balances += (
                f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
                f'<Amt Ccy="EUR">{euros(amount)}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Dt><Dt>{self.day}</Dt></Dt></Bal>'
            )
        number = f"<ElctrncSeqNb>{self.sequence}</ElctrncSeqNb>" if self.sequence is not None else ""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}">'
            f"<BkToCstmrStmt><GrpHdr><MsgId>{self.message}</MsgId><CreDtTm>{self.day}T23:00:00+01:00</CreDtTm></GrpHdr>"
            f"<Stmt><Id>{self.name}</Id>{number}<CreDtTm>{self.day}T23:00:00+01:00</CreDtTm>"
            f"<Acct><Id><IBAN>{self.iban}</IBAN></Id></Acct>{balances}"
            + "".join(entry.xml(version) for entry in self.entries)
            + "</Stmt></BkToCstmrStmt></Document>"
        ).encode()


async def banked(*amounts: int, words: str = "our order", iban: str = IBAN) -> list[int]:
    """Import a statement of these lines and return their ids."""
    last = await fetch_value("SELECT coalesce(max(id), 0) FROM bank_line")
    opening = await fetch_value("SELECT coalesce(sum(amount_minor), 0)::bigint FROM bank_line")
    given = Statement(
        [Entry(amount, f"B{last}-{place}", words=words) for place, amount in enumerate(amounts)],
        opening=opening,
        name=f"S{last}",
        message=f"M{last}",
        iban=iban,
    )
    await import_bank_statement(given.xml(), person=None, new_account=not last)
    return [last + 1 + place for place in range(len(amounts))]


def announces(entries: Sequence[Entry], *, name: str = "N1", version: str = "08") -> bytes:
    """Return a notification as a bank writes it: a statement's entries, and no balances."""
    text = Statement(list(entries), name=name).xml(version).decode()
    text = re.sub(r"<Bal>.*?</Bal>", "", text).replace("camt.053", "camt.054")
    return text.replace("BkToCstmrStmt", "BkToCstmrDbtCdtNtfctn").replace("Stmt>", "Ntfctn>").encode()


async def record_payout(name: str, amount: int, *, days: int = 8) -> None:
    """Let Stripe pay an amount out, some days ago."""
    at = clock.now() - dt.timedelta(days=days)
    await execute(
        """INSERT INTO balance_transaction (id, category, amount_minor, fee_minor, net_minor, source_id, status, created_at,
                                            available_on)
           VALUES ('txn_' || $1, 'payout', -$2::bigint, 0, -$2::bigint, $1, 'available', $3, $3)""",
        name,
        amount,
        at,
    )
    await record(
        "stripe_payout", f"txn_{name}", at=at, text="Payout", postings=[(chart.TRANSFERS, chart.STRIPE, amount)]
    )


async def bank_says(*entries: Entry, name: str = "S1") -> list[int]:
    """Import a statement of a week ago; the lines' ids."""
    day = clock.now().date() - dt.timedelta(days=6)
    for entry in entries:
        entry.day = day
    opening = await fetch_value(
        "SELECT coalesce((SELECT closing_minor FROM bank_statement ORDER BY id DESC LIMIT 1), 0)"
    )
    given = Statement(list(entries), opening=opening, name=name, message=f"M-{name}", day=day)
    await import_bank_statement(given.xml("08"), person=None, new_account=True)
    return [row["id"] for row in await fetch("SELECT id FROM bank_line ORDER BY id DESC LIMIT $1", len(entries))][::-1]


async def open_exceptions() -> list[tuple[str, str, int | None]]:
    return sorted((row.why, row.reference, row.amount_minor) for row in (await list_exceptions()).rows)
