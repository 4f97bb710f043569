"""A bank's file before it is imported: stored for a day, previewed, then imported or dropped."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

import msgspec
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_column, fetch_row, fetch_scalar, select, transaction
from marketplace.core.errors import Invalid, NotFound, existing
from marketplace.finance.bank import camt, csv_files
from marketplace.finance.bank.actions import LARGEST_FILE_BYTES, ImportResult, import_statements, paid_from
from marketplace.finance.bank.camt import Notice, Statement, is_notice, is_xml, read_file, read_notices
from marketplace.finance.bank.csv_files import Mapping
from marketplace.finance.bank.notices import import_notices, list_known
from marketplace.finance.bank.queries import SQL
from marketplace.finance.bank.tables import BankUpload, CsvMapping

KEPT: Final = dt.timedelta(days=1)


class StoredUpload(Struct, frozen=True):
    """A file that waits for its import."""

    data: bytes
    person: uuid.UUID


class KnownMapping(Struct, frozen=True):
    """The columns of a bank's CSV, as JSON, and the account of such files."""

    iban: str
    columns: str


class Preview(Struct, frozen=True):
    """The result that importing a file would have. Without statements, it is a CSV whose columns are unknown."""

    statements: list[Statement]
    known: set[str]
    """References of lines that were imported before."""
    strangers: set[str]
    """IBANs that are not known as ours."""
    headings: list[str]
    mapping: Mapping | None
    iban: str
    needs_opening: bool
    notices: list[Notice] = []
    """Its announcements; a file with announcements has no statement."""
    missing: dict[str, int] = {}
    """Statements with a gap before them → the amount of the gap, in cents."""
    announced: set[str] = set()
    """References of movements that were announced before."""


