"""Closing a year: its months are closed, one person proposes, another agrees; its FEC is written then, and can be again.

The books carry on by themselves: an account holds what it held. What a year earned (accounts 6 and 7) is carried to
retained earnings in its files, where French books open with it. A closed year's file is made of entries that nobody can
change and of words kept with the close, so years later it is the same, byte for byte.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import msgspec
from msgspec import Struct

from marketplace import clock
from marketplace.audit_trail.actions import note_action
from marketplace.bookkeeping.export_files import request_export
from marketplace.bookkeeping.exports.fec import current_words
from marketplace.bookkeeping.queries import SQL
from marketplace.bookkeeping.tables import YearClose
from marketplace.database import fetch_row, fetch_rows, fetch_scalar, select, transaction
from marketplace.errors import Conflict, NotFound
from marketplace.ledger import two_people
from marketplace.ledger.periods import closed_until
from marketplace.ledger.queries import AccountBalance, trial_balance
from marketplace.web.formats import PARIS
from marketplace.web.pages import localised
from marketplace.web.sorting import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from marketplace.identity.actors import Actor

EARNED: Final = ("6", "7")
YEARS_BY: Final = {
    "": "year DESC, proposed_at DESC",
    "oldest": "year, proposed_at",
    "result": "result_minor DESC, year DESC",
    "carried": "carried_minor DESC, year DESC",
    "proposed": "proposed_at, year_close.id",
    "decided": "decided_at, year_close.id",
}
"""What the closes of years are sorted by → SQL."""
OPENING_BY: Final[Mapping[str, Callable[[Carried], Any]]] = {
    "opening_title": lambda row: localised(row, "title").lower(),
    "opening_debit": lambda row: -row.balance_minor,
    "opening_credit": lambda row: row.balance_minor,
}
"""What the balances that a year hands on are sorted by."""
PROFITS, LOSSES = "110000", "119000"
"""Where what earlier years earned is carried to: report à nouveau créditeur, débiteur."""


class Carried(Struct, frozen=True):
    """What an account opens the next year with, in signed cents: debit balances are positive."""

    code: str
    title_fr: str
    title_en: str
    balance_minor: int


class YearEnd(Struct, frozen=True):
    """What a year ends with: what it earned, and the balances that it hands on; in cents."""

    result_minor: int
    carried: list[Carried]

    @property
    def carried_minor(self) -> int:
        """Return the sum of the debit balances, which is that of the credit ones."""
        return sum(row.balance_minor for row in self.carried if row.balance_minor > 0)


class YearRow(Struct, frozen=True):
    """A close of a year with the people behind it, and the hash of its file once that is written."""

    id: uuid.UUID
    year: int
    result_minor: int
    carried_minor: int
    proposed_by: uuid.UUID
    proposed_at: dt.datetime
    decided_at: dt.datetime | None
    approved: bool | None
    proposer: str
    decider: str | None
    sha256: str
    fault: str
    """What our own check found wrong with the file; empty where nothing was."""
    written: int
    """How many times its file was written."""
    differing: int
    """How many of these differ from the first: none, ever."""


class StoredClose(Struct, frozen=True):
    """A close as stored."""

    year: int
    result_minor: int
    proposed_by: uuid.UUID
    approved: bool | None


def end_of(year: int) -> dt.datetime:
    """Return the instant at which a year is over in Paris."""
    return dt.datetime.combine(dt.date(year + 1, 1, 1), dt.time(), PARIS).astimezone(dt.UTC)


async def list_years(which: str = "", sort: str = "") -> list[YearRow]:
    """Return every close that was proposed, in an order of YEARS_BY, the latest year first where it names none.

    `which` narrows them to those that were approved or refused.
    """
    return await fetch_rows(YearRow, f"{SQL['list_years']} ORDER BY {YEARS_BY.get(sort, YEARS_BY[''])}", which)


async def list_closable() -> list[int]:
    """Return the years that ended, whose months are closed and that nobody closed or proposed to close, oldest first."""
    until = await closed_until()
    first = await fetch_scalar(dt.datetime, "SELECT min(at) FROM journal_entry")
    if until is None or first is None:
        return []
    known = {row.year for row in await list_years() if row.approved is not False}
    years = range(first.astimezone(PARIS).year, until.astimezone(PARIS).year)
    return [year for year in years if year not in known and end_of(year) <= until]


async def year_end(year: int) -> YearEnd:
    """Return what a year earned and what each account opens the next one with."""
    before, after = [await trial_balance(end_of(one) - dt.timedelta(microseconds=1)) for one in (year - 1, year)]
    earned, earlier = _earned(after), _earned(before)
    carried = [
        Carried(row.code, row.title_fr, row.title_en, row.balance_minor)
        for row in after
        if row.balance_minor and not row.code.startswith(EARNED)
    ]
    if earned:
        code = PROFITS if earned > 0 else LOSSES
        carried.append(Carried(code, "Report à nouveau", "Retained earnings", -earned))
    return YearEnd(earned - earlier, sorted(carried, key=lambda row: row.code))


async def list_opening(year: int, sort: str = "") -> list[Carried]:
    """Return what each account opens the year after one with, in an order of OPENING_BY, by account where it names none."""
    return in_order((await year_end(year)).carried, sort, OPENING_BY)


def _earned(rows: list[AccountBalance]) -> int:
    return -sum(row.balance_minor for row in rows if row.code.startswith(EARNED))


async def propose_year(year: int, actor: Actor, *, form_id: uuid.UUID) -> None:
    """Propose to close a year, once a form; refuse one whose months are open, or that was proposed or closed before."""
    if await YearClose.exists().where(YearClose.id == form_id):
        return
    if year not in await list_closable():
        raise Conflict("That year cannot be closed: a month of it is open, or it was proposed already.")
    end = await year_end(year)
    proposal = YearClose(
        id=form_id,
        year=year,
        result_minor=end.result_minor,
        carried_minor=end.carried_minor,
        proposed_by=actor.person,
        proposed_at=clock.now(),
        words=msgspec.json.encode(current_words()).decode(),
    )
    async with transaction():
        try:
            await YearClose.insert(proposal)
        except asyncpg.UniqueViolationError:
            raise Conflict("That year cannot be closed: a month of it is open, or it was proposed already.") from None
        await note_action(actor, "year_close_proposed", str(year), after={"amount_minor": end.result_minor})


async def decide_year(close: uuid.UUID, actor: Actor, *, approve: bool) -> None:
    """Approve or refuse the close of a year that someone else proposed; approved, its FEC is asked for."""
    async with transaction():
        row = await two_people.lock_proposal(StoredClose, YearClose, close)
        who = await two_people.decide(YearClose, close, row, actor, approve=approve)
        await note_action(
            actor,
            "year_closed" if approve else "year_close_refused",
            str(row.year),
            after={"amount_minor": row.result_minor} | who,
        )
        if approve:
            await _ask_file(close, row.year, actor)


async def rebuild_year(close: uuid.UUID, actor: Actor, *, form_id: uuid.UUID) -> None:
    """Ask for the file of a closed year again: it must be the first one, byte for byte."""
    row = await fetch_row(StoredClose, select(StoredClose, YearClose).where(YearClose.id == close))
    if row is None or not row.approved:
        raise NotFound("That year is not closed.")
    await _ask_file(form_id, row.year, actor)


async def _ask_file(export: uuid.UUID, year: int, actor: Actor) -> None:
    days = dt.date(year, 1, 1), dt.date(year, 12, 31)
    await request_export(export, actor, file_format="fec", first_day=days[0], last_day=days[1])
