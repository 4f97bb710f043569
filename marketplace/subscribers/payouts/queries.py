"""What pages show of payouts: a subscriber's own, and for finance each run by its sums; names and IBANs stay sealed."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_column, fetch_row, fetch_rows, fetch_scalar, select
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.settings import settings
from marketplace.core.statements import load_statements
from marketplace.money.ledger.queries import EntryOf, list_entries_of
from marketplace.subscribers.earnings.rules import MICRO_PER_MINOR
from marketplace.subscribers.payouts.rules import ENDED, PAYEES_A_PAGE, bounds_of, in_words, next_draft_after
from marketplace.subscribers.payouts.tables import PayoutAnswer, PayoutRun, PayoutSum

DETAILS: Final = """
    SELECT last_four, added_at, usable_from, refused_at, held_at
    FROM bank_details JOIN subscriber ON reference = subscriber AND added_at >= claimed_at
    WHERE subscriber = $1 AND ended_at IS NULL"""
SQL: Final = load_statements(__package__)
RUNS_BY: Final = {"": "drafted_at DESC", "oldest": "drafted_at", "people": "people DESC", "amount": "amount_minor DESC"}
PAYOUTS_BY: Final = {"": "batch", "line": "payout.subscriber", "amount": "payout.amount_minor DESC", "state": "state"}
ANSWERS_SHOWN: Final = 500
CHOICE: Final = """
    SELECT payout_choice.threshold_minor, payout_choice.stripe_account, payout_choice.stripe_from,
           CASE WHEN payout_choice.is_last THEN 'bank' ELSE payout_choice.way END AS way
    FROM payout_choice JOIN subscriber ON reference = subscriber AND chosen_at >= claimed_at
    WHERE subscriber = $1"""
"""The payment choices of a line's holder."""
UNDER_WAY: Final = """
    SELECT payout.amount_minor, payout_run.state AS run_state,
           CASE WHEN drafted_at >= coalesce(claimed_at, '-infinity') THEN last_four END AS last_four
    FROM payout JOIN payout_run ON payout_run.id = payout.run JOIN subscriber ON reference = payout.subscriber
    LEFT JOIN bank_details ON bank_details.id = payout.details
    WHERE payout.subscriber = $1 AND payout.state = 'open'"""
"""The open payout of a line; the account of an earlier holder is not the present one's to see."""
RECREDITS: Final = """
    SELECT DISTINCT recredited_by AS run FROM payout WHERE run = $1 AND recredited_by IS NOT NULL ORDER BY 1 LIMIT 49"""
"""The share runs that recredited failed payouts of a run, the earliest first."""


class ChoiceRow(Struct, frozen=True):
    """A subscriber's payment choices: how, from how many cents, and at which Stripe account since when."""

    threshold_minor: int
    stripe_account: str | None
    stripe_from: dt.datetime | None
    way: str


class UnderWay(Struct, frozen=True):
    """A payout that is drafted or sent, in cents, and the visible part of its account."""

    amount_minor: int
    run_state: str
    last_four: str | None


class CurrentDetails(Struct, frozen=True):
    """The bank details in use, in their visible part."""

    last_four: str
    added_at: dt.datetime
    usable_from: dt.datetime
    refused_at: dt.datetime | None
    held_at: dt.datetime | None


class DetailsRow(Struct, frozen=True):
    """Bank details, in use or ended, in their visible part."""

    last_four: str
    country: str
    added_at: dt.datetime
    usable_from: dt.datetime
    ended_at: dt.datetime | None
    refused_at: dt.datetime | None
    refused_reason: str | None
    held_at: dt.datetime | None


class Outlook(Struct, frozen=True):
    """When and how a line is paid next."""

    lowest_minor: int
    """The common threshold, in cents, and the line's own."""
    threshold_minor: int
    share: float
    """The progress towards the threshold, in [0, 1]."""
    is_reached: bool
    missing_micro: int
    details: CurrentDetails | None
    changed: CurrentDetails | None
    """The details, while they are too new to be paid to."""
    under_way: UnderWay | None
    way: str
    """bank (or the Stripe account), bill, gift or kept."""
    at_stripe: bool
    stripe_new_until: dt.datetime | None
    """Until when the Stripe account is too new to be paid to."""
    next_draft_at: dt.datetime

    @property
    def is_new(self) -> bool:
        """Return whether the details are too new to be paid to."""
        return self.changed is not None


class PayoutRow(Struct, frozen=True):
    """A payout as its subscriber sees it, in cents."""

    id: uuid.UUID
    amount_minor: int
    state: str
    reason: str | None
    ended_at: dt.datetime | None
    run_state: str
    sent_at: dt.datetime | None
    execute_on: dt.date | None
    drafted_at: dt.datetime
    last_four: str | None

    @property
    def why(self) -> str:
        """Return why it failed, in plain words, to be translated."""
        return in_words(self.reason)


