"""Closing a year: its months are closed, one person proposes, another agrees; its FEC is written then, and can be again.

The books carry on by themselves: an account holds what it held. What a year earned (accounts 6 and 7) is carried to
retained earnings in its files, where French books open with it. A closed year's file is made of entries that nobody can
change and of words kept with the close, so years later it is the same, byte for byte.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from marketplace.core.database import fetch_rows, fetch_scalar
from marketplace.core.errors import Conflict, NotFound, existing
from marketplace.core.web.formats import PARIS, money
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import localised
from marketplace.core.web.sorting import in_order
from marketplace.core.words import Words
from marketplace.finance.bookkeeping.export_files import request_export
from marketplace.finance.bookkeeping.exports.fec import FileWords, current_words
from marketplace.finance.bookkeeping.queries import SQL
from marketplace.money.ledger.periods import closed_until
from marketplace.money.ledger.queries import AccountBalance, trial_balance
from marketplace.people.proposals.actions import propose
from marketplace.people.proposals.queries import list_proposals
from marketplace.people.proposals.rules import Decision, ProposalKind
from pricing.money import EUR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from marketplace.people.identity.actors import Actor

EARNED: Final = ("6", "7")
FIRST_YEAR, LAST_YEAR = 2000, 2999
"""Years that books may have: days of others may lie outside the calendar once a time zone is applied."""
YEARS_BY: Final = {
    "": "year DESC",
    "oldest": "year",
    "result": "result_minor DESC, year DESC",
    "carried": "carried_minor DESC, year DESC",
    "proposed": "proposed_at, year",
    "decided": "decided_at, year",
}
"""What the closed years are sorted by → SQL."""
OPENING_BY: Final[Mapping[str, Callable[[CarriedBalance], Any]]] = {
    "opening_title": lambda row: localised(row, "title").lower(),
    "opening_debit": lambda row: -row.balance_minor,
    "opening_credit": lambda row: row.balance_minor,
}
"""What the balances that a year hands on are sorted by."""
PROFITS, LOSSES = "110000", "119000"
"""Where what earlier years earned is carried to: report à nouveau créditeur, débiteur."""


class CarriedBalance(Struct, frozen=True):
    """What an account opens the next year with, in signed cents: debit balances are positive."""

    code: str
    title_fr: str
    title_en: str
    balance_minor: int


class YearEnd(Struct, frozen=True):
    """What a year ends with: what it earned, and the balances that it hands on; in cents."""

    result_minor: int
    carried: list[CarriedBalance]

    @property
    def carried_minor(self) -> int:
        """Return the sum of the debit balances, which is that of the credit ones."""
        return sum(row.balance_minor for row in self.carried if row.balance_minor > 0)


class YearRow(Struct, frozen=True):
    """A closed year with the people behind it, and the hash of its file once that is written; amounts in cents."""

    id: uuid.UUID
    year: int
    result_minor: int
    carried_minor: int
    proposed_at: dt.datetime
    decided_at: dt.datetime
    proposer: str
    decider: str
    sha256: str
    fault: str
    """What our own check found wrong with the file; empty where nothing was."""
    written: int
    """How many times its file was written."""
    differing: int
    """How many of these differ from the first: none, ever."""


class YearClose(Struct, frozen=True):
    """The close of a year as it is proposed; amounts in cents.

    result_minor: what the year earned; negative: a loss. carried_minor: the sum of the debit balances that open the next
    year, and of the credit ones. words: what the year's file is written with besides the books.
    """

    year: int
    result_minor: int
    carried_minor: int
    words: FileWords


def end_of(year: int) -> dt.datetime:
    """Return the instant at which a year is over in Paris."""
    return dt.datetime.combine(dt.date(year + 1, 1, 1), dt.time(), PARIS).astimezone(dt.UTC)


async def list_years(sort: str = "") -> list[YearRow]:
    """Return every closed year, in an order of YEARS_BY, the latest first where it names none."""
    return await fetch_rows(YearRow, f"{SQL['list_years']} ORDER BY {YEARS_BY.get(sort, YEARS_BY[''])}")


async def list_closable() -> list[int]:
    """Return the years that ended, whose months are closed and that nobody closed or proposed to close, oldest first."""
    waiting = {CLOSE_YEAR.read(row.document).year for row in await list_proposals("waiting", CLOSE_YEAR.code)}
    return [year for year in await _list_open() if year not in waiting]


async def _list_open() -> list[int]:
    """Return the years that ended, whose months are closed and that are not closed themselves, oldest first."""
    until = await closed_until()
    first = await fetch_scalar(dt.datetime, "SELECT min(at) FROM journal_entry")
    if until is None or first is None:
        return []
    closed = {row.year for row in await list_years()}
    years = range(first.astimezone(PARIS).year, until.astimezone(PARIS).year)
    return [year for year in years if year not in closed and end_of(year) <= until]


async def year_end(year: int) -> YearEnd:
    """Return what a year earned and what each account opens the next one with."""
    before, after = [await trial_balance(end_of(one) - dt.timedelta(microseconds=1)) for one in (year - 1, year)]
    earned, earlier = _earned(after), _earned(before)
    carried = [
        CarriedBalance(row.code, row.title_fr, row.title_en, row.balance_minor)
        for row in after
        if row.balance_minor and not row.code.startswith(EARNED)
    ]
    if earned:
        code = PROFITS if earned > 0 else LOSSES
        carried.append(CarriedBalance(code, "Report à nouveau", "Retained earnings", -earned))
    return YearEnd(earned - earlier, sorted(carried, key=lambda row: row.code))


async def list_opening(year: int, sort: str = "") -> list[CarriedBalance]:
    """Return what each account opens the year after one with, in an order of OPENING_BY, by account where it names none."""
    return in_order((await year_end(year)).carried, sort, OPENING_BY)


def _earned(rows: list[AccountBalance]) -> int:
    return -sum(row.balance_minor for row in rows if row.code.startswith(EARNED))


async def _check(document: YearClose) -> None:
    end = await year_end(document.year)
    if document.year not in await _list_open() or (end.result_minor, end.carried_minor) != (
        document.result_minor,
        document.carried_minor,
    ):
        raise Conflict("That year cannot be closed: a month of it is open, or it was proposed already.")


async def _close(document: YearClose, decision: Decision) -> None:
    await _request_file(decision.proposal, document.year, decision.actor)


def _facts(document: YearClose) -> list[tuple[str, str]]:
    earned = gettext("Profit" if document.result_minor >= 0 else "Loss")
    return [
        (earned, money(abs(document.result_minor), EUR)),
        (gettext("Carried to the next year"), money(document.carried_minor, EUR)),
    ]


CLOSE_YEAR: Final = ProposalKind(
    code="year",
    document=YearClose,
    words=Words("Year to close"),
    path="/finance/years",
    refusal="That year cannot be closed: a month of it is open, or it was proposed already.",
    check=_check,
    apply=_close,
    subject="{year}",
    reference="{year}",
    facts=_facts,
    noted={"amount_minor": "result_minor"},
    verbs={"approved": "year_closed", "proposed": "year_close_proposed", "refused": "year_close_refused"},
)


async def propose_year(year: int, actor: Actor, *, form_id: uuid.UUID) -> None:
    """Propose to close a year, once a form; refuse one whose months are open, or that was proposed or closed before."""
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise Conflict(CLOSE_YEAR.refusal)
    end = await year_end(year)
    document = YearClose(year, end.result_minor, end.carried_minor, current_words())
    await propose(CLOSE_YEAR, document, actor, form_id=form_id)


async def rebuild_year(close: uuid.UUID, actor: Actor, *, form_id: uuid.UUID) -> None:
    """Ask for the file of a closed year again: it must be the first one, byte for byte."""
    year = existing(
        next((row.year for row in await list_years() if row.id == close), None), NotFound("That year is not closed.")
    )
    await _request_file(form_id, year, actor)


async def _request_file(export: uuid.UUID, year: int, actor: Actor) -> None:
    days = dt.date(year, 1, 1), dt.date(year, 12, 31)
    await request_export(export, actor, file_format="fec", first_day=days[0], last_day=days[1])
