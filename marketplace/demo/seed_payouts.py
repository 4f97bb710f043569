"""The demo's payouts: runs that two finance clerks decide, and the bank that answers them and sends statements.

Every step is an ordinary action and can be repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

import structlog
from msgspec import Struct
from stdnum import iban

from marketplace.core import clock
from marketplace.core.database import fetch_column, fetch_row, fetch_rows, fetch_scalar
from marketplace.core.errors import Conflict
from marketplace.core.settings import settings
from marketplace.demo.bank import Bank
from marketplace.demo.seed_people import FINANCE, FINANCE_TOO, DemoPerson, claim_lines, get_staff
from marketplace.finance.bank.actions import import_bank_statement
from marketplace.finance.bank.payout_lines import match_payouts
from marketplace.subscribers.payouts import actions as payouts
from marketplace.subscribers.payouts import background_work, bank_details
from marketplace.subscribers.payouts.bank_file import list_files, open_file
from marketplace.subscribers.payouts.queries import find_unsent, get_run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

log = structlog.get_logger(__name__)
NAMESPACE: Final = uuid.UUID("5b7f9a52-9a0e-4a35-8a47-1f0f6d3b7f10")
OUR_IBAN: Final = "FR7630006000011234567890189"
SUBSCRIBER_IBAN: Final = "FR1420041010050500013M02606"
FIRST_NAMES: Final = ("Awa", "Bruno", "Chloé", "Driss", "Élise", "Farid", "Gaëlle", "Hugo", "Inès", "Jules")
LAST_NAMES: Final = ("Bernard", "Dubois", "Garnier", "Lefèvre", "Moreau", "Nguyen", "Petit", "Roussel")
PAYEES, NEW_PAYEES = 5, 2
"""How many lines are paid in addition to the demo's subscriber, and how many more the next draft finds due."""
BANK_ANSWERS_EVERY_SECONDS: Final = 5


class SentRunRow(Struct, frozen=True):
    """A payout run sent to the bank, and the day of its execution."""

    id: uuid.UUID
    execute_on: dt.date


class ArrivedRow(Struct, frozen=True):
    """A payout of Stripe that no bank line names: its id and its cents."""

    id: str
    amount_minor: int


class StatementRow(Struct, frozen=True):
    """The end of a bank statement: closing balance in cents, and sequence number."""

    closing_minor: int
    sequence: int | None


async def add_payees(subscriber: int) -> None:
    """Add bank details to the subscriber's line and to some of the lines that have earned most."""
    await write_bank_details(subscriber, "Lucie Martin", SUBSCRIBER_IBAN)
    await _add_payees(await _find_lines(subscriber, PAYEES))


async def add_new_payees(subscriber: int) -> None:
    """Add bank details to a few more lines, once, so that the next draft finds them due."""
    known = await fetch_scalar(int, "SELECT count(DISTINCT subscriber) FROM bank_details") or 0
    await _add_payees(await _find_lines(subscriber, PAYEES + 1 + NEW_PAYEES - known))


async def make_payouts() -> None:
    """Draft a run for everyone due, if anyone is; two finance clerks decide it; send it."""
    preparer, approver = await get_staff(FINANCE), await get_staff(FINANCE_TOO)
    try:
        run = await find_unsent("sepa") or await background_work.ask_to_draft(preparer, route="sepa")
    except Conflict:  # nobody is due
        return
    assert run, "the demo's people are few, so it is drafted at once"
    if (await get_run(run)).state == "draft":
        await payouts.approve(run, approver, reason="Somme vérifiée avec la balance")
    await background_work.ask_to_send(run, approver)


async def find_payee(subscriber: int) -> int | None:
    """Return the lowest paid line other than the subscriber's; None without one."""
    return await fetch_scalar(
        int, "SELECT min(subscriber) FROM payout WHERE state = 'open' AND subscriber <> $1", subscriber
    )


async def _find_lines(subscriber: int, number: int) -> list[int]:
    """Return the lines without bank details, other than the subscriber's, with the largest amounts due."""
    return await fetch_column(
        int,
        """SELECT subscriber FROM payable_movements() AS moved
           WHERE subscriber <> $1 AND NOT EXISTS (SELECT FROM bank_details WHERE bank_details.subscriber = moved.subscriber)
           GROUP BY subscriber
           HAVING sum(payable_micro) >= 10000 * $2::bigint ORDER BY sum(payable_micro) DESC, subscriber LIMIT $3""",
        subscriber,
        settings().payout_threshold_minor,
        max(0, number),
    )