class SentPayout(Struct, frozen=True):
    """A payout on a year's statement, in cents."""

    amount_minor: int
    state: str
    sent_at: dt.datetime


class RunRow(Struct, frozen=True):
    """A payout run with the names of the people who decided it; amounts in cents."""

    id: uuid.UUID
    route: str
    state: str
    threshold_minor: int
    amount_minor: int
    people: int
    spread: list[int]
    shared: int | None
    drafted_at: dt.datetime
    prepared_by: uuid.UUID | None
    prepared_name: str | None
    approved_name: str | None
    approved_at: dt.datetime | None
    reason: str | None
    cancelled_name: str | None
    cancelled_reason: str | None
    sent_at: dt.datetime | None
    execute_on: dt.date | None
    file_sha256: str | None
    file_sequence: int
    send_asked_at: dt.datetime | None
    send_problem: str | None
    replace_asked_at: dt.datetime | None
    ended_at: dt.datetime | None


class PeopleSum(Struct, frozen=True):
    """How many people are paid, and their sum, in cents."""

    people: int
    amount_minor: int


class PayoutSumRow(Struct, frozen=True):
    """The stored sums of a run's payouts that ended or were checked, in cents."""

    what: str
    people: int
    amount_minor: int


class AnswerRow(Struct, frozen=True):
    """A status report of the bank about one file of a run."""

    file: int
    received_at: dt.datetime
    group_status: str
    reason: str
    rejected: int


class RunPage(Struct, frozen=True):
    """All that finance sees of one run."""

    run: RunRow
    states: dict[str, PeopleSum]
    spread: list[tuple[int, int]]
    """From how many cents on, and how many people up to the next step."""
    shared: int
    """How many payees have the IBAN of another line."""
    answers: list[AnswerRow]
    entries: list[EntryOf]


class RunPayoutRow(Struct, frozen=True):
    """A payout as finance sees it, in cents: the line and the last four characters, never a name."""

    subscriber: int
    stripe_account: str | None
    amount_minor: int
    state: str
    reason: str | None
    last_four: str | None
    country: str | None

    @property
    def why(self) -> str:
        """Return why it failed, in plain words, to be translated."""
        return in_words(self.reason)


class DuePayouts(Struct, frozen=True):
    """Who would be paid now by each route, and who is above the threshold without bank details."""

    sepa: PeopleSum
    stripe: PeopleSum
    waiting: PeopleSum


class RunStateRow(Struct, frozen=True):
    """The facts that decide the next step of a run; amount in cents."""

    id: uuid.UUID
    route: str
    state: str
    amount_minor: int
    people: int
    drafted_at: dt.datetime
    prepared_by: uuid.UUID | None
    approved_by: uuid.UUID | None
    file_sequence: int
    send_asked_by: uuid.UUID | None
    send_asked_at: dt.datetime | None
    replace_asked_at: dt.datetime | None


async def get_outlook(line: int, payable_micro: int, now: dt.datetime) -> Outlook:
    """Return when and how a line is paid next: its threshold, its progress, its bank details, payouts under way."""
    choice = await fetch_row(ChoiceRow, CHOICE, line)
    under_way = await fetch_row(UnderWay, UNDER_WAY, line)
    details = await fetch_row(CurrentDetails, DETAILS, line)
    lowest = settings().payout_threshold_minor
    threshold = max(lowest, choice.threshold_minor if choice else 0)
    left_micro = payable_micro
    if under_way and under_way.run_state in ("draft", "approved"):
        left_micro -= under_way.amount_minor * MICRO_PER_MINOR
    wanted_micro = threshold * MICRO_PER_MINOR
    return Outlook(
        lowest_minor=lowest,
        threshold_minor=threshold,
        share=min(1.0, left_micro / wanted_micro),
        is_reached=left_micro >= wanted_micro,
        missing_micro=max(0, wanted_micro - left_micro),
        details=details,
        changed=details if details and details.usable_from > now else None,
        under_way=under_way,
        way=choice.way if choice else "bank",
        at_stripe=choice is not None and choice.stripe_account is not None,
        stripe_new_until=choice.stripe_from if choice and choice.stripe_from and choice.stripe_from > now else None,
        next_draft_at=next_draft_after(now, settings().payouts_every_seconds),
    )


async def list_payouts(line: int, page: int = 1) -> Paged[PayoutRow]:
    """Return one page of a line's payouts, the latest first, without those cancelled before they were sent."""
    return paged(await fetch_rows(PayoutRow, SQL["list_payouts"], line, PAGE_SIZE + 1, offset(page)), page)