async def keep_upload(upload: uuid.UUID, data: bytes, person: uuid.UUID) -> None:
    """Store a file for its preview, once a form; files from before yesterday are dropped."""
    if len(data) > LARGEST_FILE_BYTES:
        raise Invalid("The file is larger than {limit} MB.", limit=LARGEST_FILE_BYTES // 1_000_000)
    now = clock.now()
    await BankUpload.delete().where(BankUpload.uploaded_at < now - KEPT)
    new = BankUpload(id=upload, data=data, person=person, uploaded_at=now)
    await BankUpload.insert(new).on_conflict(action="DO NOTHING")


async def preview(upload: uuid.UUID, person: uuid.UUID) -> Preview:
    """Return the result of importing a stored file; refuses, in a sentence, an invalid file."""
    data = await _read(upload, person)
    if is_notice(data):
        return await _preview_notices(read_notices(data))
    headings: list[str] = []
    mapping, iban, needs_opening = None, "", False
    if not is_xml(data):
        headings = csv_files.read_table(data).headings
        known = await _find_mapping(headings)
        if known:
            iban, mapping = known.iban, msgspec.json.decode(known.columns, type=Mapping)
            opening = await _closing(iban)
            needs_opening = not mapping.balance and opening is None
        statements = [] if mapping is None or needs_opening else [csv_files.read_csv(data, mapping, iban, opening)]
    else:
        statements = await read_file(data)
    lines = [line.reference for statement in statements for line in statement.lines]
    ibans = list({statement.iban for statement in statements})
    of_these = "SELECT reference FROM bank_line WHERE iban = ANY ($1) AND reference = ANY ($2)"
    found = set(await fetch_column(str, of_these, ibans, lines))
    ours = await fetch_column(str, "SELECT iban FROM bank_account WHERE iban = ANY ($1)", ibans)
    return Preview(
        statements,
        found,
        set(ibans) - set(ours) - {paid_from()},
        headings,
        mapping,
        iban,
        needs_opening,
        missing=await _missing_before(statements, found),
    )


async def _missing_before(statements: list[Statement], known: set[str]) -> dict[str, int]:
    """Return the new statements that do not open at their account's previous balance, and the difference in cents."""
    missing: dict[str, int] = {}
    closings: dict[str, int] = {}
    for one in sorted(statements, key=lambda statement: (statement.opened_on, statement.closed_on)):
        before = closings.get(one.iban)
        if before is None:
            before = await fetch_scalar(int, SQL["closing_before"], one.iban, one.opened_on, one.statement_id)
        is_here = bool(one.lines) and all(line.reference in known for line in one.lines)
        if before is not None and before != one.opening_minor and not is_here:
            missing[one.statement_id] = one.opening_minor - before
        closings[one.iban] = one.closing_minor
    return missing


async def _preview_notices(notices: list[Notice]) -> Preview:
    """Return the result of a notification: its movements that were announced before, or are on a statement."""
    found = [
        row for one in notices for row in (await list_known(one.iban, [line.reference for line in one.lines])).values()
    ]
    ibans = list({notice.iban for notice in notices})
    ours = await fetch_column(str, "SELECT iban FROM bank_account WHERE iban = ANY ($1)", ibans)
    return Preview(
        [],
        {row.reference for row in found if not row.is_announced},
        set(ibans) - set(ours),
        [],
        None,
        "",
        needs_opening=False,
        notices=notices,
        announced={row.reference for row in found if row.is_announced},
    )


async def write_mapping(upload: uuid.UUID, person: uuid.UUID, iban: str, mapping: Mapping) -> None:
    """Store the columns of a stored file, for its account and all later files with these headings."""
    headings = csv_files.read_table(await _read(upload, person)).headings
    csv_files.check_mapping(mapping, headings)
    plain = iban.replace(" ", "").upper()
    if not camt.IBAN.fullmatch(plain):
        raise Invalid("The statement {name} names no account by its IBAN.", name="CSV")
    row = CsvMapping(
        iban=plain,
        headings="\t".join(headings),
        columns=msgspec.json.encode(mapping).decode(),
        person=person,
        at=clock.now(),
    )
    await CsvMapping.insert(row).on_conflict(
        target=CsvMapping.iban,
        action="DO UPDATE",
        values=[CsvMapping.headings, CsvMapping.columns, CsvMapping.person, CsvMapping.at],
    )


async def import_upload(
    upload: uuid.UUID, person: uuid.UUID, *, new_account: bool, opening_minor: int | None = None
) -> ImportResult:
    """Import a stored file whole, once, and drop it. opening_minor: cents of an account whose CSV has no balances."""
    data = await _read(upload, person)
    if is_notice(data):
        async with transaction():
            imported = await import_notices(read_notices(data), data, person=person)
            await BankUpload.delete().where(BankUpload.id == upload)
        return imported
    if not is_xml(data):
        known = existing(
            await _find_mapping(csv_files.read_table(data).headings),
            Invalid("Say first which column of this file is what."),
        )
        opening = await _closing(known.iban)
        mapping = msgspec.json.decode(known.columns, type=Mapping)
        statements = [csv_files.read_csv(data, mapping, known.iban, opening_minor if opening is None else opening)]
    else:
        statements = await read_file(data)
    today = clock.now().date()
    if late := next((one for one in statements if one.closed_on > today + dt.timedelta(days=1)), None):
        raise Invalid("The statement {name} closes in the future.", name=late.statement_id)
    async with transaction():
        imported = await import_statements(statements, data, person=person, new_account=new_account)
        await BankUpload.delete().where(BankUpload.id == upload)
    return imported


async def _read(upload: uuid.UUID, person: uuid.UUID) -> bytes:
    row = await fetch_row(StoredUpload, select(StoredUpload, BankUpload).where(BankUpload.id == upload))
    if row is None or row.person != person:
        raise NotFound("There is no such file any more; send it again.")
    return row.data


async def _find_mapping(headings: list[str]) -> KnownMapping | None:
    """Return the latest stored columns of files with these headings."""
    latest = select(KnownMapping, CsvMapping).where(CsvMapping.headings == "\t".join(headings))
    return await fetch_row(KnownMapping, latest.order_by(CsvMapping.at, ascending=False).limit(1))


async def _closing(iban: str) -> int | None:
    """Return an account's balance by its last statement, in cents; None without a statement."""
    return await fetch_scalar(int, SQL["last_closing"], iban)