async def _add_payees(lines: Sequence[int]) -> None:
    """Claim lines for their holders and add their bank details."""
    claimed = await fetch_column(int, "SELECT subscriber FROM person WHERE subscriber = ANY ($1)", list(lines))
    unclaimed = sorted({*lines} - set(claimed))
    if unclaimed:
        await claim_lines(
            {line: DemoPerson("subscriber", _name(line), f"line-{line}@demo.partage.example") for line in unclaimed}
        )
    for line in lines:
        await write_bank_details(line, _name(line), iban_of(line))


async def write_bank_details(line: int, holder: str, number: str) -> None:
    """Add a line's bank details, once."""
    await bank_details.write_details(line, holder=holder, iban=number, details=uuid.uuid5(NAMESPACE, str(line)))


async def answer_runs() -> int:
    """Act as the bank for every sent run: answer its file, execute it, import the statement. Return how many runs."""
    runs = await _list_sent()
    for run in runs:
        bank = await _open_bank()
        await _answer(bank, run)
        await _send_statement(bank, run.execute_on, clock.now().date())
    return len(runs)


async def close_bank_day(day: dt.date, *, rejects: Mapping[str, str]) -> None:
    """Act as the bank until the end of a day: answer and execute runs, credit Stripe's payouts, send a statement, once.

    rejects: IBAN → reason.
    """
    if await fetch_scalar(int, "SELECT count(*) FROM bank_statement WHERE closed_on >= $1", day):
        return
    bank = await _open_bank()
    bank.rejects = dict(rejects)
    for run in await _list_sent():
        await _answer(bank, run)
    bank.received = [(row.amount_minor, f"STRIPE {row.id}") for row in await _list_arrived()]
    await _send_statement(bank, day, day)


async def _list_sent() -> list[SentRunRow]:
    return await fetch_rows(
        SentRunRow,
        "SELECT id, execute_on FROM payout_run WHERE state = 'sent' AND route = 'sepa' ORDER BY sent_at",
    )


async def _list_arrived() -> list[ArrivedRow]:
    return await fetch_rows(
        ArrivedRow,
        """SELECT source_id AS id, -net_minor AS amount_minor FROM balance_transaction
           WHERE category = 'payout' AND NOT EXISTS (
               SELECT FROM bank_line WHERE bank_line.remittance = 'STRIPE ' || balance_transaction.source_id)
           ORDER BY created_at, id""",
    )


async def _answer(bank: Bank, run: SentRunRow) -> None:
    for file in await list_files(run.id):
        report = bank.submit(b"".join([piece async for piece in await open_file(run.id, file.number)]))
        await payouts.record_answer(run.id, report, None)


async def _send_statement(bank: Bank, day: dt.date, booked_on: dt.date) -> None:
    statement = bank.close_day(day, booked_on=booked_on)
    await import_bank_statement(statement, person=None, new_account=True)
    await match_payouts()


async def _open_bank() -> Bank:
    """Return our account at the bank, as of its last imported statement."""
    bank = Bank(settings().payout_iban)
    last = await fetch_row(
        StatementRow,
        """SELECT closing_minor, sequence FROM bank_statement WHERE iban = $1
           ORDER BY sequence DESC NULLS LAST LIMIT 1""",
        settings().payout_iban,
    )
    if last is not None:
        bank.balance_cents, bank.days = last.closing_minor, last.sequence or 0
    return bank


@contextlib.asynccontextmanager
async def bank_running() -> AsyncIterator[None]:
    """Answer runs by the demo's bank during the block."""
    answering = asyncio.create_task(_answer_forever())
    try:
        yield
    finally:
        answering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answering


async def _answer_forever() -> None:
    while True:
        await asyncio.sleep(BANK_ANSWERS_EVERY_SECONDS)
        try:
            await answer_runs()
        except Exception:  # a failure of the simulated bank must not end the demo
            log.exception("the demo's bank could not answer")


def iban_of(line: int) -> str:
    """Return the made-up German IBAN of a line."""
    bban = f"37040044{line % 10**10:010d}"
    return f"DE{iban.calc_check_digits(f'DE00{bban}')}{bban}"


def _name(line: int) -> str:
    return f"{FIRST_NAMES[line % len(FIRST_NAMES)]} {LAST_NAMES[line % len(LAST_NAMES)]}"