async def list_payouts_sent(line: int, start: dt.datetime, end: dt.datetime) -> list[SentPayout]:
    """Return a line's payouts that were sent in [start, end), the earliest first."""
    return await fetch_rows(SentPayout, SQL["list_payouts_sent"], line, start, end)


async def list_details(line: int) -> list[DetailsRow]:
    """Return the latest changes of the holder's bank details, in their visible part."""
    return await fetch_rows(DetailsRow, SQL["list_details"], line)


async def get_run(run: uuid.UUID, *, locked: bool = False) -> RunStateRow:
    """Return a run, locked until the transaction ends if requested; raises NotFound."""
    query = select(RunStateRow, PayoutRun).where(PayoutRun.id == run)
    return existing(
        await fetch_row(RunStateRow, query.lock_rows() if locked else query), NotFound("There is no such payout run.")
    )


async def find_unsent(route: str) -> uuid.UUID | None:
    """Return the route's run that is drafted or approved, if there is one."""
    query = PayoutRun.select(PayoutRun.id).where(PayoutRun.route == route, PayoutRun.state.is_in(["draft", "approved"]))
    return await fetch_scalar(uuid.UUID, query)


async def list_runs(page: int = 1, state: str = "", sort: str = "") -> Paged[RunRow]:
    """Return one page of payout runs, of a state unless it is empty, in an order of `RUNS_BY`."""
    sql = f"{SQL['runs_in_state']} ORDER BY {RUNS_BY.get(sort, RUNS_BY[''])}, payout_run.id LIMIT $2 OFFSET $3"
    return paged(await fetch_rows(RunRow, sql, state, PAGE_SIZE + 1, offset(page)), page)


async def get_run_page(run: uuid.UUID) -> RunPage:
    """Return all that finance sees of a run: sums by state, distribution of amounts, the bank's answers, entries."""
    row = existing(await fetch_row(RunRow, SQL["get_run_with_names"], run), NotFound("There is no such payout run."))
    answers = (
        select(AnswerRow, PayoutAnswer)
        .where(PayoutAnswer.run == run)
        .order_by(PayoutAnswer.received_at, ascending=False)
        .limit(ANSWERS_SHOWN)
    )
    recredits = await fetch_column(int, RECREDITS, run)
    return RunPage(
        run=row,
        states=await _sums_by_state(row),
        spread=list(zip(bounds_of(row.threshold_minor), row.spread, strict=True)),
        shared=row.shared or 0 if row.people > PAYEES_A_PAGE else await _count_shared(run),
        answers=await fetch_rows(AnswerRow, answers),
        entries=await list_entries_of(
            [("payout_sent", str(run)), *(("payout_back", str(recredit)) for recredit in recredits)]
        ),
    )


async def _sums_by_state(run: RunRow) -> dict[str, PeopleSum]:
    """Return a run's payouts by state from the stored sums: the open ones are those that have not ended."""
    kept = select(PayoutSumRow, PayoutSum).where(
        PayoutSum.run == run.id, PayoutSum.what.is_in(list(ENDED)), PayoutSum.people > 0
    )
    sums = {row.what: PeopleSum(row.people, row.amount_minor) for row in await fetch_rows(PayoutSumRow, kept)}
    people, amount_minor = (sum(getattr(one, field) for one in sums.values()) for field in ("people", "amount_minor"))
    if run.people > people:
        sums["open"] = PeopleSum(run.people - people, run.amount_minor - amount_minor)
    return sums


async def _count_shared(run: uuid.UUID) -> int:
    return await fetch_scalar(int, SQL["count_shared_accounts"], run) or 0


async def list_run_payouts(run: uuid.UUID, page: int = 1, state: str = "", sort: str = "") -> Paged[RunPayoutRow]:
    """Return one page of a run's payouts in an order of `PAYOUTS_BY`: lines and the last four characters, never a name."""
    sql = f"{SQL['list_run_payouts']} ORDER BY {PAYOUTS_BY.get(sort, PAYOUTS_BY[''])}, payout.id LIMIT $3 OFFSET $4"
    return paged(await fetch_rows(RunPayoutRow, sql, run, state, PAGE_SIZE + 1, offset(page)), page)


async def count_due(now: dt.datetime) -> DuePayouts:
    """Return how many would be paid now and how much, and how many are above the threshold without bank details."""
    threshold = settings().payout_threshold_minor
    sepa = await fetch_row(PeopleSum, SQL["count_due_by_transfer"], threshold, now)
    stripe = await fetch_row(PeopleSum, SQL["count_due_at_stripe"], threshold, now)
    waiting = await fetch_row(PeopleSum, SQL["count_waiting"], threshold)
    assert sepa
    assert stripe
    assert waiting
    return DuePayouts(sepa, stripe, waiting)
