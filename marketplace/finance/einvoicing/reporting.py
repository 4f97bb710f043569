"""E-reporting: sales to companies outside France's network, and payments with VAT, per period, after its end."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from typing import Final

import msgspec
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import copy_in, execute, fetch_rows, fetch_scalar, transaction
from marketplace.core.locks import lock
from marketplace.core.settings import settings
from marketplace.core.web.formats import PARIS, paris_day
from marketplace.finance.einvoicing.parts import PartToSay, list_parts_to_report, write_reported
from marketplace.finance.einvoicing.queries import SQL
from marketplace.finance.einvoicing.reports import Head, ReportedDocument, write_payments, write_transactions
from marketplace.finance.einvoicing.rules import GRACE, period_of
from marketplace.finance.einvoicing.tables import Flow, Report

KINDS: Final = {"transactions": write_transactions, "payments": write_payments}
LOCK: Final = "e-reports"


class UnreportedDocument(Struct, frozen=True):
    """A document that is in no report."""

    id: uuid.UUID
    issued_at: dt.datetime
    settled_at: dt.datetime | None


class OfPeriod(Struct, frozen=True):
    """A document of a period, or a settled part of one; amounts in cents, below zero for a credit note."""

    id: uuid.UUID
    document: bytes
    issued_at: dt.datetime
    settled_at: dt.datetime | None
    net_minor: int
    vat_minor: int


async def make_reports() -> int:
    """Write a report of each past period with unreported documents; return how many.

    A late document has its whole period reported again: the later report replaces the earlier one.
    """
    made = 0
    for kind in KINDS:
        async with transaction():
            await lock(LOCK)
            now = clock.now()
            over_before = _over_before(kind, now)
            periods: dict[tuple[dt.date, dt.date], list[UnreportedDocument | PartToSay]] = defaultdict(list)
            found: list[UnreportedDocument | PartToSay] = [
                *await fetch_rows(UnreportedDocument, SQL["list_unreported"], kind, over_before)
            ]
            if kind == "payments":
                found += await list_parts_to_report(over_before)
            for one in found:
                at = one.issued_at if kind == "transactions" else one.settled_at or one.issued_at
                periods[period_of(kind, paris_day(at))].append(one)
            for (first, last), new in sorted(periods.items()):
                await _make(kind, first, last, new, now)
            made += len(periods)
            await execute(SQL["forget_reported"], kind, over_before)
    return made


def _over_before(kind: str, now: dt.datetime) -> dt.datetime:
    """Return the instant before which all periods and their grace are over: when the present one began."""
    first, _ = period_of(kind, paris_day(now - GRACE))
    return dt.datetime.combine(first, dt.time(), PARIS)


def _midnight_after(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), PARIS)


async def _make(
    kind: str, first: dt.date, last: dt.date, found: list[UnreportedDocument | PartToSay], now: dt.datetime
) -> None:
    """Write one report, its documents, and its file for the outbox; joins the caller's transaction."""
    starts_at, ends_at = dt.datetime.combine(first, dt.time(), PARIS), _midnight_after(last)
    new = [one.id for one in found if isinstance(one, UnreportedDocument)]
    parts = [one for one in found if isinstance(one, PartToSay)]
    rows = await fetch_rows(OfPeriod, SQL["list_of_period"], kind, starts_at, ends_at, new, first)
    if kind == "payments":
        rows += [*await _list_parts_of_period(starts_at, ends_at), *map(_of_period, parts)]
    before = await fetch_scalar(
        int, "SELECT max(sequence) FROM e_report WHERE kind = $1 AND first_day = $2", kind, first
    )
    report, sequence = uuid.uuid4(), (before or 0) + 1
    head = Head(
        id=f"{first:%Y%m%d}-{kind[0].upper()}-{sequence}",
        made_at=now,
        is_first=sequence == 1,
        platform=settings().einvoicing_platform,
        siren=settings().seller_siren,
        name=settings().seller_name,
        first_day=first,
        last_day=last,
    )
    documents = [
        ReportedDocument(
            msgspec.json.decode(row.document), paris_day(row.settled_at or row.issued_at), row.net_minor + row.vat_minor
        )
        for row in rows
    ]
    await Report.insert(
        Report(
            id=report,
            kind=kind,
            first_day=first,
            last_day=last,
            sequence=sequence,
            documents=len(rows),
            net_minor=sum(row.net_minor for row in rows),
            vat_minor=sum(row.vat_minor for row in rows),
            made_at=now,
        )
    )
    await write_reported(parts, report)
    await copy_in("reported_document", ("invoice", "kind", "report"), [(one, kind, report) for one in new])
    body = KINDS[kind](head, documents)
    await Flow.insert(
        Flow(id=uuid.uuid4(), kind=kind, report=report, name=f"{head.id}.xml", body=body, next_at=now, created_at=now)
    )


def _of_period(part: PartToSay) -> OfPeriod:
    vat = part.vat_of_part()
    return OfPeriod(part.invoice, part.document, part.issued_at, part.settled_at, part.amount_minor - vat, vat)


async def _list_parts_of_period(starts_at: dt.datetime, ends_at: dt.datetime) -> list[OfPeriod]:
    """Return the parts that reports have between two instants, the second excluded."""
    return await fetch_rows(
        OfPeriod,
        """SELECT part.invoice AS id, invoice.document, invoice.issued_at, part.settled_at,
                  part.total_minor - part.vat_minor AS net_minor, part.vat_minor
           FROM settled_part AS part JOIN invoice ON invoice.id = part.invoice
           WHERE part.report IS NOT NULL AND part.settled_at >= $1 AND part.settled_at < $2
           ORDER BY part.settled_at, part.id""",
        starts_at,
        ends_at,
    )
